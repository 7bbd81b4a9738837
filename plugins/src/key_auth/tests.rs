use model::credential::{CredentialStatus, Environment, KeySecret};
use model::reason::Reason;
use model::snapshot::ConsumerStatus;
use serde_json::{Value, json};

use crate::REGISTRY;
use crate::directory::Credential;
use crate::exchange::Flow;
use crate::plugin::Filter;
use crate::testing::{FakeDirectory, FakeExchange, filter, start};

fn key_auth(config: &Value) -> Box<dyn Filter> {
    filter(&REGISTRY, "key-auth", config)
}

fn exchange(path: &str) -> FakeExchange {
    let directory = FakeDirectory::default()
        .with_key("good-key", "fjord", CredentialStatus::Active)
        .with_key("old-key", "fjord", CredentialStatus::Revoked)
        .with_consumer("guests");
    FakeExchange::new("GET", path).directory(directory)
}

fn passes(exchange: &mut FakeExchange, filter: &dyn Filter) -> Option<String> {
    assert!(matches!(exchange.run(filter), Flow::Continue), "refused");
    exchange
        .facts
        .identity
        .as_ref()
        .map(|identity| identity.consumer.row.name.clone())
}

#[test]
fn a_good_key_names_its_consumer_and_is_not_forwarded() {
    let mut exchange = exchange("/").header("x-api-key", "good-key");
    assert_eq!(passes(&mut exchange, &*key_auth(&json!({}))).as_deref(), Some("fjord"));
    assert!(exchange.forwarded("x-api-key").is_empty());
}

#[test]
fn a_key_is_forwarded_only_on_demand() {
    let mut exchange = exchange("/").header("x-api-key", "good-key");
    passes(&mut exchange, &*key_auth(&json!({"hide_credentials": false})));
    assert_eq!(exchange.forwarded("x-api-key"), ["good-key"]);
}

#[test]
fn without_a_key_the_answer_says_where_it_belongs() {
    let refusal = exchange("/").refusal(&*key_auth(&json!({})));
    assert_eq!(refusal.reason, Reason::CredentialMissing);
    assert!(refusal.detail.contains("x-api-key"));
    assert_eq!(refusal.headers[0].0, "www-authenticate");
}

#[test]
fn a_revoked_key_is_rejected() {
    let refusal = exchange("/")
        .header("x-api-key", "old-key")
        .refusal(&*key_auth(&json!({})));
    assert_eq!(refusal.reason, Reason::CredentialRevoked);
}

#[test]
fn an_unknown_key_is_rejected_and_never_repeated() {
    let refusal = exchange("/")
        .header("x-api-key", "secret-guess")
        .refusal(&*key_auth(&json!({})));
    assert_eq!(refusal.reason, Reason::CredentialUnknown);
    assert!(!refusal.detail.contains("secret-guess"));
}

#[test]
fn a_mistyped_key_is_told_from_an_unknown_one() {
    let key = KeySecret::assemble("gh", Environment::Live, "Vb3xTq9LmZs7YwK2hRf5NcEd8JpUa4G6");
    let wrong = key.expose().replace("Tq9L", "Tq9M");
    let refusal = exchange("/")
        .header("x-api-key", &wrong)
        .refusal(&*key_auth(&json!({})));
    assert!(refusal.detail.contains("check digits"), "{}", refusal.detail);
}

#[test]
fn an_optional_key_may_be_missing_but_not_wrong() {
    let optional = key_auth(&json!({"optional": true}));
    assert_eq!(passes(&mut exchange("/"), &*optional), None);
    let refusal = exchange("/").header("x-api-key", "nope").refusal(&*optional);
    assert_eq!(refusal.reason, Reason::CredentialUnknown);
}

#[test]
fn without_a_key_the_anonymous_consumer_stands_in() {
    let anonymous = key_auth(&json!({"anonymous_consumer": "guests"}));
    let mut exchange = exchange("/");
    assert_eq!(passes(&mut exchange, &*anonymous).as_deref(), Some("guests"));
    assert!(exchange.facts.identity.is_some_and(|identity| identity.is_anonymous()));
}

#[test]
fn an_anonymous_consumer_that_is_gone_opens_no_door() {
    let refusal = exchange("/").refusal(&*key_auth(&json!({"anonymous_consumer": "nobody"})));
    assert_eq!(refusal.reason, Reason::CredentialMissing);
}

#[test]
fn a_key_in_the_query_is_cut_out_of_it() {
    let filter = key_auth(&json!({"headers": [], "query_parameters": ["key"]}));
    let mut exchange = exchange("/?a=%20&key=good-key&b=2");
    assert_eq!(passes(&mut exchange, &*filter).as_deref(), Some("fjord"));
    assert_eq!(exchange.facts.query.as_deref(), Some("a=%20&b=2"));
}

#[test]
fn a_bearer_token_is_read_whatever_its_scheme_is_spelled_like() {
    let filter = key_auth(&json!({"bearer": true}));
    let mut exchange = exchange("/").header("authorization", "bEARER good-key");
    assert_eq!(passes(&mut exchange, &*filter).as_deref(), Some("fjord"));
    assert!(exchange.forwarded("authorization").is_empty());
}

#[test]
fn other_authorization_is_left_alone() {
    let filter = key_auth(&json!({"bearer": true, "optional": true}));
    let mut exchange = exchange("/").header("authorization", "Basic eDp5");
    assert_eq!(passes(&mut exchange, &*filter), None);
    assert_eq!(exchange.forwarded("authorization"), ["Basic eDp5"]);
}

