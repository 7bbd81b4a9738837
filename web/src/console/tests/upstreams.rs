//! Upstreams: what their forms keep, draining and weights, and what gateways know of the targets.

use model::Stored;
use model::ca_certificate::CaCertificateSpec;
use model::service::ServiceSpec;
use model::upstream::{TargetSpec, UpstreamSpec};
use serde_json::{Value, json};

use super::{make, somebody};
use crate::house::{Answer, House};
use crate::untouched;

async fn now<S: control::Table>(house: &House, reference: &str) -> Stored<S> {
    let owner = &house.owner().session.actor;
    control::get::<S>(&house.control, owner, reference)
        .await
        .expect("there")
}

/// An upstream with everything set to something unusual.
async fn everything(house: &House) -> Stored<UpstreamSpec> {
    let cert = include_str!("../../../../admin/src/api/certificates/authority.pem");
    make::<CaCertificateSpec>(house, json!({"name": "targets", "cert": cert})).await;
    let body = json!({
        "name": "everything", "algorithm": "consistent_hash", "hash_on": "header", "hash_name": "x-user",
        "hash_fallback": "ip", "sticky_cookie": {"name": "node", "ttl_seconds": 60}, "slow_start_ms": 30_000,
        "health": {
            "active": {"kind": "https", "path": "/ready", "host": "ready.internal", "interval_ms": 2_000,
                       "timeout_ms": 500, "healthy_threshold": 1, "unhealthy_threshold": 2, "statuses": [200, 204],
                       "tls_verify": false, "tls_server_name": "orders.internal", "ca_certificates": ["targets"]},
            "passive": {"enabled": false, "failure_statuses": [500], "status_failures": 1, "timeouts": 2, "resets": 0,
                        "ejection_ms": 5_000, "max_ejection_ms": 50_000}
        },
        "panic_threshold": 10,
        "breaker": {"enabled": false, "consecutive_failures": 3, "success_rate": 0.25, "window_ms": 5_000,
                    "min_requests": 5, "backoff_ms": 100, "max_backoff_ms": 1_000},
        "tags": ["eu"]
    });
    make::<UpstreamSpec>(house, body).await
}

/// The fields of a form as they stand, where `typed` was typed over them.
fn filled(page: &Answer, action: &str, typed: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut fields = untouched::form(&page.body, action);
    for (name, value) in typed {
        fields.retain(|(field, _)| field != name);
        fields.push(((*name).to_owned(), (*value).to_owned()));
    }
    fields
}

/// Sends the form on a page with something typed over its fields.
async fn send(house: &House, page: &str, action: &str, typed: &[(&str, &str)]) -> Answer {
    let fields = filled(&house.get(page).await, action, typed);
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    house.post(action, &fields).await
}

async fn edit<S: control::Table>(house: &House, stored: &Stored<S>, typed: &[(&str, &str)]) -> Answer {
    let path = format!("/console/{}/{}/edit", S::KIND.plural(), stored.id);
    send(house, &path, &path, typed).await
}

/// A report of a gateway that was heard of so many seconds ago; one that runs is heard of for a minute to come.
async fn report(house: &House, gateway: &str, age: i64, targets: &Value) {
    house
        .sql(format!(
            "insert into gateways (id, name, version, started_at, seen_at)
             values (gen_random_uuid(), '{gateway}', '1', now(), now() - interval '{age} s');
             insert into gateway_upstreams (gateway_id, upstream_id, told_at, targets)
             select g.id, u.id, g.seen_at, '{targets}' from gateways g, upstreams u where g.name = '{gateway}'"
        ))
        .await;
}

fn state(target: &str, health: &str, breaker: &str) -> Value {
    json!({
        "target": target, "address": target, "health": health, "breaker": breaker, "in_flight": 7,
        "latency_us": 12_300, "last_error": "connection refused", "since": "2026-11-23T11:57:00Z", "ejections": 2,
        "events": [{"at": "2026-11-23T11:57:00Z", "change": "ejected", "reason": "3 resets in a row"}]
    })
}

