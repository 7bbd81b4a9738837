//! The index held against the rules of precedence, word by word, on random routes.

mod question;
mod rules;

use model::id::RouteId;
use model::route::RequestKind;
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::tests::spec;
use super::{NoMatch, Router, Rule, Wanted};
use crate::path::canonical;
use question::{Outcome, Request, ask, indexed};
use rules::{naive, texts};

/// Up to `most` of these words.
fn some(words: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::subsequence(words, 0..=most)
}

/// Half of the time none, so that routes with many kinds of condition do not all miss.
fn maybe(words: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![1 => Just(Vec::new()), 1 => some(words, most)]
}

fn any_values() -> impl Strategy<Value = Value> {
    let values = || some(&["*", "1", "A", "~^a|b", "~2$"], 2);
    prop_oneof![
        3 => Just(json!({})),
        1 => (values(), values()).prop_map(|(x, y)| {
            let mut map = serde_json::Map::new();
            for (name, values) in [("x", x), ("y", y)] {
                if !values.is_empty() {
                    map.insert(name.to_owned(), json!(values));
                }
            }
            Value::Object(map)
        }),
    ]
}

fn any_paths() -> impl Strategy<Value = Vec<String>> {
    let path = prop_oneof![
        "/[ab]{0,2}(/[ab]{1,2})?",
        "=/[ab]{1,2}(/[ab]{1,2})?",
        "(/[ab]|/\\{x\\})(/\\{y\\})",
        "(/[ab]|/\\{x\\})?/\\{\\*y\\}",
        Just("~^/a+/".to_owned()),
        Just("~^/[ab]$".to_owned()),
        Just("=/a%2Fb".to_owned()),
    ];
    let valid = path.prop_filter("no pattern has two slashes in a row", |path| !path.contains("//"));
    prop::collection::btree_set(valid, 0..3).prop_map(|paths| paths.into_iter().collect())
}

fn any_route() -> impl Strategy<Value = Value> {
    let matched = (
        maybe(
            &[
                "a.test",
                "b.a.test",
                "*.test",
                "*.a.test",
                "a.*",
                "a.test:81",
                "*.test:81",
            ],
            3,
        ),
        any_paths(),
        maybe(&["GET", "POST", "PUT"], 2),
        (any_values(), any_values()),
        prop_oneof![3 => Just(Vec::new()), 1 => some(&["a.test", "b.a.test", "*.test", "*.a.test"], 2)],
        prop_oneof![3 => Just(Vec::new()), 1 => some(&["10.0.0.0/8", "10.1.0.0/16", "10.1.0.1", "192.0.2.0/24"], 2)],
        maybe(&["http", "https", "grpc", "grpcs", "ws", "wss"], 4),
    );
    let ranked = (
        prop_oneof![4 => Just(0), 1 => -1..2_i32],
        0..2_i32,
        prop_oneof![3 => Just("reject"), 1 => Just("keep")],
        prop::bool::weighted(0.8),
    );
    (matched, ranked)
        .prop_map(|((hosts, paths, methods, (headers, queries), snis, sources, protocols), ranked)| {
            let (priority, regex_priority, encoded_slashes, merge_slashes) = ranked;
            json!({
                "hosts": hosts, "paths": paths, "methods": methods, "headers": headers, "queries": queries,
                "snis": snis, "sources": sources, "protocols": protocols, "priority": priority,
                "regex_priority": regex_priority, "encoded_slashes": encoded_slashes, "merge_slashes": merge_slashes,
            })
        })
        .prop_filter("routes that match everything or nothing are not valid", is_valid)
}

fn is_valid(route: &Value) -> bool {
    let protocols = texts(route, "protocols");
    let plain_only = !protocols.is_empty() && protocols.iter().all(|word| ["http", "grpc", "ws"].contains(word));
    let kinds = ["hosts", "paths", "methods", "snis", "sources"];
    let given = kinds.iter().any(|kind| !texts(route, kind).is_empty());
    given && (!plain_only || texts(route, "snis").is_empty())
}

