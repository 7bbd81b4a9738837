#![expect(clippy::cast_possible_wrap, reason = "the numbers of a test are small")]

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use model::Draft as _;
use model::Noun as _;
use model::id::RouteId;
use model::route::{HostName, PathPattern, RouteDraft, RouteSpec};
use model::service::Scheme;
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Match, NoMatch, Router, Wanted};
use crate::path::canonical;

fn spec(mut body: Value) -> RouteSpec {
    body["name"] = json!("r");
    body["service"] = json!(Uuid::nil());
    let submission = RouteDraft::read(&body);
    assert!(submission.errors.is_empty(), "{}", submission.errors);
    let mut errors = model::Errors::new();
    RouteSpec::validate(&submission.draft, &mut errors).unwrap_or_else(|| panic!("{body}: {errors}"))
}

/// Routes with ids 0, 1, 2 and so on, the oldest first.
struct Table(Vec<(RouteId, RouteSpec)>);

impl Table {
    fn new(bodies: &[Value]) -> Self {
        let id = |index: usize| RouteId(Uuid::from_u128(index as u128));
        Self(
            bodies
                .iter()
                .enumerate()
                .map(|(index, body)| (id(index), spec(body.clone())))
                .collect(),
        )
    }

    fn find_with(&self, method: &str, host: &str, path: &str, headers: &HeaderMap) -> Result<Match, NoMatch> {
        let (router, problems) = Router::build(self.0.iter().map(|(id, spec)| (*id, spec)));
        assert!(problems.is_empty());
        let (path, host) = (canonical(path).expect("a path"), HostName::parse(host).expect("a host"));
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let wanted = Wanted {
            host: Some(&host),
            port: Some(80),
            scheme: Scheme::Http,
            path: &path,
            method: &method,
            headers,
        };
        router.find(&wanted)
    }

    fn find(&self, method: &str, host: &str, path: &str) -> Option<usize> {
        self.find_with(method, host, path, &HeaderMap::new())
            .ok()
            .map(|found| found.route.0.as_u128() as usize)
    }
}

#[test]
fn the_precedence_is_that_of_the_manual() {
    let table = Table::new(&[
        json!({"paths": ["/"]}),
        json!({"paths": ["/api"]}),
        json!({"paths": ["~^/api/v\\d+"]}),
        json!({"paths": ["/api/{version}/users"]}),
        json!({"paths": ["/api/v1/{noun}/{id}"]}),
        json!({"paths": ["=/api/v1/users"]}),
        json!({"paths": ["/api"], "methods": ["POST"]}),
        json!({"paths": ["/low"], "priority": 5}),
        json!({"paths": ["=/low/exact"], "methods": ["GET"]}),
    ]);
    assert_eq!(table.find("GET", "a.example", "/other"), Some(0), "the shortest prefix");
    assert_eq!(
        table.find("GET", "a.example", "/apia"),
        Some(1),
        "prefixes know no segments"
    );
    assert_eq!(
        table.find("GET", "a.example", "/api/v2/x"),
        Some(2),
        "a regex before a prefix"
    );
    assert_eq!(
        table.find("GET", "a.example", "/api/v2/users"),
        Some(3),
        "parameters before a regex"
    );
    assert_eq!(
        table.find("GET", "a.example", "/api/v1/users/7"),
        Some(4),
        "more literal segments"
    );
    assert_eq!(
        table.find("GET", "a.example", "/api/v1/users"),
        Some(5),
        "exact before everything"
    );
    assert_eq!(
        table.find("POST", "a.example", "/api/v1/users"),
        Some(6),
        "more kinds of condition"
    );
    assert_eq!(
        table.find("GET", "a.example", "/low/exact"),
        Some(7),
        "an explicit priority"
    );
}

#[test]
fn hosts_are_matched_whole_then_by_the_longest_wildcard() {
    let table = Table::new(&[
        json!({"paths": ["/"]}),
        json!({"hosts": ["*.example.com"], "paths": ["/"]}),
        json!({"hosts": ["*.eu.example.com"], "paths": ["/"]}),
        json!({"hosts": ["api.eu.example.com"], "paths": ["/"]}),
        json!({"hosts": ["api.*"], "paths": ["/"]}),
        json!({"hosts": ["port.example.org:8443"], "paths": ["/"]}),
    ]);
    assert_eq!(table.find("GET", "api.eu.example.com", "/"), Some(3));
    assert_eq!(table.find("GET", "b.eu.example.com", "/"), Some(2));
    assert_eq!(table.find("GET", "b.example.com", "/"), Some(1));
    assert_eq!(
        table.find("GET", "example.com", "/"),
        Some(0),
        "the domain itself is not below it"
    );
    assert_eq!(table.find("GET", "api.test", "/"), Some(4));
    assert_eq!(table.find("GET", "port.example.org", "/"), Some(0), "another port");
}

