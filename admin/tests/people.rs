//! Credentials, accounts, applications and what is decided about them.

use actix_web::http::StatusCode;
use serde_json::json;

use crate::support::Api;
use crate::support::world::{World, developer};

#[actix_web::test]
async fn the_secret_of_a_key_is_shown_once() {
    let api = Api::start().await;
    api.post("/consumers", &json!({"name": "c"})).await;
    let issued = api
        .post(
            "/consumers/c/credentials",
            &json!({"name": "production", "environment": "test"}),
        )
        .await;
    let secret = issued["secret"].as_str().expect("shown once");
    assert!(secret.starts_with("gh_test_"), "{secret}");
    let path = format!("/credentials/{}", issued["id"].as_str().expect("an id"));
    let read = api.get(&path).await;
    assert_eq!(
        (read.get("secret"), &read["last4"]),
        (None, &json!(secret[secret.len() - 4..]))
    );
    for listed in [
        "/credentials?consumer=c",
        "/consumers/c/credentials?status=active",
        "/revisions/2",
        "/audit",
    ] {
        let text = api.get(listed).await.to_string();
        assert!(!text.contains(secret), "{listed} shows the secret");
    }
    api.call("GET", "/consumers/nobody/credentials")
        .send()
        .await
        .expect_problem(404, "not_found");
}

#[actix_web::test]
async fn a_key_is_rotated_disabled_enabled_and_revoked() {
    let api = Api::start().await;
    api.post("/consumers", &json!({"name": "c"})).await;
    let issued = api.post("/consumers/c/credentials", &json!({"name": "k"})).await;
    let path = format!("/credentials/{}", issued["id"].as_str().expect("an id"));
    let wrong = api
        .call("POST", &format!("{path}/rotate"))
        .json(&json!({"grace": "1y", "grce": 1}))
        .send()
        .await;
    assert_eq!(wrong.expect_problem(422, "invalid_input").paths(), ["grce", "grace"]);
    let rotated = api
        .call("POST", &format!("{path}/rotate"))
        .send()
        .await
        .expect(StatusCode::CREATED);
    assert_ne!(rotated.body["secret"], issued["secret"]);
    assert_eq!(api.get(&path).await["rotated_to"], rotated.body["id"]);
    api.call("POST", &format!("{path}/rotate"))
        .send()
        .await
        .expect_problem(409, "conflict");
    let new = format!("/credentials/{}", rotated.body["id"].as_str().expect("an id"));
    for (verb, status) in [
        ("disable", "disabled"),
        ("enable", "active"),
        ("revoke", "revoked"),
        ("revoke", "revoked"),
    ] {
        let done = api
            .call("POST", &format!("{new}/{verb}"))
            .send()
            .await
            .expect(StatusCode::OK);
        assert_eq!(done.body["status"], status);
    }
    api.call("POST", &format!("{new}/enable"))
        .send()
        .await
        .expect_problem(409, "conflict");
}

#[actix_web::test]
async fn administrators_are_invited_changed_and_deleted_but_never_the_last_owner() {
    let api = Api::start().await;
    let invited = api
        .post(
            "/admins",
            &json!({"name": "Ada", "email": "ada@example.com", "role": "auditor"}),
        )
        .await;
    assert!(
        invited["link"]
            .as_str()
            .is_some_and(|link| link.contains("/console/invitation?token="))
    );
    let path = format!("/admins/{}", invited["id"].as_str().expect("an id"));
    assert_eq!(api.get(&path).await.get("link"), None);
    let changed = api
        .call("PATCH", &path)
        .patch(&json!({"role": "operator"}))
        .send()
        .await
        .expect(StatusCode::OK);
    assert_eq!(changed.body["role"], "operator");
    let wrong = api
        .call("PATCH", &path)
        .patch(&json!({"role": "king", "email": "b@example.com"}))
        .send()
        .await;
    assert_eq!(wrong.expect_problem(422, "invalid_input").paths(), ["email", "role"]);
    let renewed = api
        .call("POST", &format!("{path}/link"))
        .send()
        .await
        .expect(StatusCode::OK);
    assert_ne!(renewed.body["link"], invited["link"]);
    let mail = api.get("/mails?q=ada@example.com").await;
    assert_eq!(mail["total"], 2);
    api.call("POST", &format!("{path}/disable"))
        .send()
        .await
        .expect(StatusCode::OK);
    api.call("DELETE", &path).send().await.expect(StatusCode::NO_CONTENT);
    let owners = api.get("/admins?role=owner").await;
    let owner = format!("/admins/{}", owners["items"][0]["id"].as_str().expect("an id"));
    api.call("DELETE", &owner).send().await.expect_problem(409, "conflict");
}

