mod changes;

use std::sync::Arc;

use model::Kind;
use model::credential::{CredentialKind, CredentialStatus, KeySecret};
use model::id::{ConsumerGroupId, ConsumerId, RouteId, ServiceId, SubscriptionId};
use model::route::RequestKind;
use model::service::Scheme;
use model::snapshot::{ConsumerRow, ConsumerStatus, CredentialRow, Entry, Grant};
use plugins::directory::Directory as _;
use plugins::{Identity, REGISTRY};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Access, Builder, Route, Runtime};
use crate::path::canonical;
use crate::router::Wanted;

const SECRET: [u8; 32] = [7; 32];

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn entry(kind: Kind, number: u128, body: Option<Value>) -> Entry {
    Entry {
        kind,
        id: id(number),
        revision: 1,
        body,
    }
}

fn service(number: u128, url: &str) -> Entry {
    let body = json!({
        "name": format!("s{number}"), "url": url, "connect_timeout_ms": 1, "response_timeout_ms": 1, "idle_timeout_ms": 1,
        "retries": 1, "tls_verify": true, "tags": [], "enabled": true
    });
    entry(Kind::Service, number, Some(body))
}

fn route(number: u128, service: u128, path: &str) -> Entry {
    let body = json!({
        "name": format!("r{number}"), "service": id(service), "protocols": ["http", "https"], "hosts": [], "paths": [path],
        "methods": [], "headers": {}, "priority": 0, "regex_priority": 0, "strip_path": true, "preserve_host": false,
        "encoded_slashes": "reject", "merge_slashes": true, "tags": [], "enabled": true
    });
    entry(Kind::Route, number, Some(body))
}

fn plugin(number: u128, name: &str, scope: Value, config: Value) -> Entry {
    let mut body = json!({"plugin": name, "config": config, "position": 0, "tags": [], "enabled": true});
    for (member, value) in scope.as_object().into_iter().flatten() {
        body[member] = value.clone();
    }
    entry(Kind::Plugin, number, Some(body))
}

fn consumer(number: u128, grants: Option<Vec<Grant>>) -> Entry {
    let row = ConsumerRow {
        name: format!("c{number}"),
        custom_id: None,
        status: ConsumerStatus::Active,
        grants,
    };
    entry(Kind::Consumer, number, Some(serde_json::to_value(row).expect("json")))
}

fn builder() -> Builder {
    Builder::new(&SECRET, &REGISTRY, plugins::testing::services())
}

fn route_of(runtime: &Runtime, route: u128) -> &Route {
    runtime.routes.get(&RouteId(id(route))).expect("served")
}

fn plugins_of(runtime: &Runtime, route: u128) -> Vec<&'static str> {
    route_of(runtime, route)
        .chain
        .links()
        .iter()
        .map(|link| link.plugin)
        .collect()
}

/// The route that takes a plain request for this path.
fn found(runtime: &Runtime, path: &str) -> Option<RouteId> {
    let wanted = Wanted {
        host: None,
        port: Some(80),
        scheme: Scheme::Http,
        path: &canonical(path).expect("a path"),
        method: &http::Method::GET,
        headers: &http::HeaderMap::new(),
        query: None,
        sni: None,
        source: std::net::Ipv4Addr::LOCALHOST.into(),
        kind: RequestKind::Plain,
    };
    runtime.router.find(&wanted).ok().map(|found| found.route)
}

fn limit(requests: u32) -> Value {
    json!({"limits": [{"requests": requests, "window_seconds": 60, "by": "ip"}]})
}

#[test]
fn chains_are_in_the_order_of_phases_and_the_nearest_scope_wins() {
    let entries = [
        service(1, "http://a.test:81/base"),
        route(2, 1, "/x"),
        plugin(3, "key-auth", json!({}), json!({"optional": true})),
        plugin(4, "key-auth", json!({"service": id(1)}), json!({})),
        plugin(5, "rate-limit", json!({}), limit(5)),
        plugin(6, "rate-limit", json!({"route": id(2)}), limit(1)),
        plugin(7, "cors", json!({"route": id(2)}), json!({})),
    ];
    let runtime = builder().apply(1, &entries);
    assert_eq!(
        plugins_of(&runtime, 2),
        ["cors", "key-auth", "rate-limit", "rate-limit"]
    );
    let route = route_of(&runtime, 2);
    assert_eq!(route.chain.links()[1].instance.0, id(4));
    assert!(route.authenticates);
    assert_eq!(
        (route.service.host.as_str(), route.service.base_path.as_str()),
        ("a.test:81", "/base")
    );
}

