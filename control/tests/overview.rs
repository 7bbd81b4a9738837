//! What the first page of the console is told.

use control::overview;
use control::usage::Span;
use control::{Mode, create};
use model::actor::Actor;
use model::route::RouteSpec;
use model::service::ServiceSpec;
use model::token::TokenDraft;
use model::upstream::{TargetSpec, UpstreamSpec};
use model::{Draft as _, Noun};
use serde_json::{Value, json};
use time::Duration;
use time::macros::datetime;
use uuid::Uuid;

use crate::support::House;

async fn make<S: control::Table>(house: &House, actor: &Actor, body: Value) {
    house
        .control
        .write(actor, Mode::Commit, async |change| {
            create::<S>(change, <S as Noun>::Draft::read(&body)).await
        })
        .await
        .expect("made");
}

async fn count(house: &House, at: time::OffsetDateTime, consumer: u128, requests: i64) {
    sqlx::query(
        "insert into usage_buckets
         select $1, 10, id, service_id, $2, $3, 200, '', $4, 0, 0, array_fill(0::bigint, array[16]) from routes",
    )
    .bind(at)
    .bind(Uuid::from_u128(consumer))
    .bind(Uuid::nil())
    .bind(requests)
    .execute(house.pool())
    .await
    .expect("counted");
}

#[tokio::test]
async fn a_new_house_needs_nobody() {
    let house = House::new().await;
    let admin = house.admin().await;
    let found = overview::conditions(&house.control, &admin).await.expect("looked");
    assert_eq!(
        (found.pending_subscriptions, found.failed_mails, found.kept_mails),
        (0, 0, 0)
    );
    assert!(found.empty_upstreams.is_empty() && found.disabled_services.is_empty() && found.oldest_pending.is_none());
}

#[tokio::test]
async fn what_is_off_empty_or_about_to_end_is_named() {
    let house = House::new().await;
    let admin = house.admin().await;
    for name in ["empty", "thin", "fine", "unused"] {
        make::<UpstreamSpec>(&house, &admin, json!({"name": name})).await;
    }
    for name in ["empty", "thin", "fine"] {
        make::<ServiceSpec>(&house, &admin, json!({"name": name, "upstream": name})).await;
    }
    make::<ServiceSpec>(
        &house,
        &admin,
        json!({"name": "off", "url": "http://off.test", "enabled": false}),
    )
    .await;
    make::<RouteSpec>(
        &house,
        &admin,
        json!({"name": "off", "service": "off", "paths": ["/off"], "enabled": false}),
    )
    .await;
    for (upstream, address, weight, enabled) in [
        ("empty", "10.0.0.1:80", 0, true),
        ("thin", "10.0.0.1:80", 100, true),
        ("thin", "10.0.0.2:80", 100, false),
        ("fine", "10.0.0.1:80", 100, true),
    ] {
        let target = json!({"upstream": upstream, "address": address, "weight": weight, "enabled": enabled});
        make::<TargetSpec>(&house, &admin, target).await;
    }
    for (name, days) in [("soon", 6), ("late", 8)] {
        let end = house.control.now().date() + Duration::days(days);
        let draft = json!({"name": name, "scopes": ["*:read"], "expires_at": end.to_string()});
        control::tokens::create(&house.control, &admin, TokenDraft::read(&draft))
            .await
            .expect("made");
    }
    let found = overview::conditions(&house.control, &admin).await.expect("looked");
    assert_eq!(found.empty_upstreams, ["empty"]);
    assert_eq!(found.thinned_upstreams, ["thin"]);
    assert_eq!(
        (found.disabled_services, found.disabled_routes),
        (vec!["off".to_owned()], vec!["off".to_owned()])
    );
    assert_eq!(found.ending_tokens, ["soon"]);
}

#[tokio::test]
async fn each_consumer_counts_once_in_the_span_and_in_each_step() {
    let house = House::new().await;
    let admin = house.admin().await;
    make::<ServiceSpec>(&house, &admin, json!({"name": "shop", "url": "http://shop.test"})).await;
    make::<RouteSpec>(
        &house,
        &admin,
        json!({"name": "shop", "service": "shop", "paths": ["/shop"]}),
    )
    .await;
    let start = datetime!(2026-11-23 11:00 UTC);
    count(&house, start, 1, 5).await;
    count(&house, start + Duration::seconds(10), 1, 5).await;
    count(&house, start, 2, 5).await;
    count(&house, start + Duration::minutes(30), 1, 5).await;
    // Requests of nobody in particular are no consumer.
    count(&house, start, 0, 5).await;
    let span = Span::new(start, start + Duration::hours(1), Some(600)).expect("valid");
    let active = overview::active_consumers(&house.control, &admin, span)
        .await
        .expect("counted");
    assert_eq!((active.total, active.points), (2, vec![2, 0, 0, 1, 0, 0]));
    let busy = overview::busiest_routes(&house.control, &admin, span, 5)
        .await
        .expect("the busiest");
    assert_eq!(
        (busy.len(), busy[0].top.requests, busy[0].service.as_str()),
        (1, 25, "shop")
    );
    assert_eq!(busy[0].spec.as_ref().map(Noun::name).as_deref(), Some("shop"));
}

#[tokio::test]
async fn targets_that_running_gateways_do_not_trust_are_counted_once() {
    let house = House::new().await;
    let admin = house.admin().await;
    make::<UpstreamSpec>(&house, &admin, json!({"name": "eu"})).await;
    let state =
        |target: &str, health: &str, breaker: &str| json!({"target": target, "health": health, "breaker": breaker});
    let told = json!([
        state("a:80", "ejected", "closed"),
        state("b:80", "healthy", "open"),
        state("c:80", "healthy", "closed")
    ]);
    // By the clock of the database, with a minute to spare.
    for (number, age) in [(1_u128, -60_i32), (2, -59), (3, 60)] {
        sqlx::query(
            "insert into gateways (id, name, version, started_at, seen_at)
             values ($1, 'edge', '1', now(), now() - make_interval(secs => $2))",
        )
        .bind(Uuid::from_u128(number))
        .bind(age)
        .execute(house.pool())
        .await
        .expect("a gateway");
    }
    let report = async |gateway: u128, told: &Value| {
        sqlx::query(
            "insert into gateway_upstreams (gateway_id, upstream_id, told_at, targets)
             select $1, id, now(), $2 from upstreams
             on conflict (gateway_id, upstream_id) do update set targets = excluded.targets",
        )
        .bind(Uuid::from_u128(gateway))
        .bind(told)
        .execute(house.pool())
        .await
        .expect("a report");
    };
    report(3, &told).await;
    let found = overview::failing_targets(&house.control, &admin).await.expect("looked");
    assert_eq!(found, [], "who is silent knows nothing");
    report(1, &told).await;
    report(2, &told).await;
    let found = overview::failing_targets(&house.control, &admin).await.expect("looked");
    let found: Vec<_> = found
        .iter()
        .map(|one| (one.upstream.as_str(), one.failing, one.open))
        .collect();
    assert_eq!(found, [("eu", 1, 1)]);
}