#[actix_web::test]
async fn saving_an_untouched_form_keeps_everything_that_is_unusual() {
    let house = House::new().await;
    let upstream = everything(&house).await;
    let target = json!({"upstream": "everything", "address": "srv:_http._tcp.orders.internal", "drain": true});
    let target = make::<TargetSpec>(&house, target).await;
    let authority = include_str!("../../../../admin/src/api/certificates/authority.pem");
    let authority = make::<CaCertificateSpec>(&house, json!({"name": "ours", "cert": authority})).await;
    make::<ServiceSpec>(&house, json!({"name": "shadow", "url": "http://shadow.example"})).await;
    let service = json!({
        "name": "orders", "upstream": "everything", "protocol": "grpcs", "http_version": "2", "proxy_protocol": "v2",
        "timeout_ms": 9_000, "retry_on": ["timeout", "503"], "retry_budget_percent": 0,
        "retry_budget_min_per_second": 3, "tls_verify": false, "tls_server_name": "orders.internal",
        "ca_certificates": [authority.id], "mirror": {"service": "shadow", "percent": 2.5}
    });
    let service = make::<ServiceSpec>(&house, service).await;
    for answer in [
        edit(&house, &upstream, &[]).await,
        edit(&house, &target, &[]).await,
        edit(&house, &service, &[]).await,
    ] {
        assert_eq!(answer.status, 303, "{}", answer.body);
    }
    assert_eq!(now::<UpstreamSpec>(&house, "everything").await, upstream);
    assert_eq!(now::<TargetSpec>(&house, &target.id.to_string()).await, target);
    assert_eq!(now::<ServiceSpec>(&house, "orders").await, service);
    house.get("/console/services/orders").await.shows(&[
        "2.5% of requests",
        "href=\"/console/services/shadow\"",
        "href=\"/console/ca-certificates/ours\"",
        "1, after timeout, 503",
        "HTTP/2",
        "9 s",
    ]);
}

#[actix_web::test]
async fn a_new_upstream_and_a_new_service_have_the_defaults_of_the_api() {
    let house = House::new().await;
    let by_api = make::<UpstreamSpec>(&house, json!({"name": "api"})).await;
    let new = "/console/upstreams/new";
    let answer = send(&house, new, new, &[("name", "form")]).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let mut by_form = now::<UpstreamSpec>(&house, "form").await;
    by_form.spec.name = by_api.spec.name.clone();
    assert_eq!(by_form.spec, by_api.spec);
    let by_api = make::<ServiceSpec>(&house, json!({"name": "api", "url": "http://x"})).await;
    let new = "/console/services/new";
    let answer = send(&house, new, new, &[("name", "form"), ("url", "http://x")]).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let mut by_form = now::<ServiceSpec>(&house, "form").await;
    by_form.spec.name = by_api.spec.name.clone();
    assert_eq!(by_form.spec, by_api.spec);
}

#[actix_web::test]
async fn checks_end_and_begin_with_the_choice_of_their_kind() {
    let house = House::new().await;
    let upstream = everything(&house).await;
    let answer = edit(&house, &upstream, &[("health.active.kind", "")]).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let upstream = now::<UpstreamSpec>(&house, "everything").await;
    assert!(upstream.spec.health.active.is_none());
    let answer = edit(&house, &upstream, &[("health.active.kind", "tcp")]).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let active = now::<UpstreamSpec>(&house, "everything").await.spec.health.active;
    assert_eq!(active.map(|active| active.interval_ms), Some(5_000));
}

#[actix_web::test]
async fn what_is_wrong_with_an_upstream_stands_beside_its_field_and_is_not_folded_away() {
    let house = House::new().await;
    let upstream = make::<UpstreamSpec>(&house, json!({"name": "eu"})).await;
    let typed = [
        ("algorithm", "consistent_hash"),
        ("health.active.kind", "http"),
        ("health.active.interval_ms", "1"),
        ("health.passive.timeouts", "30"),
        ("breaker.success_rate", "80"),
    ];
    let answer = edit(&house, &upstream, &typed).await;
    assert_eq!(answer.status, 422);
    for field in ["hash_on", "health-active-interval_ms", "breaker-success_rate"] {
        answer.shows(&[&format!("id=\"f-{field}-e\""), &format!("href=\"#f-{field}\"")]);
    }
    answer.shows(&["value=\"30\"", "<details class=\"more when-checks\" open>"]);
    answer.hides(&["<details class=\"more\"><summary>When it opens"]);
}