#[test]
fn the_plugins_of_a_caller_run_once_the_caller_is_known() {
    let group = ConsumerGroupId(id(20));
    let entries = [
        service(1, "http://a.test"),
        route(2, 1, "/x"),
        plugin(3, "key-auth", json!({}), json!({})),
        plugin(4, "rate-limit", json!({"consumer_group": id(20)}), limit(5)),
        plugin(5, "request-transform", json!({"consumer": id(10)}), json!({})),
        consumer(10, None),
    ];
    let runtime = builder().apply(1, &entries);
    let route = route_of(&runtime, 2);
    let consumer = runtime.known.find_consumer("c10").expect("known");
    let identity = Identity {
        consumer,
        credential: None,
        credential_identifier: None,
    };
    let chain = runtime.chain_for(route, Some(&identity), &[group]);
    let names: Vec<_> = chain.after_identity().iter().map(|link| link.plugin).collect();
    assert_eq!(names, ["rate-limit", "request-transform"]);
    assert_eq!(chain.before_identity().len(), 1);
    assert!(runtime.chain_for(route, None, &[]).after_identity().is_empty());
}

#[test]
fn a_bad_entry_takes_nothing_else_down_and_the_last_good_form_stays() {
    let mut builder = builder();
    builder.apply(
        1,
        &[
            service(1, "http://a.test"),
            route(2, 1, "/x"),
            plugin(3, "cors", json!({}), json!({})),
        ],
    );
    let broken = [
        plugin(3, "cors", json!({}), json!({"allow_origins": 7})),
        plugin(4, "from-the-future", json!({}), json!({})),
        entry(Kind::Route, 5, Some(json!({"paths": 1}))),
        route(6, 1, "/y"),
    ];
    let runtime = builder.apply(2, &broken);
    assert_eq!(plugins_of(&runtime, 2), ["cors"]);
    assert_eq!(plugins_of(&runtime, 6), ["cors"]);
    let mut bad: Vec<u128> = builder.problems().iter().map(|problem| problem.id.as_u128()).collect();
    bad.sort_unstable();
    assert_eq!(bad, [3, 4, 5]);
    builder.apply(
        3,
        &[
            entry(Kind::Plugin, 4, None),
            entry(Kind::Route, 5, None),
            plugin(3, "cors", json!({}), json!({})),
        ],
    );
    assert_eq!(builder.problems(), []);
}

#[test]
fn a_route_that_cannot_be_looked_for_keeps_its_last_good_form() {
    let mut builder = builder();
    let before = builder.apply(
        1,
        &[
            service(1, "http://a.test"),
            route(2, 1, "/"),
            route(3, 1, "/x"),
            plugin(4, "key-auth", json!({"route": id(3)}), json!({})),
        ],
    );
    let bad = || {
        let mut bad = route(3, 1, "/x");
        bad.body.as_mut().expect("a body")["headers"] = json!({"no header": ["*"]});
        bad
    };
    let found = |runtime: &Runtime| found(runtime, "/x/y").map(|id| id.0);
    let after = builder.apply(2, &[bad()]);
    assert_eq!((found(&before), found(&after)), (Some(id(3)), Some(id(3))));
    assert_eq!(plugins_of(&after, 3), ["key-auth"]);
    let problems = |builder: &Builder| -> Vec<Uuid> { builder.problems().iter().map(|problem| problem.id).collect() };
    assert_eq!(problems(&builder), [id(3)]);
    // Whatever else changes, it stays, with plugins and service as they are now.
    let after = builder.apply(
        3,
        &[plugin(5, "cors", json!({}), json!({})), service(1, "http://b.test")],
    );
    assert_eq!(found(&after), Some(id(3)));
    assert_eq!(route_of(&after, 3).service.host, "b.test");
    assert_eq!(
        (plugins_of(&after, 3), problems(&builder)),
        (vec!["cors", "key-auth"], vec![id(3)])
    );
    // Off is off, readable or not.
    let mut off = bad();
    off.body.as_mut().expect("a body")["enabled"] = json!(false);
    let after = builder.apply(4, &[off]);
    assert_eq!((found(&after), problems(&builder)), (Some(id(2)), Vec::new()));
    // Nothing good is known of it any more.
    let after = builder.apply(5, &[bad()]);
    assert_eq!((found(&after), problems(&builder)), (Some(id(2)), vec![id(3)]));
    let after = builder.apply(6, &[route(3, 1, "/x")]);
    assert_eq!((found(&after), problems(&builder)), (Some(id(3)), Vec::new()));
}

