//! Writes: conditions, dry runs, revisions, repeated requests, and what is in the way.

use actix_web::http::StatusCode;
use serde_json::json;

use crate::support::{Api, service};

#[actix_web::test]
async fn nobody_overwrites_what_they_have_not_seen() {
    let api = Api::start().await;
    api.post("/services", &service("orders")).await;
    let patch = json!({"retries": 2});
    let first = api
        .call("PATCH", "/services/orders")
        .header("if-match", "\"1\"")
        .patch(&patch)
        .send()
        .await;
    assert_eq!(first.expect(StatusCode::OK).header("etag"), "\"2\"");
    for method in ["PATCH", "PUT", "DELETE"] {
        for tag in ["\"1\"", "\"99\"", "W/\"2\"", "nonsense"] {
            let call = api.call(method, "/services/orders").header("if-match", tag);
            let call = if method == "DELETE" {
                call
            } else {
                call.json(&service("orders"))
            };
            let stale = call.send().await.expect_problem(412, "changed_since");
            assert_eq!(
                (stale.header("etag"), &stale.body["current"]["retries"]),
                ("\"2\"", &json!(2)),
                "{method} {tag}"
            );
        }
    }
    let call = api
        .call("PATCH", "/services/orders")
        .header("if-match", "\"1\", \"2\"")
        .patch(&patch);
    call.send().await.expect_problem(400, "invalid_query");
    api.call("DELETE", "/services/orders")
        .header("if-match", "\"2\"")
        .send()
        .await
        .expect(StatusCode::NO_CONTENT);
}

#[actix_web::test]
async fn a_reader_is_told_that_nothing_changed() {
    let api = Api::start().await;
    api.post("/services", &service("orders")).await;
    let same = api
        .call("GET", "/services/orders")
        .header("if-none-match", "\"1\"")
        .send()
        .await;
    assert_eq!((same.status, &same.body), (StatusCode::NOT_MODIFIED, &json!(null)));
    api.call("GET", "/services/orders")
        .header("if-none-match", "\"0\"")
        .send()
        .await
        .expect(StatusCode::OK);
}

#[actix_web::test]
async fn put_makes_what_is_not_there_under_the_name_in_the_path() {
    let api = Api::start().await;
    let draft = json!({"url": "http://x"});
    let call = api.call("PUT", "/services/orders").header("if-match", "*").json(&draft);
    call.send().await.expect_problem(412, "changed_since");
    let made = api
        .call("PUT", "/services/orders")
        .header("if-none-match", "*")
        .json(&draft)
        .send()
        .await;
    let made = made.expect(StatusCode::CREATED);
    assert_eq!(made.body["name"], "orders");
    let call = api
        .call("PUT", "/services/orders")
        .header("if-none-match", "*")
        .json(&draft);
    call.send().await.expect_problem(412, "changed_since");
    let id = "0198c1d2-6f2a-7c3e-9b1d-2f6a1c0e9d11";
    let made = api
        .call("PUT", &format!("/services/{id}"))
        .json(&service("other"))
        .send()
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(made.body["id"], id);
    let call = api.call("PUT", "/services/third").json(&service("fourth"));
    assert_eq!(call.send().await.expect_problem(422, "invalid_input").paths(), ["name"]);
    assert_eq!(api.get("/services").await["total"], 2);
}

#[actix_web::test]
async fn a_merge_patch_changes_what_it_names() {
    let api = Api::start().await;
    let draft = json!({"name": "orders", "url": "http://x", "retries": 3, "tags": ["a"]});
    api.post("/services", &draft).await;
    let patch = json!({"retries": null, "tags": ["b"]});
    let changed = api
        .call("PATCH", "/services/orders")
        .patch(&patch)
        .send()
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (&changed.body["retries"], &changed.body["tags"]),
        (&json!(1), &json!(["b"]))
    );
    for patch in [json!([]), json!(null), json!("x")] {
        api.call("PATCH", "/services/orders")
            .patch(&patch)
            .send()
            .await
            .expect_problem(422, "invalid_input");
    }
}

#[actix_web::test]
async fn a_dry_run_says_what_would_happen_and_stores_nothing() {
    let api = Api::start().await;
    let made = api
        .call("POST", "/services?dry_run=true")
        .json(&service("orders"))
        .send()
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (&made.body["dry_run"], &made.body["result"]["name"]),
        (&json!(true), &json!("orders"))
    );
    assert_eq!(
        (&made.body["changes"][0]["kind"], &made.body["changes"][0]["before"]),
        (&json!("service"), &json!(null))
    );
    assert_eq!(
        (
            made.header("x-config-revision"),
            made.header("location"),
            made.header("etag")
        ),
        ("", "", "")
    );
    assert_eq!(api.get("/services").await["total"], 0);
    let wrong = api.call("POST", "/services?dry_run=true").json(&json!({})).send().await;
    wrong.expect_problem(422, "invalid_input");

    api.post("/services", &service("orders")).await;
    let gone = api
        .call("DELETE", "/services/orders?dry_run=true")
        .send()
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (&gone.body["result"], &gone.body["changes"][0]["after"]),
        (&json!(null), &json!(null))
    );
    let consumer = api.post("/consumers", &json!({"name": "c"})).await;
    let path = format!(
        "/consumers/{}/credentials?dry_run=true",
        consumer["id"].as_str().expect("an id")
    );
    let tried = api
        .call("POST", &path)
        .json(&json!({"name": "k"}))
        .send()
        .await
        .expect(StatusCode::OK);
    assert_eq!(tried.body["result"].get("secret"), None, "a secret that opens nothing");
    assert_eq!(api.get("/revisions").await["total"], 2);
}

