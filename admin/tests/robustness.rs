//! Hostile input for every operation, made from the document: never an error of ours, never a long wait, and only
//! answers that are documented.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::support::world::{DOCUMENT, World};
use crate::support::{Answer, Api};

/// What one request may take at most, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ids, names and numbers that are none.
const REFERENCES: [&str; 14] = [
    "nobody",
    "%00",
    "%FF%FE",
    "%2e%2e%2f%2e%2e",
    "0198c1d2-6f2a-7c3e-9b1d-2f6a1c0e9d11",
    "00000000-0000-0000-0000-000000000000",
    "-1",
    "9223372036854775808",
    "%F0%9F%92%A5",
    "%27%3B%20drop%20table%20services%3B--",
    "%25",
    "%E2%80%AE",
    "%0d%0ax-evil:%201",
    "1e3",
];

/// Values of query parameters.
const WORDS: [&str; 14] = [
    "",
    "%00",
    "-1",
    "0",
    "9223372036854775807",
    "99999999999999999999",
    "true",
    "x",
    "%FF",
    "%F0%9F%92%A5",
    "a,b/c,,//",
    "%25_%5C",
    "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:59-23:59",
];

/// Values of members.
fn values() -> Vec<Value> {
    let mut deep = json!("x");
    for _ in 0..100 {
        deep = json!({ "a": [deep] });
        if deep.to_string().len() > 400 {
            break;
        }
    }
    vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5e300),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(""),
        json!(" "),
        json!("\u{0}"),
        json!("a\u{0}b"),
        json!("💥\u{202e}\u{feff}"),
        json!("x".repeat(100_000)),
        json!("~^(((((((((("),
        json!("http://[::1"),
        json!("9999-12-31T23:59:59-23:59"),
        json!("0198c1d2-6f2a-7c3e-9b1d-2f6a1c0e9d11"),
        json!([]),
        json!([null, 1, "", "\u{0}", [], {}]),
        json!(vec!["same"; 2_000]),
        json!({}),
        json!({"": {"\u{0}": 1}, "a": null}),
        json!({"openapi": "3.1.0", "paths": {"\u{ffff}": {"get": 1}}}),
        deep,
    ]
}

/// Bodies that are no JSON object.
fn bodies() -> Vec<Vec<u8>> {
    let texts: [&[u8]; 11] = [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\"x\"",
        b"1e999",
        b"{\"a\":1,\"a\":2}",
        b"{\"name\":\"\xff\xfe\"}",
        b"{\"\\ud800\":1}",
        b"\xef\xbb\xbf{}",
        b"{} x",
    ];
    let mut all: Vec<Vec<u8>> = texts.into_iter().map(<[u8]>::to_vec).collect();
    all.push(vec![b'['; 100_000]);
    all.push(b"{\"a\":".repeat(50_000));
    all
}

struct Operation<'a> {
    method: String,
    path: &'a str,
    described: &'a Value,
}

fn operations() -> Vec<Operation<'static>> {
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    let all = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().expect("methods");
        methods.iter().map(move |(method, described)| Operation {
            method: method.to_uppercase(),
            path,
            described,
        })
    });
    all.collect()
}

impl Operation<'_> {
    /// The names of its query parameters.
    fn query(&self) -> Vec<&str> {
        let parameters = self.described["parameters"].as_array().into_iter().flatten();
        parameters
            .filter(|one| one["in"] == "query")
            .filter_map(|one| one["name"].as_str())
            .collect()
    }

    fn example(&self) -> Option<Value> {
        let content = self.described["requestBody"]["content"].as_object()?.values().next()?;
        Some(content["example"].clone())
    }

    /// The members of its body, from the schema.
    fn members(&self) -> Map<String, Value> {
        let content = self.described["requestBody"]["content"]
            .as_object()
            .and_then(|content| content.values().next());
        content
            .map(|content| properties(&content["schema"]))
            .unwrap_or_default()
    }

    fn check(&self, what: &str, answer: &Answer, took: Duration) {
        let place = format!("{} {} with {what}", self.method, self.path);
        assert!(took < PATIENCE, "{place} took {took:?}");
        assert!(
            !answer.status.is_server_error(),
            "{place}: {} {:#}",
            answer.status,
            answer.body
        );
        assert_eq!(answer.header("x-evil"), "", "{place}");
        let status = answer.status.as_str();
        // A path that the router takes for another one is answered for that one.
        let elsewhere = matches!(status, "404" | "405");
        assert!(
            elsewhere || self.described["responses"].get(status).is_some(),
            "{place}: {status} is not documented: {:#}",
            answer.body
        );
        if answer.status.is_client_error() {
            let code = answer.body["code"].as_str().unwrap_or_default().to_owned();
            answer.clone().expect_problem(answer.status.as_u16(), &code);
        }
    }
}

