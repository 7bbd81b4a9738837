//! The rules of precedence once more, word by word over all routes, and a comparison of both on random routes.
//!
//! It reads the texts of a route's JSON by itself and shares no code with what it checks.

#![expect(clippy::cast_possible_wrap, reason = "the numbers of a test are small")]

use std::collections::BTreeSet;
use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use model::id::RouteId;
use model::route::{HostName, RequestKind};
use model::service::Scheme;
use proptest::prelude::*;
use regex::Regex;
use serde_json::{Value, json};
use uuid::Uuid;

use super::tests::spec;
use super::{NoMatch, Router, Wanted};
use crate::path::canonical;

/// A request with everything that a route can ask for.
#[derive(Debug, Clone)]
struct Request {
    secure: bool,
    kind: RequestKind,
    method: &'static str,
    host: &'static str,
    port: u16,
    path: String,
    headers: Vec<(&'static str, &'static str)>,
    query: Vec<(&'static str, &'static str)>,
    sni: Option<&'static str>,
    source: &'static str,
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Route(usize, Vec<(String, String)>),
    NotFound,
    Methods(Vec<String>),
    EncodedSlash,
}

/// How a route matches: what counts, best greatest, and the parameters of its path.
type Score = (Vec<i64>, Vec<(String, String)>);

fn texts<'a>(route: &'a Value, member: &str) -> Vec<&'a str> {
    let list = route[member].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).collect()
}

fn regex(text: &str) -> Regex {
    Regex::new(text).expect("a regex")
}

fn naive(routes: &[Value], request: &Request) -> Outcome {
    let mut best: Option<(usize, Score)> = None;
    let mut methods = BTreeSet::new();
    for (index, route) in routes.iter().enumerate() {
        let Some(score) = score(route, request) else { continue };
        let allowed = texts(route, "methods");
        if !allowed.is_empty() && !allowed.contains(&request.method) {
            methods.extend(allowed.into_iter().map(str::to_owned));
            continue;
        }
        // An older route comes first and stays where a later one is only as good.
        if best.as_ref().is_none_or(|(_, known)| score.0 > known.0) {
            best = Some((index, score));
        }
    }
    match best {
        Some((index, _)) if request.path.contains("%2F") && routes[index]["encoded_slashes"] != "keep" => {
            Outcome::EncodedSlash
        }
        Some((index, (_, parameters))) => Outcome::Route(index, parameters),
        None if methods.is_empty() => Outcome::NotFound,
        None => Outcome::Methods(methods.into_iter().collect()),
    }
}

fn score(route: &Value, request: &Request) -> Option<Score> {
    let kinds = ["hosts", "paths", "methods", "headers", "queries", "snis", "sources"];
    let is_given = |kind: &&str| match &route[*kind] {
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => false,
    };
    let protocols = texts(route, "protocols");
    let narrowed = !protocols.is_empty() && !(protocols.contains(&"http") && protocols.contains(&"https"));
    let kinds = kinds.iter().filter(|kind| is_given(kind)).count() as i64 + i64::from(narrowed);
    if !protocol_matches(&protocols, request) {
        return None;
    }
    let host = best_of(&texts(route, "hosts"), |host| host_score(host, request))?;
    let sni = best_of(&texts(route, "snis"), |sni| sni_score(sni, request))?;
    let source = best_of(&texts(route, "sources"), |network| source_score(network, request))?;
    let names = values_match(&route["headers"], &request.headers, true)?
        + values_match(&route["queries"], &request.query, false)?;
    let (path, parameters) = path_score(route, request)?;
    let priority = route["priority"].as_i64().unwrap_or(0);
    let score = [vec![priority, kinds], host, vec![names], path, sni, source].concat();
    Some((score, parameters))
}

/// The best score among the entries; when there are none, everything matches with the least.
fn best_of(entries: &[&str], score: impl Fn(&str) -> Option<Vec<i64>>) -> Option<Vec<i64>> {
    if entries.is_empty() {
        return Some(vec![0, 0, 0]);
    }
    entries.iter().filter_map(|entry| score(entry)).max()
}

fn protocol_matches(protocols: &[&str], request: &Request) -> bool {
    let mut words = vec![if request.secure { "https" } else { "http" }];
    match (request.kind, request.secure) {
        (RequestKind::Plain, _) => {}
        (RequestKind::Grpc, secure) => words.push(if secure { "grpcs" } else { "grpc" }),
        (RequestKind::WebSocket, secure) => words.push(if secure { "wss" } else { "ws" }),
    }
    protocols.is_empty() || words.iter().any(|word| protocols.contains(word))
}

fn host_score(pattern: &str, request: &Request) -> Option<Vec<i64>> {
    let (pattern, port) = pattern
        .split_once(':')
        .map_or((pattern, None), |(host, port)| (host, Some(port)));
    if port.is_some_and(|port| port != request.port.to_string()) {
        return None;
    }
    let port = i64::from(port.is_some());
    let expression = regex::escape(pattern).replace(r"\*", ".+");
    let matches = regex(&format!("^{expression}$")).is_match(request.host);
    let is_exact = !pattern.contains('*');
    let length = if is_exact { 0 } else { pattern.len() as i64 };
    matches.then(|| vec![1 + i64::from(is_exact), length, port])
}

fn sni_score(pattern: &str, request: &Request) -> Option<Vec<i64>> {
    let sni = request.sni?;
    if let Some(domain) = pattern.strip_prefix('*') {
        let matches = sni.ends_with(domain) && sni != domain;
        return matches.then(|| vec![1, domain.len() as i64, 0]);
    }
    (sni == pattern).then(|| vec![2, 0, 0])
}