#[test]
fn a_wrong_method_is_told_with_the_right_ones() {
    let table = Table::new(&[
        json!({"paths": ["/a"], "methods": ["GET", "HEAD"]}),
        json!({"paths": ["/a"], "methods": ["PUT"]}),
    ]);
    let refused = table.find_with("DELETE", "x", "/a", &HeaderMap::new());
    assert_eq!(
        refused,
        Err(NoMatch::Method(vec!["GET".into(), "HEAD".into(), "PUT".into()]))
    );
    assert_eq!(
        table.find_with("GET", "x", "/b", &HeaderMap::new()),
        Err(NoMatch::NotFound)
    );
}

#[test]
fn headers_are_compared_without_case_and_may_be_expressions() {
    let table = Table::new(&[
        json!({"paths": ["/"]}),
        json!({"paths": ["/"], "headers": {"x-tier": ["gold", "~^plat"]}}),
        json!({"paths": ["/"], "headers": {"x-beta": ["*"], "x-tier": ["gold"]}}),
    ]);
    let find = |pairs: &[(&'static str, &'static str)]| {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        table
            .find_with("GET", "x", "/", &pairs.collect())
            .expect("a route")
            .route
            .0
            .as_u128()
    };
    assert_eq!(find(&[]), 0);
    assert_eq!(find(&[("x-tier", "silver")]), 0);
    assert_eq!(find(&[("x-tier", "GOLD")]), 1);
    assert_eq!(find(&[("x-tier", "Platinum")]), 1);
    assert_eq!(find(&[("x-tier", "gold"), ("x-beta", "")]), 2);
}

#[test]
fn parameters_have_values_and_a_rest_may_be_empty() {
    let table = Table::new(&[json!({"paths": ["/users/{id}/files/{*path}"]})]);
    let found = |path: &str| table.find_with("GET", "x", path, &HeaderMap::new());
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let whole = found("/users/7/files/a/b").expect("a route");
    assert_eq!(whole.parameters, [pair("id", "7"), pair("path", "a/b")]);
    assert_eq!(whole.matched, "/users/7/files".len());
    assert_eq!(
        found("/users/7/files/").expect("a route").parameters[1],
        pair("path", "")
    );
    assert_eq!(
        found("/users/7/files").expect("a route").parameters[1],
        pair("path", "")
    );
    assert!(found("/users//files/a").is_err());
}

#[test]
fn an_encoded_slash_is_refused_unless_the_route_keeps_it() {
    let table = Table::new(&[
        json!({"paths": ["/a"]}),
        json!({"paths": ["/k/{id}"], "encoded_slashes": "keep"}),
    ]);
    assert_eq!(
        table.find_with("GET", "x", "/a/b%2fc", &HeaderMap::new()),
        Err(NoMatch::EncodedSlash)
    );
    let kept = table
        .find_with("GET", "x", "/k/b%2fc", &HeaderMap::new())
        .expect("a route");
    assert_eq!(kept.parameters, [("id".to_owned(), "b%2Fc".to_owned())]);
}

#[test]
fn slashes_are_merged_unless_the_route_wants_them() {
    let table = Table::new(&[
        json!({"paths": ["/a/b"]}),
        json!({"paths": ["/raw"], "merge_slashes": false}),
    ]);
    assert_eq!(table.find("GET", "x", "//a//b"), Some(0));
    assert_eq!(table.find("GET", "x", "//raw"), None);
    assert_eq!(table.find("GET", "x", "/raw//x"), Some(1));
}

#[test]
fn of_equal_routes_the_oldest_wins() {
    let table = Table::new(&[json!({"paths": ["/same"]}), json!({"paths": ["/same"]})]);
    assert_eq!(table.find("GET", "x", "/same/1"), Some(0));
}

#[test]
fn a_disabled_route_matches_nothing() {
    let table = Table::new(&[json!({"paths": ["/a"], "enabled": false})]);
    assert_eq!(table.find("GET", "x", "/a"), None);
}

