//! Whatever is sent to a running Gatehouse, made from its own OpenAPI document: no error of its own, only answers that
//! are documented, and whatever it takes, the gateways can serve.
//!
//! Hostile values one by one are tried without a server in admin/tests/robustness.rs; here are many at once, on a state
//! that they change.

mod schema;

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::clients::{Answer, Api};
use crate::stack::{Plan, Stack};
use schema::Schemas;

/// Requests to send.
const REQUESTS: usize = 3000;
/// How many requests there are between two looks at what there is.
const ROUND: usize = 150;
/// What is made from the examples of the document before, in an order in which each can be made.
const NOUNS: [&str; 12] = [
    "upstreams",
    "targets",
    "services",
    "routes",
    "certificates",
    "snis",
    "ca-certificates",
    "consumers",
    "plugins",
    "apis",
    "products",
    "plans",
];
/// What would take the token away that the requests are sent with.
const SUICIDE: &str = "/api-tokens/{id}/revoke";

/// One operation of the document.
#[derive(Clone)]
struct Operation {
    method: String,
    path: String,
    described: Value,
}

impl Operation {
    fn body(&self) -> Option<&Value> {
        let content = self.described["requestBody"]["content"].as_object()?;
        content.values().next()
    }

    fn query(&self) -> Vec<Value> {
        let parameters = self.described["parameters"].as_array().into_iter().flatten();
        parameters.filter(|one| one["in"] == "query").cloned().collect()
    }

    fn check(&self, schemas: &Schemas, sent: &str, answer: &Answer) {
        let place = format!("{} {sent}: {} {:#}", self.method, answer.status, answer.body);
        assert!(answer.status < 500, "{place}");
        let status = answer.status.to_string();
        let elsewhere = matches!(answer.status, 404 | 405);
        let documented = &self.described["responses"][&status];
        assert!(elsewhere || documented.is_object(), "not documented: {place}");
        if answer.status >= 400 {
            let code = answer.body["code"].as_str().unwrap_or_default().to_owned();
            answer.clone().expect_problem(answer.status, &code);
        } else if let Some(shape) = documented.pointer("/content/application~1json/schema") {
            let wrong = schemas.mismatch(shape, &answer.body);
            assert_eq!(wrong, None, "the answer is not as documented: {place}");
        }
    }
}

fn operations(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().expect("paths");
    let all = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().expect("methods");
        methods.iter().map(|(method, described)| Operation {
            method: method.to_uppercase(),
            path: path.clone(),
            described: described.clone(),
        })
    });
    all.filter(|operation| operation.path != SUICIDE).collect()
}

/// Ids and names of what there is, by the first part of its path.
type World = BTreeMap<String, Vec<String>>;

async fn world(api: &Api, operations: &[Operation]) -> World {
    let mut world = World::new();
    for operation in operations.iter().filter(|one| one.method == "GET") {
        let noun = operation.path.trim_start_matches('/');
        if noun.contains('/') {
            continue;
        }
        let page = api.get(&format!("{}?limit=20", operation.path)).await.body;
        let items = page["items"].as_array().cloned().unwrap_or_default();
        let text = |item: &Value, member: &str| item[member].as_str().map(str::to_owned);
        let known = world.entry(noun.to_owned()).or_default();
        known.extend(items.iter().filter_map(|item| text(item, "id")));
        known.extend(items.iter().filter_map(|item| text(item, "name")));
        known.extend(
            items
                .iter()
                .filter_map(|item| item["number"].as_i64().map(|number| number.to_string())),
        );
    }
    world
}

/// A request in the making: its target, and its body when it has one.
fn request(schemas: &Schemas, operation: &Operation, world: &World) -> BoxedStrategy<(String, Option<Value>)> {
    let noun = operation.path.split('/').nth(1).unwrap_or_default();
    let mut known = world.get(noun).cloned().unwrap_or_default();
    known.extend(["nobody", "%F0%9F%92%A5"].map(str::to_owned));
    let words: Vec<String> = world.values().flatten().cloned().collect();
    let reference = prop_oneof![20 => select(known), 1 => select(words.clone()).prop_map(|word| encoded(&word))];
    let parameters = operation.query();
    let count = parameters.len().min(2);
    let query = subsequence(parameters, 0..=count)
        .prop_flat_map({
            let (schemas, words) = (schemas.clone(), words.clone());
            move |chosen| {
                let values: Vec<_> = chosen
                    .into_iter()
                    .map(|parameter| schemas.parameter(&parameter, &words))
                    .collect();
                values
            }
        })
        .prop_map(|pairs| pairs.join("&"));
    let body = match operation.body() {
        Some(content) => schemas.body(content, &words).prop_map(Some).boxed(),
        None => Just(None).boxed(),
    };
    let path = operation.path.clone();
    (reference, query, body)
        .prop_map(move |(reference, query, body)| {
            let parts = path.split('/').map(|part| {
                if part.starts_with('{') {
                    reference.as_str()
                } else {
                    part
                }
            });
            let target = parts.collect::<Vec<_>>().join("/");
            let target = if query.is_empty() {
                target
            } else {
                format!("{target}?{query}")
            };
            (target, body)
        })
        .boxed()
}

fn encoded(word: &str) -> String {
    word.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// One of each noun.
async fn make_examples(api: &Api, operations: &[Operation]) {
    for noun in NOUNS {
        let path = format!("/{noun}");
        let post = operations.iter().find(|one| one.path == path && one.method == "POST");
        let example = &post.and_then(Operation::body).expect("a body")["example"];
        api.make(&path, example.clone()).await;
    }
}

async fn the_gateway_serves_all_of_it(stack: &Stack) {
    let api = stack.api();
    api.get("/gateways/wait?timeout=30s").await.expect(200);
    let gateway = api.get("/gateways").await.expect(200).body["items"][0].clone();
    assert_eq!(
        (&gateway["lag"], &gateway["error"]),
        (&json!(0), &Value::Null),
        "{gateway:#}"
    );
    let answer = stack.proxy().get("/").await;
    assert!(
        answer.status < 500 || answer.body["reason"] != "internal_error",
        "{:#}",
        answer.body
    );
    let logged = stack.log();
    assert!(!logged.contains("panicked"), "{logged}");
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_requests_are_refused_or_served_and_break_nothing() {
    let stack = Plan::apart(1).start().await;
    let api = stack.api();
    let document = api.get("/openapi.json").await.expect(200).body;
    let (operations, schemas) = (operations(&document), Schemas::of(&document));
    make_examples(&api, &operations).await;
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::default(), &[7; 32]));
    let mut accepted = 0;
    for round in 0..REQUESTS / ROUND {
        let world = world(&api, &operations).await;
        for number in 0..ROUND {
            let operation = &operations[(round * ROUND + number) % operations.len()];
            let strategy = request(&schemas, operation, &world);
            let (target, body) = strategy.new_tree(&mut runner).expect("a request").current();
            let call = api.call(&operation.method, &target);
            let (call, sent) = match &body {
                Some(body) => (call.json(body), format!("{target} {body}")),
                None => (call, target),
            };
            let answer = call.send().await;
            operation.check(&schemas, &sent, &answer);
            accepted += usize::from(answer.status < 300 && operation.method != "GET");
        }
    }
    assert!(
        accepted > REQUESTS / 20,
        "only {accepted} writes were accepted: they prove little"
    );
    the_gateway_serves_all_of_it(&stack).await;
}
