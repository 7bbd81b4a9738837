//! Which route takes a request.

use gateway::path::canonical;
use gateway::router::{NoMatch, Router, Wanted};
use model::route::{RequestKind, RouteDraft, RouteSpec};
use model::{Draft as _, Errors, Noun as _};
use question::{Request, indexed};
use rules::{naive, texts};
use serde_json::{Map, Value, json};
use uuid::Uuid;

#[expect(clippy::expect_used, reason = "a target panics where something does not hold")]
#[path = "../../../gateway/src/router/compared/question.rs"]
mod question;
#[expect(clippy::expect_used, reason = "a target panics where something does not hold")]
#[path = "../../../gateway/src/router/compared/rules.rs"]
mod rules;

const HOSTS: [&str; 12] = [
    "a.test",
    "b.a.test",
    "*.test",
    "*.a.test",
    "a.*",
    "b.a.*",
    "a.test:81",
    "*.test:81",
    "a.*:80",
    "test",
    "c.b.a.test",
    "*.b.a.test",
];
const REQUEST_HOSTS: [&str; 8] = [
    "a.test",
    "b.a.test",
    "c.b.a.test",
    "test",
    "a.org",
    "a.test.org",
    "b.a",
    "aa.test",
];
const REGEXES: [&str; 6] = ["~^/a+/", "~^/[ab]$", "~^/(a|b)/?", "~^/.*b$", "~^/a%2Fb", "~^/\\d+"];
/// What paths and patterns are made of.
const PIECES: [&str; 16] = [
    "/", "/", "/", "a", "b", "A", "1", "-", "%2F", "//", "/{x}", "/{y}", "/{*z}", "/ab", "/aa", "=",
];
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "M-SEARCH"];
const SNIS: [&str; 6] = ["a.test", "b.a.test", "*.test", "*.a.test", "c.b.a.test", "*.b.a.test"];
const NETWORKS: [&str; 6] = [
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.1.0.1",
    "192.0.2.0/24",
    "0.0.0.0/0",
    "10.1.0.0/31",
];
const PROTOCOLS: [&str; 6] = ["http", "https", "grpc", "grpcs", "ws", "wss"];
const VALUES: [&str; 8] = ["*", "1", "A", "a", "~^a|b", "~2$", "", "c 2"];

/// Choices that bytes make; when they are used up, always the first one.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    fn pick(&mut self, of: &[&'static str]) -> &'static str {
        of[self.below(of.len())]
    }

    /// Most often none, otherwise up to three.
    fn some(&mut self, of: &[&'static str]) -> Vec<&'static str> {
        let mut some: Vec<_> = (0..self.below(8).saturating_sub(4)).map(|_| self.pick(of)).collect();
        some.sort_unstable();
        some.dedup();
        some
    }

    fn pieces(&mut self) -> String {
        (0..self.below(8)).map(|_| self.pick(&PIECES)).collect()
    }

    fn pattern(&mut self) -> String {
        match self.below(6) {
            0 => self.pick(&REGEXES).to_owned(),
            1 => format!("=/{}", self.pieces()),
            _ => format!("/{}", self.pieces()),
        }
    }

    fn values(&mut self) -> Value {
        let mut values = Map::new();
        for name in ["x", "y"] {
            let wanted = self.some(&VALUES);
            if !wanted.is_empty() {
                values.insert(name.to_owned(), json!(wanted));
            }
        }
        Value::Object(values)
    }

    fn route(&mut self) -> Value {
        let paths: Vec<_> = (0..self.below(3)).map(|_| self.pattern()).collect();
        json!({
            "name": "r", "service": Uuid::nil(), "hosts": self.some(&HOSTS), "paths": paths, "methods": self.some(&METHODS),
            "headers": self.values(), "queries": self.values(), "snis": self.some(&SNIS), "sources": self.some(&NETWORKS),
            "protocols": self.some(&PROTOCOLS), "priority": self.below(8).saturating_sub(5),
            "regex_priority": self.below(4).saturating_sub(2), "merge_slashes": self.below(4) > 0,
            "encoded_slashes": if self.below(2) == 0 { "reject" } else { "keep" },
        })
    }

    fn pairs(&mut self) -> Vec<(&'static str, &'static str)> {
        let values = ["", "1", "a", "A", "b2", "c 2"];
        (0..self.below(4))
            .map(|_| (self.pick(&["x", "y"]), self.pick(&values)))
            .collect()
    }

    fn request(&mut self) -> Request {
        let secure = self.below(2) == 1;
        let kinds = [
            RequestKind::Plain,
            RequestKind::Plain,
            RequestKind::Grpc,
            RequestKind::WebSocket,
        ];
        Request {
            secure,
            kind: kinds[self.below(kinds.len())],
            method: self.pick(&METHODS),
            host: self.pick(&REQUEST_HOSTS),
            port: [80, 81][self.below(2)],
            path: format!("/{}", self.pieces().replace(['{', '}', '*', '='], "")),
            headers: self.pairs(),
            query: self.pairs(),
            sni: Some(self.pick(&["a.test", "b.a.test", "c.b.a.test", "org"])).filter(|_| secure && self.below(2) == 1),
            source: self.pick(&["10.1.0.1", "10.1.0.2", "10.2.0.1", "192.0.2.9", "198.51.100.1"]),
        }
    }
}

/// A route as it would be stored; none where the model refuses it.
fn spec(body: &Value) -> Option<RouteSpec> {
    let submission = RouteDraft::read(body);
    if !submission.errors.is_empty() {
        return None;
    }
    let mut errors = Errors::new();
    RouteSpec::validate(&submission.draft, &mut errors).filter(|_| errors.is_empty())
}

/// The index of routes finds what a look at every route finds, and a route that is called shadowed never wins.
pub fn router(data: &[u8]) {
    let mut choices = Choices(data);
    let (mut bodies, mut specs) = (Vec::new(), Vec::new());
    for _ in 0..choices.below(8) {
        let body = choices.route();
        // Members without entries match everything, and a route of nothing else is refused.
        if let Some(spec) = spec(&body) {
            bodies.push(body);
            specs.push(spec);
        }
    }
    for _ in 0..=choices.below(4) {
        let request = choices.request();
        let found = indexed(&specs, &request);
        assert_eq!(found, naive(&bodies, &request), "{request:?} of {bodies:#?}");
        if let question::Outcome::Route(winner, _) = found {
            let shadow = specs.iter().position(|other| specs[winner].shadowed_by(other));
            assert_eq!(shadow, None, "{request:?} of {:?}", texts(&bodies[winner], "paths"));
        }
    }
}
