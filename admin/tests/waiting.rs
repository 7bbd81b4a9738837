//! Waiting until gateways run a change.

use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Api, service};

/// A gateway that runs this revision and is heard of for a minute to come.
async fn gateway(api: &Api, name: &str, revision: i64) {
    sqlx::query(
        "insert into gateways (id, name, version, started_at, seen_at, applied_revision)
         values ($1, $2, '0.1.0', now(), now() + interval '1 minute', $3)",
    )
    .bind(Uuid::now_v7())
    .bind(name)
    .bind(revision)
    .execute(api.pool())
    .await
    .expect("a gateway");
}

#[actix_web::test]
async fn a_write_is_held_until_the_gateways_run_it() {
    let api = Api::start().await;
    gateway(&api, "ahead", 100).await;
    let made = api
        .call("POST", "/services")
        .header("prefer", "wait=5")
        .json(&service("a"))
        .send()
        .await;
    let made = made.expect(StatusCode::CREATED);
    assert_eq!(
        (made.header("preference-applied"), made.header("x-config-revision")),
        ("wait=5", "1")
    );
    gateway(&api, "behind", 0).await;
    let any = api
        .call("POST", "/services?wait=any&timeout=5s")
        .json(&service("b"))
        .send()
        .await;
    any.expect(StatusCode::CREATED);
}

#[actix_web::test]
async fn when_the_time_is_over_the_answer_names_who_is_behind() {
    let api = Api::start().await;
    gateway(&api, "slow", 0).await;
    let started = Instant::now();
    let made = api
        .call("POST", "/services?wait=all&timeout=200ms")
        .json(&service("a"))
        .send()
        .await;
    let made = made.expect(StatusCode::ACCEPTED);
    assert!(started.elapsed() >= Duration::from_millis(200));
    assert_eq!(
        (&made.body["revision"], &made.body["waiting_for"][0]["name"]),
        (&json!(1), &json!("slow"))
    );
    assert_eq!(made.body["result"]["name"], "a");
    assert_ne!(made.header("location"), "");
    assert_eq!(api.get("/services").await["total"], 1, "it is done all the same");

    let gone = api
        .call("DELETE", "/services/a?wait=all&timeout=10ms")
        .send()
        .await
        .expect(StatusCode::ACCEPTED);
    assert_eq!(gone.body["result"], json!(null));
    let waited = api.get("/gateways/wait?timeout=10ms").await;
    assert_eq!((&waited["revision"], &waited["applied"]), (&json!(2), &json!(false)));
    assert_eq!(api.get("/gateways/wait?revision=0").await["applied"], true);
    let listed = api.get("/gateways").await;
    assert_eq!(
        (&listed["items"][0]["lag"], &listed["items"][0]["live"]),
        (&json!(2), &json!(true))
    );
}