#[actix_web::test]
async fn what_is_needed_is_not_deleted_alone() {
    let api = Api::start().await;
    api.post("/services", &service("orders")).await;
    api.post(
        "/routes",
        &json!({"name": "list-orders", "service": "orders", "paths": ["/o"]}),
    )
    .await;
    let refused = api
        .call("DELETE", "/services/orders")
        .send()
        .await
        .expect_problem(409, "in_use");
    assert_eq!(refused.body["dependants"][0]["name"], "list-orders");
    assert!(
        refused.body["detail"]
            .as_str()
            .is_some_and(|text| text.contains("route `list-orders`"))
    );
    api.call("DELETE", "/services/orders?cascade=true")
        .send()
        .await
        .expect(StatusCode::NO_CONTENT);
    assert_eq!(api.get("/routes").await["total"], 0);
}

#[actix_web::test]
async fn revisions_tell_what_changed_and_differences_what_is_left_of_it() {
    let api = Api::start().await;
    let made = api.call("POST", "/services").json(&service("orders")).send().await;
    assert_eq!(made.header("x-config-revision"), "1");
    for retries in [2, 3] {
        api.call("PATCH", "/services/orders")
            .patch(&json!({"retries": retries}))
            .send()
            .await
            .expect_success();
    }
    api.post("/services", &service("gone")).await;
    api.call("DELETE", "/services/gone").send().await.expect_success();

    let second = api.get("/revisions/2").await;
    let change = &second["changes"][0];
    assert_eq!(
        (&change["before"]["retries"], &change["after"]["retries"]),
        (&json!(1), &json!(2))
    );
    let difference = api.get("/revisions/1/diff/5").await;
    let changes = difference["changes"].as_array().expect("changes");
    assert_eq!(changes.len(), 1, "{difference:#}");
    assert_eq!(
        (&changes[0]["before"]["retries"], &changes[0]["after"]["retries"]),
        (&json!(1), &json!(3))
    );
    let back = api.get("/revisions/5/diff/0").await;
    assert_eq!(
        (&back["changes"][0]["name"], &back["changes"][0]["after"]),
        (&json!("orders"), &json!(null))
    );
    for path in ["/revisions/99", "/revisions/x", "/revisions/1/diff/99", "/revisions/-1"] {
        api.call("GET", path).send().await.expect_problem(404, "not_found");
    }
    let object = made.body["id"].as_str().expect("an id");
    assert_eq!(api.get(&format!("/revisions?object={object}")).await["total"], 3);
    assert_eq!(
        api.get(&format!("/audit?object={object}")).await["items"][0]["action"],
        "service.updated"
    );
}

#[actix_web::test]
async fn a_repeated_request_is_done_once_and_answered_again() {
    let api = Api::start().await;
    let consumer = api.post("/consumers", &json!({"name": "c"})).await;
    let path = format!("/consumers/{}/credentials", consumer["id"].as_str().expect("an id"));
    let draft = json!({"name": "k"});
    let first = api
        .call("POST", &path)
        .header("idempotency-key", "one")
        .json(&draft)
        .send()
        .await;
    let first = first.expect(StatusCode::CREATED);
    let again = api
        .call("POST", &path)
        .header("idempotency-key", "one")
        .json(&draft)
        .send()
        .await;
    assert_eq!((&again.body, again.status), (&first.body, first.status));
    for name in ["location", "etag", "x-config-revision", "content-type"] {
        assert_eq!(again.header(name), first.header(name), "{name}");
    }
    assert_eq!(
        (
            first.header("idempotency-replayed"),
            again.header("idempotency-replayed")
        ),
        ("", "true")
    );
    assert_eq!(api.get(&path).await["total"], 1);
    let other = api
        .call("POST", &path)
        .header("idempotency-key", "one")
        .json(&json!({"name": "z"}))
        .send()
        .await;
    assert_eq!(other.expect_problem(422, "invalid_input").paths(), ["Idempotency-Key"]);
    let wrong = api
        .call("POST", &path)
        .header("idempotency-key", "two")
        .json(&json!({}))
        .send()
        .await;
    let wrong_again = api
        .call("POST", &path)
        .header("idempotency-key", "two")
        .json(&json!({}))
        .send()
        .await;
    assert_eq!(wrong.expect_problem(422, "invalid_input").paths(), wrong_again.paths());
    let bad = api
        .call("POST", &path)
        .header("idempotency-key", "a b")
        .json(&draft)
        .send()
        .await;
    bad.expect_problem(400, "invalid_query");
}

#[actix_web::test]
async fn what_is_odd_about_an_object_is_told_with_it() {
    let api = Api::start().await;
    api.post("/services", &service("orders")).await;
    let wide = json!({"name": "wide", "service": "orders", "paths": ["/a"], "priority": 1});
    let quiet = api.post("/routes", &wide).await;
    assert!(quiet.get("warnings").is_none(), "{quiet}");
    let narrow = json!({"name": "narrow", "service": "orders", "paths": ["/a/b"]});
    let made = api.post("/routes", &narrow).await;
    assert_eq!(made["warnings"][0]["path"], json!(""));
    let message = made["warnings"][0]["message"].as_str().expect("a sentence");
    assert!(message.contains("`wide`"), "{message}");
    // What was answered can be sent back, and the warning stays as long as its reason does.
    let again = api
        .call("PUT", "/routes/narrow")
        .json(&made)
        .send()
        .await
        .expect(StatusCode::OK);
    assert_eq!(again.body["warnings"], made["warnings"]);
    let patch = json!({"priority": 2});
    let changed = api
        .call("PATCH", "/routes/narrow")
        .patch(&patch)
        .send()
        .await
        .expect(StatusCode::OK);
    assert!(changed.body.get("warnings").is_none(), "{}", changed.body);
}
