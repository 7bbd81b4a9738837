use std::net::Ipv4Addr;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use model::Draft as _;
use model::Noun as _;
use model::id::RouteId;
use model::route::{HostName, RequestKind, RouteDraft, RouteSpec};
use model::service::Scheme;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Match, NoMatch, Router, Wanted, WantedStream, kind_of};
use crate::path::{CanonicalPath, canonical};

pub(super) fn spec(mut body: Value) -> RouteSpec {
    body["name"] = json!("r");
    body["service"] = json!(Uuid::nil());
    let submission = RouteDraft::read(&body);
    assert!(submission.errors.is_empty(), "{}", submission.errors);
    let mut errors = model::Errors::new();
    let spec = RouteSpec::validate(&submission.draft, &mut errors);
    spec.filter(|_| errors.is_empty())
        .unwrap_or_else(|| panic!("{body}: {errors}"))
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

    fn router(&self) -> (Router, Vec<(RouteId, String)>) {
        Router::build(self.0.iter().map(|(id, spec)| (*id, spec)))
    }

    fn find_with(&self, method: &str, host: &str, path: &str, headers: &HeaderMap) -> Result<Match, NoMatch> {
        let (router, problems) = self.router();
        assert!(problems.is_empty());
        let (path, host) = (canonical(path).expect("a path"), HostName::parse(host).expect("a host"));
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        router.find(&wanted(&host, &path, &method, headers))
    }

    /// A plain GET of `/` that is changed before it is asked for.
    fn find_as(&self, change: impl FnOnce(&mut Wanted<'_>)) -> Option<usize> {
        let (router, _) = self.router();
        let (path, host) = (
            canonical("/").expect("a path"),
            HostName::parse("a.test").expect("a host"),
        );
        let headers = HeaderMap::new();
        let mut wanted = wanted(&host, &path, &Method::GET, &headers);
        change(&mut wanted);
        let found = router.find(&wanted).ok();
        found.map(|found| found.route.0.as_u128() as usize)
    }

    fn find(&self, method: &str, host: &str, path: &str) -> Option<usize> {
        self.find_with(method, host, path, &HeaderMap::new())
            .ok()
            .map(|found| found.route.0.as_u128() as usize)
    }
}

fn wanted<'a>(
    host: &'a HostName,
    path: &'a CanonicalPath<'a>,
    method: &'a Method,
    headers: &'a HeaderMap,
) -> Wanted<'a> {
    Wanted {
        host: Some(host),
        port: Some(80),
        scheme: Scheme::Http,
        path,
        method,
        headers,
        query: None,
        sni: None,
        source: Ipv4Addr::LOCALHOST.into(),
        kind: RequestKind::Plain,
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

#[test]
fn a_query_is_decoded_once_and_compared_with_case() {
    let table = Table::new(&[
        json!({"paths": ["/"]}),
        json!({"paths": ["/"], "queries": {"version": ["2", "~^3\\."]}}),
        json!({"paths": ["/"], "queries": {"debug": ["*"], "version": ["2"]}}),
        json!({"paths": ["/"], "queries": {"a b": ["c&d"]}}),
    ]);
    let find = |query| table.find_as(|wanted| wanted.query = Some(query));
    for (query, expected) in [
        ("", 0),
        ("version=2", 1),
        ("version=1&version=2", 1),
        ("version=3.1", 1),
        ("Version=2", 0),
        ("version=%32", 1),
        ("version=%2532", 0),
        ("debug&version=2", 2),
        ("a+b=c%26d", 3),
        ("a%20b=C%26d", 0),
    ] {
        assert_eq!(find(query), Some(expected), "{query}");
    }
}

#[test]
fn grpc_and_web_sockets_have_routes_of_their_own_or_those_of_http() {
    let table = Table::new(&[
        json!({"paths": ["/"]}),
        json!({"paths": ["/"], "protocols": ["grpc", "grpcs"]}),
        json!({"paths": ["/"], "protocols": ["ws"]}),
        json!({"paths": ["/only"], "protocols": ["wss"]}),
    ]);
    let find = |kind, scheme| {
        table.find_as(|wanted| {
            wanted.kind = kind;
            wanted.scheme = scheme;
        })
    };
    assert_eq!(find(RequestKind::Plain, Scheme::Http), Some(0));
    assert_eq!(find(RequestKind::Grpc, Scheme::Https), Some(1));
    assert_eq!(find(RequestKind::WebSocket, Scheme::Http), Some(2));
    assert_eq!(
        find(RequestKind::WebSocket, Scheme::Https),
        Some(0),
        "the http routes take all"
    );
}

#[test]
fn the_kind_of_a_request_is_read_off_its_headers() {
    let kind = |pairs: &[(&'static str, &'static str)], protocol| {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        kind_of(&pairs.collect(), protocol)
    };
    assert_eq!(kind(&[("content-type", "application/grpc")], None), RequestKind::Grpc);
    assert_eq!(
        kind(&[("content-type", "Application/gRPC+proto")], None),
        RequestKind::Grpc
    );
    assert_eq!(
        kind(&[("content-type", "application/grpc-web-text")], None),
        RequestKind::Grpc
    );
    assert_eq!(kind(&[("content-type", "application/json")], None), RequestKind::Plain);
    assert_eq!(
        kind(&[("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")], None),
        RequestKind::WebSocket
    );
    assert_eq!(
        kind(&[("upgrade", "websocket")], None),
        RequestKind::Plain,
        "nothing asks for the upgrade"
    );
    assert_eq!(
        kind(&[("connection", "upgrade"), ("upgrade", "h2c")], None),
        RequestKind::Plain
    );
    assert_eq!(kind(&[], Some("websocket")), RequestKind::WebSocket);
}

#[test]
fn the_narrower_network_and_server_name_win() {
    let table = Table::new(&[
        json!({"paths": ["/"], "sources": ["10.0.0.0/8", "::1"]}),
        json!({"paths": ["/"], "sources": ["10.1.0.0/16"]}),
        json!({"paths": ["/"], "snis": ["*.a.test"]}),
        json!({"paths": ["/"], "snis": ["x.a.test"]}),
    ]);
    let from = |source: &str| {
        let source = source.parse().expect("an address");
        table.find_as(|wanted| wanted.source = source)
    };
    assert_eq!(from("10.2.0.1"), Some(0));
    assert_eq!(from("::ffff:10.2.0.1"), Some(0));
    assert_eq!(from("10.1.0.1"), Some(1));
    assert_eq!(from("192.0.2.1"), None);
    let named = |sni| {
        table.find_as(|wanted| {
            wanted.sni = Some(sni);
            wanted.scheme = Scheme::Https;
        })
    };
    assert_eq!(named("b.a.test"), Some(2));
    assert_eq!(named("X.a.test."), Some(3));
    assert_eq!(named("a.test"), None);
}

#[test]
fn connections_go_by_port_server_name_and_address() {
    let table = Table::new(&[
        json!({"protocols": ["tls"], "snis": ["*.a.test"]}),
        json!({"protocols": ["tls"], "snis": ["db.a.test"]}),
        json!({"protocols": ["tls"], "snis": ["db.a.test"], "ports": [5433]}),
        json!({"protocols": ["tcp"], "ports": [5432]}),
        json!({"protocols": ["tcp"], "ports": [5432], "sources": ["10.0.0.0/8"]}),
        json!({"paths": ["/"]}),
    ]);
    let (router, _) = table.router();
    let find = |port, sni: Option<&str>, source: &str| {
        let wanted = WantedStream {
            port,
            tls: sni.is_some(),
            sni,
            source: source.parse().expect("an address"),
        };
        router.find_stream(&wanted).map(|route| route.0.as_u128())
    };
    assert_eq!(find(8443, Some("x.A.test"), "192.0.2.1"), Some(0));
    assert_eq!(find(8443, Some("DB.a.test."), "192.0.2.1"), Some(1));
    assert_eq!(find(5433, Some("db.a.test"), "192.0.2.1"), Some(2));
    assert_eq!(find(5432, None, "192.0.2.1"), Some(3));
    assert_eq!(find(5432, None, "10.2.3.4"), Some(4));
    assert_eq!(find(5433, None, "10.2.3.4"), None, "not TLS");
    assert_eq!(find(8443, Some("a.test"), "10.2.3.4"), None);
    assert_eq!(router.stream_ports().collect::<Vec<_>>(), [5432, 5433]);
    assert!(
        router.reads_server_names(5432),
        "a route without ports may want any of them"
    );
    let tcp = Table::new(&[json!({"protocols": ["tcp"], "ports": [5432]})]);
    assert!(!tcp.router().0.reads_server_names(5432));
}

#[test]
fn what_another_kind_of_condition_refuses_is_not_found_instead_of_a_wrong_method() {
    let table = Table::new(&[json!({"paths": ["/"], "methods": ["GET"], "queries": {"a": ["1"]}})]);
    assert_eq!(
        table.find_with("POST", "x", "/", &HeaderMap::new()),
        Err(NoMatch::NotFound)
    );
}
