//! Splits, mirrors, and what gateways tell of targets.

use control::{Error, Mode, Precondition, upstreams};
use model::actor::Actor;
use model::route::RouteSpec;
use model::service::ServiceSpec;
use model::upstream::{TargetHealth, UpstreamSpec};
use model::{Draft as _, Noun, Stored};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::House;

async fn create<S: control::Table>(house: &House, actor: &Actor, body: Value) -> control::Result<Stored<S>> {
    let written = house.control.write(actor, Mode::Commit, async |change| {
        control::create::<S>(change, <S as Noun>::Draft::read(&body)).await
    });
    written.await.map(|written| written.value)
}

async fn delete_service(house: &House, actor: &Actor, name: &str) -> control::Result<()> {
    let written = house.control.write(actor, Mode::Commit, async |change| {
        control::delete::<ServiceSpec>(change, name, Precondition::default(), false).await
    });
    written.await.map(drop)
}

#[tokio::test]
async fn splits_and_mirrors_name_services_and_hold_on_to_them() {
    let house = House::new().await;
    let admin = house.admin().await;
    for name in ["old", "new", "shadow"] {
        let mirror = (name == "old").then(|| json!({"service": "shadow", "percent": 5}));
        let body = json!({"name": name, "url": "http://127.0.0.1:9", "mirror": mirror});
        let made = create::<ServiceSpec>(&house, &admin, body).await;
        assert_eq!(made.is_err(), name == "old", "`shadow` is not there yet");
    }
    let body = json!({"name": "old", "url": "http://127.0.0.1:9", "mirror": {"service": "shadow", "percent": 5}});
    create::<ServiceSpec>(&house, &admin, body).await.expect("made");
    let split = json!({"services": [{"service": "old", "weight": 90}, {"service": "new", "weight": 10}],
                       "by_header": [{"name": "x-canary", "value": "yes", "service": "nobody"}]});
    let mut body = json!({"name": "shop", "service": "old", "paths": ["/shop"], "split": split});
    let refused = create::<RouteSpec>(&house, &admin, body.clone())
        .await
        .expect_err("refused");
    assert!(
        matches!(&refused, Error::Invalid(errors) if errors.at("split.by_header.0.service").is_some()),
        "{refused:?}"
    );
    body["split"]["by_header"][0]["service"] = json!("new");
    create::<RouteSpec>(&house, &admin, body).await.expect("made");
    for (service, dependant) in [("new", "shop"), ("shadow", "old")] {
        let refused = delete_service(&house, &admin, service).await.expect_err("refused");
        assert!(
            format!("{refused:?}").contains(&format!("name: \"{dependant}\"")),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn the_health_of_an_upstream_is_what_each_gateway_told_with_its_age() {
    let house = House::new().await;
    let admin = house.admin().await;
    let upstream = create::<UpstreamSpec>(&house, &admin, json!({"name": "orders"}))
        .await
        .expect("made");
    let targets = json!([{
        "target": "10.0.0.1:80", "address": "10.0.0.1:80", "health": "ejected", "breaker": "open", "in_flight": 1,
        "latency_us": 900, "last_error": "reset", "since": "2026-10-20T08:00:00Z", "ejections": 2,
        "events": [{"at": "2026-10-20T08:00:00Z", "change": "ejected", "reason": "reset; for 10000 ms"}]
    }]);
    // By the clock of the database, with a minute to spare.
    for (number, age) in [(1_u128, -60_i32), (2, 600), (3, 7_200)] {
        sqlx::query(
            "insert into gateways (id, name, version, started_at, seen_at)
             values ($1, $2, '1', now(), now() - make_interval(secs => $3))",
        )
        .bind(Uuid::from_u128(number))
        .bind(format!("edge-{number}"))
        .bind(age)
        .execute(house.pool())
        .await
        .expect("a gateway");
        sqlx::query(
            "insert into gateway_upstreams (gateway_id, upstream_id, told_at, targets) values ($1, $2, now(), $3)",
        )
        .bind(Uuid::from_u128(number))
        .bind(upstream.id.0)
        .bind(&targets)
        .execute(house.pool())
        .await
        .expect("a report");
    }
    let health = upstreams::health(&house.control, &admin, "orders")
        .await
        .expect("health");
    let told: Vec<_> = health
        .gateways
        .iter()
        .map(|report| (report.name.as_str(), report.live, report.age_seconds / 60))
        .collect();
    assert_eq!(
        told,
        [("edge-1", true, 0), ("edge-2", false, 10)],
        "who was silent for an hour is left out"
    );
    assert_eq!(health.gateways[0].targets[0].health, TargetHealth::Ejected);
    assert!(upstreams::health(&house.control, &admin, "nobody").await.is_err());
}
