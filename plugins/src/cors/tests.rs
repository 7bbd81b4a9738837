use model::reason::Reason;
use pingora_http::ResponseHeader;
use serde_json::{Value, json};

use super::config::Origin;
use crate::REGISTRY;
use crate::exchange::{Answer, Flow};
use crate::plugin::Filter;
use crate::testing::{FakeExchange, filter};

fn cors(config: &Value) -> Box<dyn Filter> {
    filter(&REGISTRY, "cors", config)
}

fn preflight(origin: &str) -> FakeExchange {
    FakeExchange::new("OPTIONS", "/")
        .header("origin", origin)
        .header("access-control-request-method", "PUT")
}

#[test]
fn a_preflight_request_is_answered_at_once() {
    let filter = cors(&json!({"allow_origins": ["https://shop.example.com"], "max_age_seconds": 60}));
    let mut exchange = preflight("https://shop.example.com").header("access-control-request-headers", "x-a, x-b");
    let Flow::Respond(answer) = exchange.run(&*filter) else {
        panic!("not answered")
    };
    let Answer::Response { status, headers, .. } = *answer else {
        panic!("refused")
    };
    let value = |wanted: &str| {
        headers
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.to_str().expect("text"))
    };
    assert_eq!(status, 204);
    assert_eq!(
        value("access-control-allow-methods"),
        Some("GET, HEAD, POST, PUT, PATCH, DELETE")
    );
    assert_eq!(value("access-control-allow-headers"), Some("x-a, x-b"));
    assert_eq!(value("access-control-max-age"), Some("60"));
    assert_eq!(
        exchange.promised("access-control-allow-origin"),
        ["https://shop.example.com"]
    );
    assert!(exchange.promised("vary").contains(&"origin"));
}

#[test]
fn a_preflight_request_of_a_strange_origin_is_refused() {
    let filter = cors(&json!({"allow_origins": ["https://shop.example.com"]}));
    assert_eq!(
        preflight("https://evil.example").refusal(&*filter).reason,
        Reason::OriginDenied
    );
}

#[test]
fn an_actual_request_passes_and_its_page_may_read_the_answer() {
    let filter = cors(
        &json!({"allow_origins": ["https://a.example"], "allow_credentials": true, "expose_headers": ["x-total"]}),
    );
    let mut exchange = FakeExchange::new("GET", "/").header("origin", "https://a.example");
    assert!(matches!(exchange.run(&*filter), Flow::Continue));
    assert_eq!(exchange.promised("access-control-allow-origin"), ["https://a.example"]);
    assert_eq!(exchange.promised("access-control-allow-credentials"), ["true"]);
    assert_eq!(exchange.promised("access-control-expose-headers"), ["x-total"]);
}

#[test]
fn a_strange_page_gets_no_permission_but_programs_are_served() {
    let filter = cors(&json!({"allow_origins": ["https://a.example"]}));
    let mut exchange = FakeExchange::new("GET", "/").header("origin", "https://b.example");
    assert!(matches!(exchange.run(&*filter), Flow::Continue));
    assert!(exchange.promised("access-control-allow-origin").is_empty());
    assert!(matches!(FakeExchange::new("GET", "/").run(&*filter), Flow::Continue));
}

#[test]
fn what_the_service_says_about_origins_gives_way() {
    let mut response = ResponseHeader::build(200, None).expect("a response");
    response
        .insert_header("access-control-allow-origin", "https://internal")
        .expect("room");
    response.insert_header("x-kept", "1").expect("room");
    let response = FakeExchange::new("GET", "/").respond(&*cors(&json!({})), response);
    assert!(response.headers.get("access-control-allow-origin").is_none());
    assert!(response.headers.get("x-kept").is_some());
}

#[test]
fn names_below_a_domain_are_allowed_and_nothing_that_looks_like_them() {
    let origin = Origin::parse("https://*.example.com").expect("valid");
    assert!(origin.allows("https://a.example.com") && origin.allows("https://a.b.example.com"));
    for strange in [
        "https://example.com",
        "http://a.example.com",
        "https://a.example.com.evil.net",
        "https://evil.net/.example.com",
        "https://evilexample.com",
        "https://.example.com",
        "https://u@a.example.com",
        "null",
    ] {
        assert!(!origin.allows(strange), "{strange}");
    }
}

#[test]
fn wrong_origins_are_named_by_path() {
    let plugin = REGISTRY.find("cors").expect("registered");
    let origins = [
        "shop.example.com",
        "https://a.example/path",
        "https://a.example/",
        "https://a.example#x",
        "https://a.example?x",
        "https://u:p@a.example",
        "https://*",
        "https://a.*.example",
        "ftp://a",
        "null",
    ];
    let errors = plugin
        .validate(&json!({"allow_origins": origins}))
        .expect_err("wrong origins");
    assert_eq!(errors.iter().count(), origins.len(), "{errors}");
    let good = [
        "https://a.example:8443",
        "http://localhost:3000",
        "http://[::1]:80",
        "https://*.example.com:8443",
    ];
    assert!(plugin.validate(&json!({"allow_origins": good})).is_ok());
    let errors = plugin
        .validate(&json!({"allow_credentials": true}))
        .expect_err("with any origin");
    assert!(errors.at("allow_credentials").is_some());
}

#[test]
fn any_origin_may_be_allowed_and_then_the_answer_is_the_same_for_all() {
    let filter = cors(&json!({}));
    let mut exchange = FakeExchange::new("GET", "/").header("origin", "https://a.example");
    assert!(matches!(exchange.run(&*filter), Flow::Continue));
    assert_eq!(exchange.promised("access-control-allow-origin"), ["*"]);
    assert!(exchange.promised("vary").is_empty());
}

#[test]
fn an_answer_that_depends_on_the_origin_says_so_also_to_those_without_one() {
    let filter = cors(&json!({"allow_origins": ["https://a.example"]}));
    let mut exchange = FakeExchange::new("GET", "/");
    exchange.run(&*filter);
    assert_eq!(exchange.promised("vary"), ["origin"]);
}

#[test]
fn an_options_request_that_is_no_preflight_goes_to_the_service() {
    let filter = cors(&json!({}));
    let mut exchange = FakeExchange::new("OPTIONS", "/").header("origin", "https://a.example");
    assert!(matches!(exchange.run(&*filter), Flow::Continue));
}

#[test]
fn a_star_among_headers_is_refused_together_with_credentials() {
    let config = json!({
        "allow_origins": ["https://a.example"],
        "allow_credentials": true,
        "allow_headers": ["*"],
        "expose_headers": ["x-a", "*"],
    });
    let errors = REGISTRY
        .find("cors")
        .expect("registered")
        .validate(&config)
        .expect_err("means nothing");
    assert!(
        errors.at("allow_headers.0").is_some() && errors.at("expose_headers.1").is_some(),
        "{errors}"
    );
}
