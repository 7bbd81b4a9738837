//! The rules of precedence once more, word by word over all routes.
//!
//! It reads the texts of a route's JSON by itself and shares no code with what it checks. The fuzzers read this file too.

#![expect(clippy::cast_possible_wrap, reason = "the numbers of a test are small")]

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use model::route::RequestKind;
use regex::Regex;
use serde_json::Value;

use super::question::{Outcome, Request};

/// How a route matches: what counts, best greatest, and the parameters of its path.
type Score = (Vec<i64>, Vec<(String, String)>);

/// The texts of a list.
pub(super) fn texts<'a>(route: &'a Value, member: &str) -> Vec<&'a str> {
    let list = route[member].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).collect()
}

/// Compiled once, for most are asked for again and again.
fn regex(text: &str) -> Regex {
    thread_local! {
        static KNOWN: RefCell<HashMap<String, Regex>> = RefCell::default();
    }
    KNOWN.with_borrow_mut(|known| {
        if known.len() > 10_000 {
            known.clear();
        }
        let compiled = || Regex::new(text).expect("a regex");
        known.entry(text.to_owned()).or_insert_with(compiled).clone()
    })
}

/// What becomes of a request, by a look at every route.
pub(super) fn naive(routes: &[Value], request: &Request) -> Outcome {
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
    let both = protocols.contains(&"http") && protocols.contains(&"https");
    let narrowed = !(protocols.is_empty() || both);
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
    let network = |bits: u32| bits.checked_shr(32 - length).unwrap_or(0);
    (network(wanted) == network(known)).then(|| vec![i64::from(length), 0, 0])
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
        if !given
            .iter()
            .any(|(known, value)| *known == name.as_str() && accepts(value))
        {
            return None;
        }
    }
    Some(wanted.len() as i64)
}

/// How good a path is, and its parameters.
type PathScore = (Vec<i64>, Vec<(String, String)>);

fn path_score(route: &Value, request: &Request) -> Option<PathScore> {
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

fn one_path_score(pattern: &str, path: &str, regex_priority: i64) -> Option<PathScore> {
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
