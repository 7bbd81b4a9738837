use std::net::IpAddr;

use model::credential::CredentialStatus;
use model::plan::PlanLimit;
use model::reason::Reason;
use serde_json::{Value, json};
use time::Duration;

use super::RateLimit;
use crate::REGISTRY;
use crate::directory::Directory as _;
use crate::exchange::Flow;
use crate::plugin::Filter;
use crate::testing::{FakeDirectory, FakeExchange, filter, start};

fn rate_limit(limits: &Value) -> Box<dyn Filter> {
    filter(&REGISTRY, "rate-limit", &json!({"limits": limits}))
}

fn from(ip: &str) -> FakeExchange {
    let mut exchange = FakeExchange::new("GET", "/");
    exchange.facts.client_ip = ip.parse::<IpAddr>().expect("an address");
    exchange
}

fn passes(exchange: &mut FakeExchange, filter: &dyn Filter) -> bool {
    exchange.facts.response_headers.clear();
    matches!(exchange.run(filter), Flow::Continue)
}

#[test]
fn as_many_pass_as_the_limit_says() {
    let filter = rate_limit(&json!([{"requests": 3, "window_seconds": 60, "by": "ip"}]));
    let mut exchange = from("192.0.2.1");
    assert_eq!((0..5).filter(|_| passes(&mut exchange, &*filter)).count(), 3);
    assert!(
        passes(&mut from("192.0.2.2"), &*filter),
        "another address has its own allowance"
    );
}

#[test]
fn the_headers_say_what_is_left() {
    let filter = rate_limit(&json!([
        {"requests": 3, "window_seconds": 60, "by": "ip"},
        {"requests": 100, "window_seconds": 3600, "by": "route"},
    ]));
    let mut exchange = from("192.0.2.1");
    assert!(passes(&mut exchange, &*filter));
    assert_eq!(
        exchange.promised("ratelimit-policy"),
        ["\"ip-60s\";q=3;w=60, \"route-3600s\";q=100;w=3600"]
    );
    assert_eq!(
        exchange.promised("ratelimit"),
        ["\"ip-60s\";r=2;t=20, \"route-3600s\";r=99;t=36"]
    );
}

#[test]
fn a_refusal_says_when_to_come_back_and_then_it_passes() {
    let filter = rate_limit(&json!([{"requests": 1, "window_seconds": 10, "by": "ip"}]));
    let mut exchange = from("192.0.2.1");
    assert!(passes(&mut exchange, &*filter));
    exchange.facts.received_at = start() + Duration::milliseconds(2_500);
    let refusal = exchange.refusal(&*filter);
    assert_eq!(refusal.reason, Reason::RateLimited);
    assert_eq!(refusal.headers[0], (http::header::RETRY_AFTER, 8.into()));
    exchange.facts.received_at = start() + Duration::seconds(10);
    assert!(passes(&mut exchange, &*filter));
}

#[test]
fn several_limits_hold_at_once() {
    let filter = rate_limit(&json!([
        {"requests": 5, "window_seconds": 1, "by": "ip"},
        {"requests": 7, "window_seconds": 86_400, "by": "ip"},
    ]));
    let mut exchange = from("192.0.2.1");
    assert_eq!((0..9).filter(|_| passes(&mut exchange, &*filter)).count(), 5);
    exchange.facts.received_at += Duration::seconds(1);
    assert_eq!((0..9).filter(|_| passes(&mut exchange, &*filter)).count(), 2);
}

#[test]
fn consumers_and_credentials_have_allowances_of_their_own() {
    let directory = || {
        FakeDirectory::default()
            .with_key("one", "fjord", CredentialStatus::Active)
            .with_key("two", "fjord", CredentialStatus::Active)
    };
    let exchange = |directory: &FakeDirectory, key: &str| {
        let mut exchange = from("192.0.2.1");
        let found = directory
            .find_key(&model::credential::KeySecret::presented(key))
            .expect("known");
        exchange.facts.identity = Some(found.admit(start(), exchange.facts.client_ip).expect("admitted"));
        exchange
    };
    let known = directory();
    let by_consumer = rate_limit(&json!([{"requests": 1, "window_seconds": 60}]));
    assert!(passes(&mut exchange(&known, "one"), &*by_consumer));
    assert!(
        !passes(&mut exchange(&known, "two"), &*by_consumer),
        "the same consumer"
    );
    assert!(
        passes(&mut from("192.0.2.1"), &*by_consumer),
        "a caller without identity counts by address"
    );
    let by_credential = rate_limit(&json!([{"requests": 1, "window_seconds": 60, "by": "credential"}]));
    assert!(passes(&mut exchange(&known, "one"), &*by_credential));
    assert!(passes(&mut exchange(&known, "two"), &*by_credential));
    assert!(!passes(&mut exchange(&known, "two"), &*by_credential));
}

#[test]
fn ipv6_addresses_count_by_their_network() {
    let filter = rate_limit(&json!([{"requests": 1, "window_seconds": 60, "by": "ip"}]));
    assert!(passes(&mut from("2001:db8:1:2::1"), &*filter));
    assert!(!passes(&mut from("2001:db8:1:2:ffff::9"), &*filter));
    assert!(passes(&mut from("2001:db8:1:3::1"), &*filter));
    assert!(passes(&mut from("192.0.2.7"), &*filter));
    assert!(
        !passes(&mut from("::ffff:192.0.2.7"), &*filter),
        "the same address in another spelling"
    );
}

