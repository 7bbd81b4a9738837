//! Keys: shown once, replaced, switched off, revoked.

use control::{ListQuery, credentials};
use model::consumer::ConsumerSpec;
use model::credential::{Credential, CredentialStatus};
use serde_json::json;

use super::make;
use crate::house::House;

async fn keys(house: &House) -> Vec<Credential> {
    let owner = &house.owner().session.actor;
    credentials::list(&house.control, owner, &ListQuery::all())
        .await
        .expect("keys")
        .items
}

/// The key on the page that shows it.
fn secret(page: &str) -> &str {
    let code = page.split_once("id=\"new-key\"").expect("a key").1;
    code.split_once('>')
        .and_then(|(_, rest)| rest.split('<').next())
        .expect("text")
}

#[actix_web::test]
async fn a_key_is_shown_once_and_then_only_by_its_ends() {
    let house = House::new().await;
    make::<ConsumerSpec>(&house, json!({"name": "fjord"})).await;
    let answer = house
        .post(
            "/console/consumers/fjord/keys/new",
            &[("name", "production"), ("environment", "live")],
        )
        .await;
    assert_eq!(answer.status, 200);
    let key = secret(&answer.body).to_owned();
    assert!(key.starts_with("gh_live_"), "{key}");
    let stored = keys(&house).await.remove(0);
    for page in ["/console/consumers/fjord", "/console/keys", "/console/keys?q=gh_live"] {
        let page = house.get(page).await;
        page.shows(&["production", &stored.prefix, &stored.last4, "not yet used"]);
        page.hides(&[&key]);
    }
    house.get("/console/revisions").await.hides(&[&key]);
}

#[actix_web::test]
async fn a_wrong_key_form_keeps_what_was_typed() {
    let house = House::new().await;
    make::<ConsumerSpec>(&house, json!({"name": "fjord"})).await;
    let fields = [
        ("name", "ci"),
        ("expires_at", "yesterday"),
        ("_lines", "ip_allow"),
        ("ip_allow", "10.0.0.300"),
    ];
    let answer = house.post("/console/consumers/fjord/keys/new", &fields).await;
    assert_eq!(answer.status, 422);
    answer.shows(&[
        "value=\"ci\"",
        "value=\"yesterday\"",
        "10.0.0.300",
        "id=\"f-expires_at-e\"",
        "id=\"f-ip_allow-e\"",
    ]);
    assert!(keys(&house).await.is_empty());
}

#[actix_web::test]
async fn a_rotated_key_lives_on_beside_the_new_one_and_a_revoked_one_does_not() {
    let house = House::new().await;
    make::<ConsumerSpec>(&house, json!({"name": "fjord"})).await;
    house.post("/console/consumers/fjord/keys/new", &[("name", "ci")]).await;
    let first = keys(&house).await.remove(0);
    let rotated = house
        .post(&format!("/console/keys/{}/rotate", first.id), &[("grace", "24h")])
        .await;
    assert!(secret(&rotated.body).starts_with("gh_live_"));
    house
        .get("/console/keys")
        .await
        .shows(&["Replaced", "Active", "until 24 Nov 2026"]);
    house
        .get(&format!("/console/keys/{}/revoke", first.id))
        .await
        .shows(&["Revoke key ci?"]);
    let revoked = house.post(&format!("/console/keys/{}/revoke", first.id), &[]).await;
    assert_eq!(revoked.status, 303);
    let status = |key: &Credential| key.status;
    assert_eq!(
        keys(&house).await.iter().map(status).collect::<Vec<_>>(),
        [CredentialStatus::Active, CredentialStatus::Revoked]
    );
    let again = house
        .post(&format!("/console/keys/{}/rotate", first.id), &[("grace", "now")])
        .await;
    assert_eq!(again.status, 422);
    again.shows(&["Only an active key can be rotated"]);
}

#[actix_web::test]
async fn a_key_is_switched_off_and_on() {
    let house = House::new().await;
    make::<ConsumerSpec>(&house, json!({"name": "fjord"})).await;
    house.post("/console/consumers/fjord/keys/new", &[("name", "ci")]).await;
    let key = keys(&house).await.remove(0);
    let switch = format!("/console/keys/{}/enabled", key.id);
    house.post(&switch, &[("enabled", "false")]).await;
    assert_eq!(keys(&house).await[0].status, CredentialStatus::Disabled);
    house
        .get("/console/keys?status=disabled")
        .await
        .shows(&["Disabled", "Switch on"]);
    house.post(&switch, &[("enabled", "true")]).await;
    assert_eq!(keys(&house).await[0].status, CredentialStatus::Active);
}