fn any_request() -> impl Strategy<Value = Request> {
    let pairs = || {
        let pair = (
            prop::sample::select(vec!["x", "y"]),
            prop::sample::select(vec!["", "1", "a", "A", "b2", "c 2"]),
        );
        prop::collection::vec(pair, 0..4)
    };
    let place = (
        prop::bool::ANY,
        prop::sample::select(vec![
            RequestKind::Plain,
            RequestKind::Plain,
            RequestKind::Grpc,
            RequestKind::WebSocket,
        ]),
        prop::sample::select(vec!["GET", "POST", "PUT", "DELETE"]),
        prop::sample::select(vec!["a.test", "b.a.test", "c.b.a.test", "test", "a.org"]),
        prop::sample::select(vec![80, 81]),
        prop_oneof![6 => "/[ab]{0,2}(//?[ab]{0,2})?", 1 => Just("/a%2Fb".to_owned()), 1 => Just("/a/b%2Fa".to_owned())],
    );
    let rest = (
        pairs(),
        pairs(),
        prop::option::of(prop::sample::select(vec!["a.test", "b.a.test", "c.b.a.test", "org"])),
        prop::sample::select(vec!["10.1.0.1", "10.1.0.2", "10.2.0.1", "192.0.2.9", "198.51.100.1"]),
    );
    (place, rest).prop_map(
        |((secure, kind, method, host, port, path), (headers, query, sni, source))| Request {
            secure,
            kind,
            method,
            host,
            port,
            path,
            headers,
            query,
            sni: sni.filter(|_| secure),
            source,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn the_index_finds_what_a_look_at_every_route_finds(
        routes in prop::collection::vec(any_route(), 0..10),
        requests in prop::collection::vec(any_request(), 1..5),
    ) {
        let specs: Vec<_> = routes.iter().map(|body| spec(body.clone())).collect();
        for request in &requests {
            let (found, expected) = (indexed(&specs, request), naive(&routes, request));
            prop_assert_eq!(found, expected, "{:?}", request);
        }
    }

    #[test]
    fn a_router_that_lost_routes_is_one_that_never_had_them(
        routes in prop::collection::vec(any_route(), 0..8),
        gone in prop::collection::vec(any_route(), 1..6),
        requests in prop::collection::vec(any_request(), 1..5),
    ) {
        let rules = |bodies: &[Value]| -> Vec<Rule> {
            let rule = |(index, body): (usize, &Value)| {
                Rule::compile(RouteId(Uuid::from_u128(index as u128)), &spec(body.clone())).expect("a rule")
            };
            bodies.iter().enumerate().map(rule).collect()
        };
        let both = rules(&[routes.as_slice(), gone.as_slice()].concat());
        // Those that stay come first, last and in between.
        let (stay, go) = both.split_at(routes.len());
        let (first, last) = stay.split_at(stay.len() / 2);
        let mut router = Router::default();
        first.iter().chain(go).chain(last).for_each(|rule| router.insert(rule));
        let before = router.clone();
        for rule in go {
            router.remove(rule);
        }
        for request in &requests {
            prop_assert_eq!(ask(&router, request), naive(&routes, request), "{:?}", request);
            let all = [routes.as_slice(), gone.as_slice()].concat();
            prop_assert_eq!(ask(&before, request), naive(&all, request), "{:?}", request);
        }
    }

    #[test]
    fn a_route_that_is_called_shadowed_never_wins(
        narrow in any_route(),
        wide in any_route(),
        requests in prop::collection::vec(any_request(), 20),
    ) {
        // Most pairs are not in each other's way; what the two share makes more of them so.
        let mut wide = wide;
        for member in ["headers", "queries", "sources", "snis", "protocols", "merge_slashes"] {
            wide[member] = narrow[member].clone();
        }
        if !is_valid(&wide) {
            return Ok(());
        }
        let routes = [spec(narrow), spec(wide)];
        if !routes[0].shadowed_by(&routes[1]) {
            return Ok(());
        }
        for request in &requests {
            let found = indexed(&routes, request);
            prop_assert!(!matches!(found, Outcome::Route(0, _)), "{:?}", request);
        }
    }
}