#[test]
fn counters_outlive_a_change_of_the_limit() {
    let (services, instance) = (crate::testing::services(), model::id::PluginId::generate());
    let plugin = REGISTRY.find("rate-limit").expect("registered");
    let compile = |requests: u32| {
        let config = json!({"limits": [{"requests": requests, "window_seconds": 60, "by": "ip"}]});
        plugin.compile(&config, instance, &services).expect("valid")
    };
    let mut exchange = from("192.0.2.1");
    let before = compile(4);
    assert_eq!((0..2).filter(|_| passes(&mut exchange, &*before)).count(), 2);
    let after = compile(4);
    assert_eq!((0..9).filter(|_| passes(&mut exchange, &*after)).count(), 2);
}

#[test]
fn wrong_limits_are_named_by_path() {
    let plugin = REGISTRY.find("rate-limit").expect("registered");
    let errors = plugin.validate(&json!({"limits": []})).expect_err("none");
    assert!(errors.at("limits").is_some());
    let limits =
        json!({"limits": [{"requests": 0, "window_seconds": 0}, {"requests": 1, "window_seconds": 2_678_401}]});
    let errors = plugin.validate(&limits).expect_err("wrong");
    let paths = [
        "limits.0.requests",
        "limits.0.window_seconds",
        "limits.1.window_seconds",
    ];
    assert!(paths.iter().all(|path| errors.at(path).is_some()), "{errors}");
}

#[test]
fn a_limit_for_all_together_counts_whoever_calls() {
    let filter = rate_limit(&json!([{"requests": 2, "window_seconds": 60, "by": "global"}]));
    assert!(passes(&mut from("192.0.2.1"), &*filter) && passes(&mut from("192.0.2.2"), &*filter));
    assert!(!passes(&mut from("192.0.2.3"), &*filter));
}

#[test]
fn an_unknown_caller_does_not_mix_the_counts_of_two_limits() {
    let filter = rate_limit(&json!([
        {"requests": 2, "window_seconds": 60, "by": "consumer"},
        {"requests": 4, "window_seconds": 60, "by": "ip"},
    ]));
    let mut exchange = from("192.0.2.1");
    assert!(passes(&mut exchange, &*filter));
    assert_eq!(
        exchange.promised("ratelimit"),
        ["\"consumer-60s\";r=1;t=30, \"ip-60s\";r=3;t=15"]
    );
}

#[test]
fn a_refused_request_is_not_shown_as_counted() {
    let filter = rate_limit(&json!([
        {"requests": 1, "window_seconds": 60, "by": "ip", "name": "burst"},
        {"requests": 100, "window_seconds": 3600, "by": "ip"},
    ]));
    let mut exchange = from("192.0.2.1");
    assert!(passes(&mut exchange, &*filter));
    assert!(!passes(&mut exchange, &*filter));
    assert_eq!(
        exchange.promised("ratelimit"),
        ["\"burst\";r=0;t=60, \"ip-3600s\";r=99;t=36"]
    );
}

#[test]
fn the_limits_of_a_plan_are_valid_and_the_smaller_of_two_holds() {
    let limit = |requests, window_seconds| PlanLimit {
        requests,
        window_seconds,
    };
    let config = RateLimit::for_plan(&[limit(100, 60), limit(10, 60), limit(u32::MAX, 86_400)]);
    let config = serde_json::to_value(config).expect("JSON");
    let plugin = REGISTRY.find("rate-limit").expect("registered");
    assert_eq!(plugin.validate(&config).as_ref(), Ok(&config));
    assert_eq!(
        plugin.describe(&config),
        "10 per minute for each consumer, 4294967295 per day for each consumer"
    );
}

#[test]
fn names_of_limits_are_plain_and_unique() {
    let plugin = REGISTRY.find("rate-limit").expect("registered");
    let limits = json!({"limits": [
        {"requests": 1, "window_seconds": 1, "name": "a\"b"},
        {"requests": 1, "window_seconds": 2, "name": "ip-3s"},
        {"requests": 1, "window_seconds": 3, "by": "ip"},
    ]});
    let errors = plugin.validate(&limits).expect_err("wrong");
    assert!(
        errors.at("limits.0.name").is_some() && errors.at("limits.2.name").is_some(),
        "{errors}"
    );
}

#[test]
fn the_same_window_twice_is_refused() {
    let plugin = REGISTRY.find("rate-limit").expect("registered");
    let limits = json!({"limits": [{"requests": 9, "window_seconds": 60}, {"requests": 1, "window_seconds": 60}]});
    assert!(
        plugin
            .validate(&limits)
            .expect_err("twice")
            .at("limits.1.window_seconds")
            .is_some()
    );
}

#[test]
fn of_two_limits_that_refuse_the_one_to_wait_for_is_named() {
    let filter = rate_limit(&json!([
        {"requests": 1, "window_seconds": 60, "by": "ip"},
        {"requests": 1, "window_seconds": 3600, "by": "ip"},
        {"requests": 1, "window_seconds": 1, "by": "ip"},
    ]));
    let mut exchange = from("192.0.2.1");
    assert!(passes(&mut exchange, &*filter));
    let refusal = exchange.refusal(&*filter);
    assert_eq!(refusal.headers[0], (http::header::RETRY_AFTER, 3_600.into()));
    assert_eq!(refusal.detail, "More than 1 request per hour; try again in 3600 s.");
}