/// What the manual says, word by word, over all routes.
fn naive(routes: &[(RouteId, RouteSpec)], method: &str, host: &HostName, path: &str) -> Option<RouteId> {
    let mut best: Option<(Vec<i64>, RouteId)> = None;
    for (id, spec) in routes {
        if !spec.methods.is_empty() && !spec.methods.iter().any(|known| known == method) {
            continue;
        }
        let hosts: Vec<Vec<i64>> = if spec.hosts.is_empty() {
            vec![vec![0, 0]]
        } else {
            let matching = spec.hosts.iter().filter(|pattern| pattern.matches(host, Some(80)));
            let text = |pattern: &model::route::HostPattern| pattern.to_string();
            matching
                .map(|pattern| {
                    vec![if text(pattern).contains('*') { 1 } else { 2 }, {
                        let text = text(pattern);
                        if text.contains('*') { text.len() as i64 } else { 0 }
                    }]
                })
                .collect()
        };
        let paths: Vec<Vec<i64>> = if spec.paths.is_empty() {
            vec![vec![0, 0]]
        } else {
            spec.paths
                .iter()
                .filter_map(|pattern| path_rank(pattern, path))
                .collect()
        };
        let kinds =
            i64::from(!spec.hosts.is_empty()) + i64::from(!spec.paths.is_empty()) + i64::from(!spec.methods.is_empty());
        for host in &hosts {
            for path in &paths {
                let rank = [vec![i64::from(spec.priority), kinds], host.clone(), path.clone()].concat();
                if best.as_ref().is_none_or(|(known, _)| rank > *known) {
                    best = Some((rank, *id));
                }
            }
        }
    }
    best.map(|(_, id)| id)
}

fn path_rank(pattern: &PathPattern, path: &str) -> Option<Vec<i64>> {
    match pattern {
        PathPattern::Exact(exact) => (path == exact).then(|| vec![4, 0]),
        PathPattern::Prefix(prefix) => path.starts_with(prefix).then(|| vec![1, prefix.len() as i64]),
        PathPattern::Regex(regex) => PathPattern::compile(regex)
            .expect("valid")
            .is_match(path)
            .then(|| vec![2, 0]),
        PathPattern::Parameters(_) => {
            let text = pattern.to_string();
            let expression = regex::Regex::new(r"\\\{[a-z]+\\\}")
                .expect("valid")
                .replace_all(&regex::escape(&text), "[^/]+")
                .into_owned();
            let matches = regex::Regex::new(&format!("^{expression}$"))
                .expect("valid")
                .is_match(path);
            matches.then(|| {
                vec![
                    3,
                    text.split('/').skip(1).filter(|part| !part.starts_with('{')).count() as i64,
                ]
            })
        }
    }
}

fn any_route() -> impl Strategy<Value = Value> {
    let path = prop_oneof![
        "/[ab]{0,2}(/[ab]{1,2})?",
        "=/[ab]{1,2}(/[ab]{1,2})?",
        "(/[ab]|/\\{x\\})(/\\{y\\})",
        Just("~^/a+/".to_owned()),
        Just("~^/[ab]$".to_owned()),
    ];
    let host = prop_oneof![
        Just("a.test"),
        Just("b.a.test"),
        Just("*.test"),
        Just("*.a.test"),
        Just("a.*")
    ];
    let method = prop_oneof![Just("GET"), Just("POST")];
    (
        prop::collection::btree_set(host, 0..3),
        prop::collection::btree_set(path, 1..3),
        prop::collection::btree_set(method, 0..2),
        0_i32..2,
    )
        .prop_map(|(hosts, paths, methods, priority)| {
            json!({"hosts": hosts, "paths": paths, "methods": methods, "priority": priority})
        })
}

proptest! {
    #[test]
    fn it_finds_what_a_look_at_every_route_finds(
        bodies in prop::collection::vec(any_route(), 0..12),
        host in prop_oneof![Just("a.test"), Just("b.a.test"), Just("c.b.a.test"), Just("test"), Just("a.org")],
        path in "/[ab]{0,2}(/[ab]{0,2})?",
        method in prop_oneof![Just("GET"), Just("POST")],
    ) {
        let table = Table::new(&bodies);
        let seen = canonical(&path).expect("a path").seen(true).to_owned();
        let expected = naive(&table.0, method, &HostName::parse(host).expect("a host"), &seen);
        let found = table.find(method, host, &path).map(|index| RouteId(Uuid::from_u128(index as u128)));
        prop_assert_eq!(found, expected);
    }
}
