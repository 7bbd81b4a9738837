use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::path::Segment;
use super::{covers_path, same_path};
use crate::route::{PathPattern, RouteDraft, RouteSpec};
use crate::{Draft as _, Errors, Noun as _};

fn route(mut body: Value) -> RouteSpec {
    body["name"] = json!("r");
    body["service"] = json!(Uuid::nil());
    let mut errors = Errors::new();
    let submission = RouteDraft::read(&body);
    assert!(submission.errors.is_empty(), "{}", submission.errors);
    RouteSpec::validate(&submission.draft, &mut errors)
        .filter(|_| errors.is_empty())
        .unwrap_or_else(|| panic!("{body}: {errors}"))
}

#[test]
fn routes_that_share_an_entry_of_every_kind_cannot_be_told_apart() {
    for (one, other) in [
        (json!({"paths": ["/a"]}), json!({"paths": ["/b", "/a"]})),
        (json!({"paths": ["/a"]}), json!({"paths": ["/%61"]})),
        (json!({"paths": ["/u/{id}"]}), json!({"paths": ["/u/{name}"]})),
        (
            json!({"paths": ["/a"], "queries": {"v": ["2"]}, "sources": ["10.0.0.0/8"]}),
            json!({"paths": ["/a"], "queries": {"v": ["2"]}, "sources": ["::/0", "10.1.1.1/8"]}),
        ),
        (
            json!({"protocols": ["tcp"], "ports": [1, 2]}),
            json!({"protocols": ["tcp"], "ports": [2]}),
        ),
        (
            json!({"protocols": ["tls"], "snis": ["A.test"]}),
            json!({"protocols": ["tls"], "snis": ["a.test."]}),
        ),
    ] {
        assert!(
            route(one.clone()).indistinguishable(&route(other.clone())),
            "{one} and {other}"
        );
    }
}

#[test]
fn one_difference_of_any_kind_tells_routes_apart() {
    let plain = json!({"paths": ["/a"], "methods": ["GET"]});
    for (member, value) in [
        ("paths", json!(["=/a"])),
        ("methods", json!(["POST"])),
        ("methods", json!([])),
        ("hosts", json!(["a.test"])),
        ("headers", json!({"x": ["1"]})),
        ("queries", json!({"x": ["1"]})),
        ("snis", json!(["a.test"])),
        ("sources", json!(["10.0.0.0/8"])),
        ("protocols", json!(["https"])),
        ("protocols", json!(["grpc", "grpcs"])),
        ("priority", json!(1)),
    ] {
        let mut other = plain.clone();
        other[member] = value;
        assert!(
            !route(plain.clone()).indistinguishable(&route(other.clone())),
            "{other}"
        );
    }
}

#[test]
fn a_route_below_a_wider_one_of_higher_rank_never_wins() {
    for (narrow, wide) in [
        (json!({"paths": ["/a/b"]}), json!({"paths": ["/a"], "priority": 1})),
        (
            json!({"paths": ["=/a/b", "/a/{id}"]}),
            json!({"paths": ["/a"], "priority": 1}),
        ),
        (json!({"paths": ["~^/x"]}), json!({"paths": ["/"], "priority": 1})),
        (
            json!({"paths": ["/v1"]}),
            json!({"paths": ["/"], "methods": [], "priority": 1}),
        ),
        (json!({"methods": ["GET"]}), json!({"paths": ["/"], "priority": 1})),
        (json!({"paths": ["/a/x/y"]}), json!({"paths": ["/a/{*rest}"]})),
        (
            json!({"hosts": ["a.test:80"], "paths": ["/"]}),
            json!({"hosts": ["*.test"], "paths": ["/"], "priority": 1}),
        ),
        (
            json!({"paths": ["/"], "sources": ["10.1.0.0/16"], "protocols": ["grpcs"]}),
            json!({"sources": ["10.0.0.0/8"], "priority": 1}),
        ),
        (
            json!({"protocols": ["tls"], "snis": ["a.test"]}),
            json!({"protocols": ["tls"], "snis": ["*.test", "a.test"], "priority": 1}),
        ),
        (
            json!({"paths": ["/"], "queries": {"v": ["2"], "w": ["*"]}}),
            json!({"paths": ["/"], "queries": {"v": ["~^\\d$"]}, "priority": 1}),
        ),
    ] {
        assert!(
            route(narrow.clone()).shadowed_by(&route(wide.clone())),
            "{narrow} by {wide}"
        );
    }
}