fn properties(schema: &Value) -> Map<String, Value> {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => DOCUMENT.pointer(reference.trim_start_matches('#')).expect("there"),
        None => schema,
    };
    if let Some(alternatives) = schema["oneOf"].as_array() {
        return alternatives.iter().flat_map(properties).collect();
    }
    schema["properties"].as_object().cloned().unwrap_or_default()
}

async fn send(api: &Api, operation: &Operation<'_>, path: &str, body: Option<Vec<u8>>) -> (Answer, Duration) {
    let call = api.call(&operation.method, path);
    let call = match body {
        Some(body) => call.bytes("application/json", body),
        None => call,
    };
    let started = Instant::now();
    let answer = call.send().await;
    (answer, started.elapsed())
}

#[actix_web::test]
async fn hostile_paths_and_parameters_are_refused_or_harmless() {
    let api = Api::start().await;
    let world = World::make(&api).await;
    for operation in operations() {
        let body = operation.example().map(|example| example.to_string().into_bytes());
        if operation.path.contains('{') {
            for reference in REFERENCES {
                let path = operation.path.replace("{id}", reference).replace("{name}", reference);
                let path = path
                    .replace("{number}", reference)
                    .replace("{from}", reference)
                    .replace("{to}", "1");
                let (answer, took) = send(&api, &operation, &path, body.clone()).await;
                operation.check(&path, &answer, took);
            }
        }
        let names = operation.query();
        let tried = if names.contains(&"dry_run") {
            "dry_run=true&"
        } else {
            ""
        };
        // Without a dry run only what changes nothing is tried.
        if tried.is_empty() && operation.method != "GET" {
            continue;
        }
        for name in names.iter().copied().chain(["unknown", "", "%00", "limit[]"]) {
            for word in WORDS {
                let path = format!("{}?{tried}{name}={word}", world.fill(operation.path));
                let (answer, took) = send(&api, &operation, &path, body.clone()).await;
                operation.check(&path, &answer, took);
            }
        }
    }
}

#[actix_web::test]
async fn hostile_bodies_are_refused_or_harmless() {
    let api = Api::start().await;
    let world = World::make(&api).await;
    let values = values();
    for operation in operations() {
        let Some(example) = operation.example() else { continue };
        let path = world.fill(operation.path);
        let path = if operation.query().contains(&"dry_run") {
            format!("{path}?dry_run=true")
        } else {
            path
        };
        for body in bodies() {
            let what = String::from_utf8_lossy(&body).chars().take(40).collect::<String>();
            let (answer, took) = send(&api, &operation, &path, Some(body)).await;
            operation.check(&what, &answer, took);
        }
        for member in operation
            .members()
            .keys()
            .map(String::as_str)
            .chain(["id", "unknown", ""])
        {
            for value in &values {
                let mut body = example.clone();
                body[member] = value.clone();
                let what = format!("`{member}`: {}", value.to_string().chars().take(60).collect::<String>());
                let (answer, took) = send(&api, &operation, &path, Some(body.to_string().into_bytes())).await;
                operation.check(&what, &answer, took);
            }
        }
    }
}

#[actix_web::test]
async fn hostile_headers_are_refused_or_harmless() {
    let api = Api::start().await;
    let world = World::make(&api).await;
    let long = "x".repeat(8_000);
    let values = [
        "",
        "*",
        "\"",
        "\"9223372036854775808\"",
        "W/\"1\"",
        "wait=99999999999999999999",
        ",,;;=",
        "a b",
        &long,
    ];
    for operation in operations() {
        let path = world.fill(operation.path);
        let path = if operation.query().contains(&"dry_run") {
            format!("{path}?dry_run=true")
        } else {
            path
        };
        if operation.method != "GET" && !path.contains("dry_run") {
            continue;
        }
        for name in [
            "if-match",
            "if-none-match",
            "prefer",
            "idempotency-key",
            "accept",
            "x-request-id",
            "cookie",
        ] {
            for value in values {
                let call = api.call(&operation.method, &path).header(name, value);
                let call = match operation.example() {
                    Some(example) => call.json(&example),
                    None => call,
                };
                let started = Instant::now();
                let answer = call.send().await;
                operation.check(&format!("{name}: {value}"), &answer, started.elapsed());
            }
        }
    }
}