#[actix_web::test]
async fn an_application_gets_a_key_and_a_subscription_that_is_decided_about() {
    let api = Api::start().await;
    let world = World::make(&api).await;
    api.call("PATCH", "/plans/commerce-free")
        .patch(&json!({"approval": "manual"}))
        .send()
        .await
        .expect_success();
    let developer = developer(&api, "eve@example.com").await;
    let application = api
        .post(
            &format!("/developers/{developer}/applications"),
            &json!({"name": "Shop"}),
        )
        .await;
    let path = format!("/applications/{}", application["id"].as_str().expect("an id"));
    let key = api.post(&format!("{path}/credentials"), &json!({"name": "k"})).await;
    assert!(key["secret"].is_string());
    assert_eq!(api.get(&format!("{path}/credentials")).await["total"], 1);
    let subscription = api
        .post(&format!("{path}/subscriptions"), &json!({"plan": "commerce-free"}))
        .await;
    assert_eq!(subscription["state"], "pending");
    let asked_twice = api
        .call("POST", &format!("{path}/subscriptions"))
        .json(&json!({"plan": "commerce-free"}));
    assert!(asked_twice.send().await.status.is_client_error());
    let missing = api
        .call("POST", &format!("{path}/subscriptions"))
        .json(&json!({}))
        .send()
        .await;
    assert_eq!(missing.expect_problem(422, "invalid_input").paths(), ["plan"]);
    let one = format!("/subscriptions/{}", subscription["id"].as_str().expect("an id"));
    for (verb, state) in [
        ("approve", "approved"),
        ("suspend", "suspended"),
        ("resume", "approved"),
        ("cancel", "cancelled"),
    ] {
        let decided = api
            .call("POST", &format!("{one}/{verb}"))
            .send()
            .await
            .expect(StatusCode::OK);
        assert_eq!(decided.body["state"], state);
        assert_ne!(decided.header("x-config-revision"), "");
    }
    api.call("POST", &format!("{one}/approve"))
        .send()
        .await
        .expect_problem(409, "conflict");
    for (verb, status) in [("suspend", "suspended"), ("resume", "active")] {
        assert_eq!(
            api.call("POST", &format!("{path}/{verb}"))
                .send()
                .await
                .expect(StatusCode::OK)
                .body["status"],
            status
        );
    }
    let stale = api
        .call("DELETE", &path)
        .header("if-match", "\"1\"")
        .send()
        .await
        .expect_problem(412, "changed_since");
    assert_eq!(stale.body["current"]["name"], "Shop");
    api.call("DELETE", &path).send().await.expect(StatusCode::NO_CONTENT);
    let suspended = api
        .call("POST", &world.fill("/developers/{id}/suspend"))
        .send()
        .await
        .expect(StatusCode::OK);
    assert_eq!(suspended.body["status"], "suspended");
}

#[actix_web::test]
async fn usage_is_asked_for_by_time_and_place() {
    let api = Api::start().await;
    let world = World::make(&api).await;
    let span = "from=2026-11-23T12:00:00Z&to=2026-11-23T12:10:00Z";
    let series = api
        .get(&format!("/usage/series?{span}&step=60&route=list-orders"))
        .await;
    assert_eq!(
        (series["points"].as_array().map(Vec::len), &series["step"]),
        (Some(10), &json!(60))
    );
    let summary = api
        .get(&format!("/usage/summary?{span}&service={}", world.id("services")))
        .await;
    assert_eq!((&summary["requests"], &summary["mean_ms"]), (&json!(0), &json!(null)));
    assert_eq!(api.get("/usage/top?by=consumer&limit=5").await["items"], json!([]));
    for query in [
        "from=yesterday",
        "from=2026-11-23T12:00:00Z&to=2026-11-23T12:00:00Z",
        "from=2020-01-01T00:00:00Z",
        "step=15",
        "route=nobody",
        "credential=x",
        "to=9999-12-31T23:59:59-23:59",
        "to=0000-01-01T00:00:00Z",
    ] {
        let answer = api.call("GET", &format!("/usage/series?{query}")).send().await;
        answer.expect_problem(400, "invalid_query");
    }
}
