use serde_json::{Value, json};

use crate::REGISTRY;
use crate::testing::{FakeExchange, filter};

fn transformed(mut exchange: FakeExchange, config: &Value) -> FakeExchange {
    exchange.run(&*filter(&REGISTRY, "request-transform", config));
    exchange
}

#[test]
fn headers_are_removed_renamed_set_and_added_in_this_order() {
    let exchange = FakeExchange::new("GET", "/")
        .header("x-old", "1")
        .header("x-gone", "2")
        .header("x-more", "3");
    let config = json!({"headers": {
        "remove": ["X-Gone"],
        "rename": [{"from": "x-old", "to": "x-new"}],
        "set": [{"name": "x-set", "value": "4"}],
        "add": [{"name": "x-more", "value": "5"}],
    }});
    let exchange = transformed(exchange, &config);
    assert!(exchange.forwarded("x-gone").is_empty() && exchange.forwarded("x-old").is_empty());
    assert_eq!(exchange.forwarded("x-new"), ["1"]);
    assert_eq!(exchange.forwarded("x-set"), ["4"]);
    assert_eq!(exchange.forwarded("x-more"), ["3", "5"]);
}

#[test]
fn a_set_header_wins_over_what_the_client_sent() {
    let exchange = FakeExchange::new("GET", "/")
        .header("x-tier", "gold")
        .header("x-tier", "platinum");
    let exchange = transformed(
        exchange,
        &json!({"headers": {"set": [{"name": "X-Tier", "value": "basic"}]}}),
    );
    assert_eq!(exchange.forwarded("x-tier"), ["basic"]);
}

#[test]
fn query_parameters_change_and_the_others_keep_their_spelling() {
    let config = json!({"query": {
        "remove": ["debug"],
        "rename": [{"from": "q", "to": "search text"}],
        "set": [{"name": "tenant", "value": "a&b"}],
        "add": [{"name": "tag", "value": "x"}],
    }});
    let exchange = transformed(
        FakeExchange::new("GET", "/?debug=1&q=%7Eä&tenant=evil&tag=%20y&tenant=worse"),
        &config,
    );
    assert_eq!(
        exchange.facts.query.as_deref(),
        Some("search+text=%7Eä&tag=%20y&tenant=a%26b&tag=x")
    );
}

#[test]
fn without_changes_the_query_is_not_touched() {
    let exchange = transformed(
        FakeExchange::new("GET", "/?a&&b=1"),
        &json!({"headers": {"remove": ["x"]}}),
    );
    assert_eq!(exchange.facts.query.as_deref(), Some("a&&b=1"));
}

#[test]
fn headers_of_the_gateway_are_protected() {
    let plugin = REGISTRY.find("request-transform").expect("registered");
    let config = json!({"headers": {
        "remove": ["Host"],
        "rename": [{"from": "a b", "to": "content-length"}],
        "set": [{"name": "x", "value": "a\r\nb"}],
        "add": [{"name": "X-Consumer-Id", "value": "1"}],
    }});
    let errors = plugin.validate(&config).expect_err("protected");
    let paths = [
        "headers.remove.0",
        "headers.rename.0.from",
        "headers.rename.0.to",
        "headers.set.0.value",
        "headers.add.0.name",
    ];
    assert!(paths.iter().all(|path| errors.at(path).is_some()), "{errors}");
}

#[test]
fn changes_of_the_query_build_on_each_other_in_their_order() {
    let config = json!({"query": {
        "rename": [{"from": "a", "to": "b"}, {"from": "b", "to": "c"}, {"from": "x", "to": "tenant"}],
        "set": [{"name": "tenant", "value": "own"}],
    }});
    let exchange = transformed(FakeExchange::new("GET", "/?a=1&b=2&c=3&x=evil"), &config);
    assert_eq!(exchange.facts.query.as_deref(), Some("c=1&tenant=own"));
}

#[test]
fn changes_of_headers_build_on_each_other_in_their_order() {
    let config = json!({"headers": {"rename": [{"from": "x-a", "to": "x-b"}, {"from": "x-b", "to": "x-c"}]}});
    let exchange = FakeExchange::new("GET", "/").header("x-a", "1").header("x-b", "2");
    let exchange = transformed(exchange, &config);
    assert_eq!(exchange.forwarded("x-c"), ["1"]);
    assert!(exchange.forwarded("x-a").is_empty() && exchange.forwarded("x-b").is_empty());
}

#[test]
fn values_are_not_shown_by_debug() {
    let config = json!({"headers": {"set": [{"name": "authorization", "value": "Bearer hush"}]}});
    let config: super::RequestTransform = serde_json::from_value(config).expect("valid");
    let shown = format!("{config:?}");
    assert!(shown.contains("authorization") && !shown.contains("hush"), "{shown}");
}