#[test]
fn a_route_that_may_win_is_not_called_shadowed() {
    for (one, other) in [
        (json!({"paths": ["/a/b"]}), json!({"paths": ["/a"]})),
        (json!({"paths": ["/a"]}), json!({"paths": ["/a/b"], "priority": 1})),
        (
            json!({"paths": ["/a"]}),
            json!({"paths": ["/a/{*rest}"], "priority": 1}),
        ),
        (json!({"paths": ["/a", "/b"]}), json!({"paths": ["/a"], "priority": 1})),
        (
            json!({"paths": ["/a/b"]}),
            json!({"paths": ["/a"], "methods": ["GET"], "priority": 1}),
        ),
        (
            json!({"paths": ["/a/b"]}),
            json!({"paths": ["/a"], "protocols": ["https"], "priority": 1}),
        ),
        (
            json!({"paths": ["/a/b"]}),
            json!({"paths": ["/a"], "protocols": ["grpc", "grpcs"], "priority": 1}),
        ),
        (
            json!({"paths": ["/a/b"]}),
            json!({"paths": ["/a"], "merge_slashes": false, "priority": 1}),
        ),
        (
            json!({"paths": ["/a/b"]}),
            json!({"paths": ["/a"], "enabled": false, "priority": 1}),
        ),
        (json!({"paths": ["~^/a/b"]}), json!({"paths": ["~^/a"], "priority": 1})),
        (
            json!({"paths": ["/a"], "queries": {"v": ["A"]}}),
            json!({"paths": ["/a"], "queries": {"v": ["a"]}, "priority": 1}),
        ),
        (
            json!({"paths": ["/a"], "sources": ["10.0.0.0/8"]}),
            json!({"paths": ["/a"], "sources": ["10.1.0.0/16"], "priority": 1}),
        ),
        (
            json!({"paths": ["/a"], "hosts": ["a.test"]}),
            json!({"paths": ["/a"], "hosts": ["a.test:81"], "priority": 1}),
        ),
    ] {
        assert!(
            !route(one.clone()).shadowed_by(&route(other.clone())),
            "{one} by {other}"
        );
    }
}

/// Whether a pattern matches a path, told without the code under test.
fn matches(pattern: &PathPattern, path: &str) -> bool {
    match pattern {
        PathPattern::Prefix(prefix) => path.starts_with(prefix.as_str()),
        PathPattern::Exact(exact) => path == exact,
        PathPattern::Regex(regex) => PathPattern::compile(regex).expect("valid").is_match(path),
        PathPattern::Parameters(segments) => {
            let part = |segment: &Segment| match segment {
                Segment::Literal(text) => format!("/{}", regex::escape(text)),
                Segment::Parameter(_) => "/[^/]+".to_owned(),
                Segment::Rest(_) => "(/.*)?".to_owned(),
            };
            let expression = segments.iter().map(part).collect::<String>();
            // A lone rest takes every path, and every path has its first slash.
            regex::Regex::new(&format!("^{expression}$"))
                .expect("valid")
                .is_match(path)
        }
    }
}

fn any_path() -> impl Strategy<Value = PathPattern> {
    let text = prop_oneof![
        "/[ab]{0,2}(/[ab]{0,2})?",
        "=/[ab]{0,2}(/[ab]{0,2})?",
        "(/[ab]|/\\{x\\}){0,2}/\\{[yz]\\}",
        "(/[ab]|/\\{x\\}){0,2}/\\{\\*[yz]\\}",
        Just("~^/a".to_owned()),
        Just("~^/a/b$".to_owned()),
    ];
    let reasonable = text.prop_filter("no pattern has two slashes in a row", |text| !text.contains("//"));
    let unique = reasonable.prop_map(|text| text.replacen("{x}/{x}", "{w}/{x}", 1));
    unique.prop_map(|text| PathPattern::parse(&text).expect("a pattern"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn a_path_that_is_covered_matches_nothing_else(
        all in any_path(),
        one in any_path(),
        paths in prop::collection::vec("/([ab]{0,2}/?){0,3}", 30),
    ) {
        if covers_path(&all, Some(&one)) {
            for path in paths.iter().filter(|path| !path.contains("//")) {
                prop_assert!(!matches(&one, path) || matches(&all, path), "{all} over {one}: {path}");
            }
        }
        if same_path(&all, &one) {
            prop_assert!(covers_path(&all, Some(&one)) && covers_path(&one, Some(&all)));
        }
    }
}