#[actix_web::test]
async fn a_target_drains_and_takes_requests_again_by_a_button() {
    let house = House::new().await;
    make::<UpstreamSpec>(&house, json!({"name": "eu"})).await;
    let target = make::<TargetSpec>(&house, json!({"upstream": "eu", "address": "10.0.0.1:80"})).await;
    let action = format!("/console/targets/{}/drain", target.id);
    let page = house.get("/console/upstreams/eu").await;
    let fields = untouched::form(&page.body, &action);
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let answer = house.post(&action, &fields).await;
    let home = format!("/console/upstreams/{}", target.spec.upstream);
    assert_eq!((answer.status, answer.location.as_str()), (303, home.as_str()));
    let reference = target.id.to_string();
    assert!(now::<TargetSpec>(&house, &reference).await.spec.drain);
    assert_eq!(
        house.post(&action, &fields).await.status,
        412,
        "the version is an old one"
    );
    house
        .get("/console/upstreams/eu")
        .await
        .shows(&["Draining", "Undrain 10.0.0.1:80", "0 of 1 target"]);
    let back = [("_version", "2"), ("drain", "false")];
    assert_eq!(house.post(&action, &back).await.status, 303);
    assert!(!now::<TargetSpec>(&house, &reference).await.spec.drain);
    house.get("/console/audit").await.shows(&["10.0.0.1:80"]);
    let auditor = somebody(&house, "auditor").await;
    assert_eq!(house.post_as(&auditor, &action, &back).await.status, 403);
    house
        .get_as(&auditor, "/console/upstreams/eu")
        .await
        .hides(&["/drain\"", "/weight\""]);
}

#[actix_web::test]
async fn the_weight_of_a_target_is_set_where_it_stands() {
    let house = House::new().await;
    make::<UpstreamSpec>(&house, json!({"name": "eu"})).await;
    let target = make::<TargetSpec>(
        &house,
        json!({"upstream": "eu", "address": "10.0.0.1:80", "drain": true}),
    )
    .await;
    let action = format!("/console/targets/{}/weight", target.id);
    house.get(&action).await.shows(&["data-question", "value=\"100\""]);
    for (typed, words) in [
        ("1001", "Must be 0 to 1000"),
        ("", "Is required"),
        ("much", "whole number"),
    ] {
        let answer = send(&house, &action, &action, &[("weight", typed)]).await;
        assert_eq!(answer.status, 422, "{typed}");
        answer.shows(&["id=\"f-weight-e\"", words, &format!("value=\"{typed}\"")]);
    }
    assert_eq!(send(&house, &action, &action, &[("weight", "5")]).await.status, 303);
    let target = now::<TargetSpec>(&house, &target.id.to_string()).await;
    assert_eq!((target.spec.weight, target.spec.drain), (5, true));
}

#[actix_web::test]
async fn an_upstream_tells_what_its_gateways_know_and_which_of_them_are_silent() {
    let house = House::new().await;
    make::<UpstreamSpec>(&house, json!({"name": "eu"})).await;
    for address in ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"] {
        make::<TargetSpec>(&house, json!({"upstream": "eu", "address": address})).await;
    }
    let page = house.get("/console/upstreams/eu").await;
    page.shows(&["No gateway tells of it yet", "no gateway tells of it", "data-live"]);
    let healthy = state("10.0.0.1:80", "healthy", "closed");
    let told = json!([
        healthy,
        state("10.0.0.2:80", "ejected", "open"),
        state("10.0.0.3:80", "healthy", "open")
    ]);
    report(&house, "edge-1", -60, &told).await;
    report(
        &house,
        "edge-2",
        -60,
        &json!([healthy, state("10.0.0.2:80", "healthy", "closed")]),
    )
    .await;
    report(
        &house,
        "edge-3",
        240,
        &json!([state("10.0.0.1:80", "unhealthy", "closed")]),
    )
    .await;
    let page = house.get("/console/upstreams/eu").await;
    page.shows(&[
        "on 1 of 2 gateways",
        "Breaker open",
        "12.3 ms",
        "Last error: connection refused",
        "10.0.0.2:80 was ejected",
        "3 resets in a row. Seen by edge-1.",
        "edge-3 was last heard of",
        ">4 min ago</time>",
        "Stale",
    ]);
    page.hides(&["No gateway tells", "dot bad\"></span>Unhealthy"]);
    house.get("/console").await.shows(&[
        "Targets of eu fail",
        "1 target is unhealthy or ejected, 2 breakers are open",
    ]);
}