#[test]
fn a_tombstone_removes_and_what_lost_its_service_is_not_served() {
    let mut builder = builder();
    builder.apply(1, &[service(1, "http://a.test"), route(2, 1, "/x")]);
    let runtime = builder.apply(2, &[entry(Kind::Service, 1, None)]);
    assert!(runtime.routes.is_empty());
    assert_eq!(runtime.revision, 2);
}

#[test]
fn what_did_not_change_is_taken_over() {
    let mut builder = builder();
    let entries = [
        service(1, "http://a.test"),
        route(2, 1, "/x"),
        plugin(3, "cors", json!({}), json!({})),
    ];
    let before = builder.apply(1, &entries);
    let after = builder.apply(2, &[route(4, 1, "/y")]);
    let pool = |runtime: &Runtime| route_of(runtime, 2).service.pool.clone();
    let filter = |runtime: &Runtime| route_of(runtime, 2).chain.links()[0].filter.clone();
    assert!(Arc::ptr_eq(&pool(&before), &pool(&after)));
    assert!(Arc::ptr_eq(&filter(&before), &filter(&after)));
    let later = builder.apply(3, &[consumer(10, None)]);
    assert!(
        Arc::ptr_eq(&after.router, &later.router),
        "a new consumer does not touch routes"
    );
    assert!(
        before.known.find_consumer("c10").is_none(),
        "an older snapshot does not see it"
    );
}

#[test]
fn a_key_is_found_by_its_hash_until_its_credential_is_gone() {
    use hmac::{Hmac, Mac};
    let mut mac = <Hmac<sha2::Sha256> as Mac>::new_from_slice(&SECRET).expect("any length");
    mac.update(b"some-key");
    let hash: String = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let row = CredentialRow {
        consumer: ConsumerId(id(10)),
        kind: CredentialKind::Key,
        hash,
        identifier: "some".into(),
        status: CredentialStatus::Active,
        ip_allow: Vec::new(),
        expires_at: None,
    };
    let credential = |body| entry(Kind::Credential, 11, body);
    let mut builder = builder();
    let runtime = builder.apply(
        1,
        &[
            consumer(10, None),
            credential(Some(serde_json::to_value(row).expect("json"))),
        ],
    );
    let find = |runtime: &Runtime, key: &str| {
        runtime
            .known
            .find_key(&KeySecret::presented(key))
            .map(|found| found.id.0)
    };
    assert_eq!(find(&runtime, "some-key"), Some(id(11)));
    assert_eq!(find(&runtime, "other-key"), None);
    let revoked = builder.apply(2, &[credential(None)]);
    assert_eq!(find(&revoked, "some-key"), None);
    assert_eq!(
        find(&runtime, "some-key"),
        Some(id(11)),
        "a request sees one snapshot only"
    );
}

#[test]
fn a_subscription_opens_the_services_of_its_product_only() {
    let grant = Grant {
        subscription: SubscriptionId(id(1)),
        group: ConsumerGroupId(id(20)),
        services: vec![ServiceId(id(30))],
    };
    let runtime = builder().apply(1, &[consumer(10, Some(vec![grant])), consumer(11, None)]);
    let access = |name: &str, service: u128| {
        let consumer = runtime.known.find_consumer(name).expect("known");
        let identity = Identity {
            consumer,
            credential: None,
            credential_identifier: None,
        };
        runtime.access(Some(&identity), ServiceId(id(service)))
    };
    assert_eq!(access("c10", 30), Access::Granted(vec![ConsumerGroupId(id(20))]));
    assert_eq!(access("c10", 31), Access::SubscriptionMissing);
    assert_eq!(access("c11", 31), Access::Granted(Vec::new()));
    assert_eq!(runtime.access(None, ServiceId(id(31))), Access::Granted(Vec::new()));
}