fn source_score(network: &str, request: &Request) -> Option<Vec<i64>> {
    let (address, length) = network.split_once('/').unwrap_or((network, "32"));
    let length: u32 = length.parse().expect("a length");
    let bits = |text: &str| match text.parse().expect("an address") {
        IpAddr::V4(address) => Some(address.to_bits()),
        IpAddr::V6(_) => None,
    };
    let (wanted, known) = (bits(request.source)?, bits(address)?);
    (wanted >> (32 - length) == known >> (32 - length)).then(|| vec![i64::from(length), 0, 0])
}

/// How many names are asked for, when all of them have a value that is accepted.
fn values_match(wanted: &Value, given: &[(&str, &str)], ignore_case: bool) -> Option<i64> {
    let empty = serde_json::Map::new();
    let wanted = wanted.as_object().unwrap_or(&empty);
    for name in wanted.keys() {
        let accepts = |value: &str| {
            texts(&Value::Object(wanted.clone()), name)
                .iter()
                .any(|pattern| match pattern.strip_prefix('~') {
                    Some(expression) => {
                        regex(&format!("(?{}:{expression})", if ignore_case { "i" } else { "" })).is_match(value)
                    }
                    None if *pattern == "*" => true,
                    None if ignore_case => pattern.to_lowercase() == value.to_lowercase(),
                    None => *pattern == value,
                })
        };
        if !given.iter().any(|(known, value)| known == name && accepts(value)) {
            return None;
        }
    }
    Some(wanted.len() as i64)
}

fn path_score(route: &Value, request: &Request) -> Option<(Vec<i64>, Vec<(String, String)>)> {
    let merges = route["merge_slashes"].as_bool().unwrap_or(true);
    let seen = if merges {
        regex("/+").replace_all(&request.path, "/").into_owned()
    } else {
        request.path.clone()
    };
    let patterns = texts(route, "paths");
    if patterns.is_empty() {
        return Some((vec![0, 0], Vec::new()));
    }
    let regex_priority = route["regex_priority"].as_i64().unwrap_or(0);
    let scores = patterns
        .iter()
        .filter_map(|pattern| one_path_score(pattern, &seen, regex_priority));
    // Of a route's own patterns that are equally good, the first one matches.
    scores.reduce(|best, score| if score.0 > best.0 { score } else { best })
}

fn one_path_score(pattern: &str, path: &str, regex_priority: i64) -> Option<(Vec<i64>, Vec<(String, String)>)> {
    if let Some(exact) = pattern.strip_prefix('=') {
        return (path == exact).then(|| (vec![4, 0], Vec::new()));
    }
    if let Some(expression) = pattern.strip_prefix('~') {
        let matches = regex(expression).is_match(path);
        return matches.then(|| (vec![2, regex_priority], Vec::new()));
    }
    if !pattern.contains('{') {
        return path
            .starts_with(pattern)
            .then(|| (vec![1, pattern.len() as i64], Vec::new()));
    }
    let rest = regex(r"/\{\*([a-z]+)\}$")
        .replace(pattern, "(?:/(?<$1>.*))?")
        .into_owned();
    let expression = regex(r"\{([a-z]+)\}").replace_all(&rest, "(?<$1>[^/]+)").into_owned();
    let expression = regex(&format!("^{expression}$"));
    let captures = expression.captures(path)?;
    let names = expression.capture_names().flatten();
    let value = |name: &str| captures.name(name).map_or("", |found| found.as_str()).to_owned();
    let parameters = names.map(|name| (name.to_owned(), value(name))).collect();
    let literals = pattern.split('/').skip(1).filter(|part| !part.starts_with('{')).count();
    Some((vec![3, literals as i64], parameters))
}

/// The same question to the index.
fn indexed(routes: &[Value], request: &Request) -> Outcome {
    let id = |index: usize| RouteId(Uuid::from_u128(index as u128));
    let specs: Vec<_> = routes.iter().map(|body| spec(body.clone())).collect();
    let (router, problems) = Router::build(specs.iter().enumerate().map(|(index, spec)| (id(index), spec)));
    assert!(problems.is_empty(), "{problems:?}");
    let host = HostName::parse(request.host).expect("a host");
    let path = canonical(&request.path).expect("a path");
    let method = Method::from_bytes(request.method.as_bytes()).expect("a method");
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&request.query)
        .finish();
    let found = router.find(&Wanted {
        host: Some(&host),
        port: Some(request.port),
        scheme: if request.secure { Scheme::Https } else { Scheme::Http },
        path: &path,
        method: &method,
        headers: &headers,
        query: Some(&query).filter(|query| !query.is_empty()).map(String::as_str),
        sni: request.sni,
        source: request.source.parse().expect("an address"),
        kind: request.kind,
    });
    match found {
        Ok(found) => Outcome::Route(
            usize::try_from(found.route.0.as_u128()).expect("an index"),
            found.parameters,
        ),
        Err(NoMatch::NotFound) => Outcome::NotFound,
        Err(NoMatch::Method(methods)) => Outcome::Methods(methods),
        Err(NoMatch::EncodedSlash) => Outcome::EncodedSlash,
    }
}

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
    given && !(plain_only && !texts(route, "snis").is_empty())
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
        for request in &requests {
            let (found, expected) = (indexed(&routes, request), naive(&routes, request));
            prop_assert_eq!(found, expected, "{:?}", request);
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
        if !is_valid(&wide) || !spec(narrow.clone()).shadowed_by(&spec(wide.clone())) {
            return Ok(());
        }
        let routes = [narrow, wide];
        for request in &requests {
            let found = indexed(&routes, request);
            prop_assert!(!matches!(found, Outcome::Route(0, _)), "{:?}", request);
        }
    }
}
