//! Who may do what: tokens, sessions and rights.

use actix_web::http::StatusCode;
use control::tokens;
use serde_json::{Value, json};

use crate::support::world::{DOCUMENT, World};
use crate::support::{Api, service};

#[actix_web::test]
async fn nobody_gets_in_without_a_token_or_a_session() {
    let api = Api::start().await;
    for (path, methods) in DOCUMENT["paths"].as_object().expect("paths") {
        for method in methods.as_object().expect("methods").keys() {
            let call = api.call_as(None, &method.to_uppercase(), &path.replace("{id}", "x"));
            let answer = call.send().await.expect_problem(401, "unauthorized");
            assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"Gatehouse\"");
        }
    }
    let unknown = format!("gh_token_{}", "a".repeat(38));
    for token in ["x", "", unknown.as_str()] {
        let answer = api
            .call_as(Some(token), "GET", "/services")
            .send()
            .await
            .expect_problem(401, "unauthorized");
        assert!(answer.header("www-authenticate").contains("invalid_token"));
    }
    let basic = api
        .call_as(None, "GET", "/services")
        .header("authorization", "Basic eDp5")
        .send()
        .await;
    basic.expect_problem(401, "unauthorized");
}

#[actix_web::test]
async fn every_operation_asks_for_the_right_that_it_names() {
    let api = Api::start().await;
    let world = World::make(&api).await;
    let mut rights: Vec<(String, String, String)> = Vec::new();
    for (path, methods) in DOCUMENT["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let right = operation["x-right"].as_str().expect("a right").to_owned();
            rights.push((method.to_uppercase(), path.clone(), right));
        }
    }
    let mut resources: Vec<&str> = rights
        .iter()
        .filter_map(|(_, _, right)| right.split(':').next())
        .collect();
    resources.sort_unstable();
    resources.dedup();
    for resource in resources {
        let (reader, others) = (format!("{resource}:read"), ["mail:read", "audit:read"]);
        let other = others.into_iter().find(|other| *other != reader).expect("two");
        let (reader, other) = (api.token_for(&[&reader]).await, api.token_for(&[other]).await);
        for (method, path, right) in rights
            .iter()
            .filter(|(_, _, right)| right.split(':').next() == Some(resource))
        {
            let filled = world.fill(path);
            let refused = api
                .call_as(Some(&other), method, &filled)
                .send()
                .await
                .expect_problem(403, "forbidden");
            assert!(
                refused.body["detail"].as_str().is_some_and(|text| text.contains(right)),
                "{:#}",
                refused.body
            );
            let answer = api.call_as(Some(&reader), method, &filled).send().await;
            if right.ends_with(":read") {
                assert!(answer.status.is_success(), "{method} {path} {:#}", answer.body);
            } else {
                answer.expect_problem(403, "forbidden");
            }
        }
    }
}

#[actix_web::test]
async fn a_revoked_token_is_refused_at_once() {
    let api = Api::start().await;
    let issued = api
        .post("/api-tokens", &json!({"name": "ci", "scopes": ["services:write"]}))
        .await;
    let secret = issued["secret"].as_str().expect("shown once").to_owned();
    let path = format!("/api-tokens/{}", issued["id"].as_str().expect("an id"));
    api.call_as(Some(&secret), "POST", "/services")
        .json(&service("a"))
        .send()
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(api.get(&path).await.get("secret"), None);
    api.call("POST", &format!("{path}/revoke"))
        .send()
        .await
        .expect(StatusCode::OK);
    api.call_as(Some(&secret), "GET", "/services")
        .send()
        .await
        .expect_problem(401, "unauthorized");
    let audit = api.get("/audit?action=service.created").await;
    assert_eq!(
        (&audit["items"][0]["actor_kind"], &audit["items"][0]["actor_name"]),
        (&json!("token"), &json!("ci"))
    );
}

#[actix_web::test]
async fn a_token_cannot_make_a_greater_one() {
    let api = Api::start().await;
    let small = api.token_for(&["api_tokens:write", "services:read"]).await;
    let wish = json!({"name": "greater", "scopes": ["services:read", "routes:write", "rutes:read"]});
    let answer = api
        .call_as(Some(&small), "POST", "/api-tokens")
        .json(&wish)
        .send()
        .await;
    assert_eq!(
        answer.expect_problem(422, "invalid_input").paths(),
        ["scopes.2", "scopes.1"]
    );
    assert!(tokens::resolve(&api.control, &small).await.expect("asked").is_some());
}

#[actix_web::test]
async fn the_consoles_session_writes_only_with_its_token() {
    let api = Api::start().await;
    let cookie = format!("gatehouse_console={}", api.session.cookie.expose());
    let with_session = |method: &str, body: &Value| {
        let call = api.call_as(None, method, "/services").header("cookie", &cookie);
        if body.is_null() { call } else { call.json(body) }
    };
    with_session("GET", &json!(null)).send().await.expect(StatusCode::OK);
    with_session("POST", &service("a"))
        .send()
        .await
        .expect_problem(403, "csrf_token_wrong");
    let forged = with_session("POST", &service("a"))
        .header("x-csrf-token", "guess")
        .send()
        .await;
    forged.expect_problem(403, "csrf_token_wrong");
    let csrf = api.session.session.csrf.clone();
    let real = with_session("POST", &service("a"))
        .header("x-csrf-token", &csrf)
        .send()
        .await;
    real.expect(StatusCode::CREATED);
    let stranger = api
        .call_as(None, "GET", "/services")
        .header("cookie", "gatehouse_console=stolen")
        .send()
        .await;
    stranger.expect_problem(401, "unauthorized");
}