#[test]
fn several_different_keys_are_refused_but_not_the_same_one_twice() {
    let filter = key_auth(&json!({"bearer": true}));
    let both = |bearer: &str| {
        exchange("/")
            .header("x-api-key", "good-key")
            .header("authorization", bearer)
    };
    assert_eq!(both("Bearer other").refusal(&*filter).reason, Reason::BadRequest);
    assert_eq!(passes(&mut both("Bearer good-key"), &*filter).as_deref(), Some("fjord"));
}

#[test]
fn a_configuration_without_any_place_is_refused() {
    let plugin = REGISTRY.find("key-auth").expect("registered");
    let errors = plugin.validate(&json!({"headers": []})).expect_err("no place");
    assert!(errors.at("headers").is_some());
    let errors = plugin.validate(&json!({"headers": ["authorization", "a b"], "query_parameters": ["a&b"]}));
    let errors = errors.expect_err("wrong names");
    assert!(
        ["headers.0", "headers.1", "query_parameters.0"]
            .iter()
            .all(|path| errors.at(path).is_some()),
        "{errors}"
    );
}

#[test]
fn an_empty_key_is_no_key() {
    let filter = key_auth(&json!({"query_parameters": ["key"]}));
    let refusal = exchange("/?key=").header("x-api-key", "").refusal(&*filter);
    assert_eq!(refusal.reason, Reason::CredentialMissing);
    let mut exchange = exchange("/?key=").header("x-api-key", "good-key");
    assert_eq!(passes(&mut exchange, &*filter).as_deref(), Some("fjord"));
}

#[test]
fn a_key_that_is_not_text_is_unknown_and_not_missing() {
    let mut exchange = exchange("/");
    let value = http::HeaderValue::from_bytes(b"k\xff").expect("a value");
    exchange.request.insert_header("x-api-key", value).expect("room");
    assert_eq!(
        exchange.refusal(&*key_auth(&json!({"optional": true}))).reason,
        Reason::CredentialUnknown
    );
}

#[test]
fn only_the_bearer_token_is_hidden_among_several_credentials() {
    let filter = key_auth(&json!({"bearer": true}));
    let mut exchange = exchange("/")
        .header("authorization", "Basic eDp5")
        .header("authorization", "Bearer good-key");
    assert_eq!(passes(&mut exchange, &*filter).as_deref(), Some("fjord"));
    assert_eq!(exchange.forwarded("authorization"), ["Basic eDp5"]);
}

#[test]
fn a_query_without_a_key_keeps_its_spelling() {
    let mut exchange = exchange("/?&a&&").header("x-api-key", "good-key");
    passes(&mut exchange, &*key_auth(&json!({"query_parameters": ["key"]})));
    assert_eq!(exchange.facts.query.as_deref(), Some("&a&&"));
}

#[test]
fn the_challenge_tells_a_missing_token_from_a_wrong_one() {
    let filter = key_auth(&json!({"bearer": true}));
    let challenge = |mut exchange: FakeExchange| exchange.refusal(&*filter).headers[0].1.clone();
    assert_eq!(challenge(exchange("/")), "Bearer realm=\"gatehouse\"");
    let wrong = exchange("/").header("authorization", "Bearer nope");
    assert_eq!(challenge(wrong), "Bearer realm=\"gatehouse\", error=\"invalid_token\"");
}

#[test]
fn keys_are_refused_for_each_reason_with_its_own_words() {
    type Case = (fn(&mut Credential), Reason, &'static str);
    let cases: [Case; 3] = [
        (
            |row| row.expires_at = Some(start()),
            Reason::CredentialExpired,
            "This key has expired.",
        ),
        (
            |row| row.ip_allow = vec!["198.51.100.0/24".parse().expect("a network")],
            Reason::IpDenied,
            "This key may not be used from 192.0.2.1.",
        ),
        (
            |row| row.status = CredentialStatus::Disabled,
            Reason::CredentialDisabled,
            "This key is disabled.",
        ),
    ];
    for (change, reason, words) in cases {
        let directory = FakeDirectory::default()
            .with_key("key", "fjord", CredentialStatus::Active)
            .with_credential("key", change);
        let mut exchange = FakeExchange::new("GET", "/")
            .directory(directory)
            .header("x-api-key", "key");
        let refusal = exchange.refusal(&*key_auth(&json!({})));
        assert_eq!((refusal.reason, refusal.detail.as_ref()), (reason, words));
        assert!(exchange.facts.identity.is_none() && exchange.forwarded("x-api-key").is_empty());
    }
}

#[test]
fn a_header_of_the_gateway_cannot_carry_a_key() {
    let plugin = REGISTRY.find("key-auth").expect("registered");
    let errors = plugin
        .validate(&json!({"headers": ["host"]}))
        .expect_err("hiding it would break the request");
    assert!(errors.at("headers.0").is_some());
}

#[test]
fn a_consumer_that_does_not_count_opens_no_door() {
    for (status, reason) in [
        (ConsumerStatus::Disabled, Reason::ConsumerDisabled),
        (ConsumerStatus::ApplicationSuspended, Reason::ApplicationSuspended),
    ] {
        let directory = FakeDirectory::default()
            .with_consumer("fjord")
            .with_status("fjord", status)
            .with_key("key", "fjord", CredentialStatus::Active);
        let mut exchange = FakeExchange::new("GET", "/").directory(directory);
        let anonymous = key_auth(&json!({"anonymous_consumer": "fjord"}));
        assert_eq!(exchange.refusal(&*anonymous).reason, Reason::CredentialMissing);
        let mut exchange = exchange.header("x-api-key", "key");
        assert_eq!(exchange.refusal(&*anonymous).reason, reason);
    }
}
