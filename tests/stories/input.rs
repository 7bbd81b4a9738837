//! Bad input through the REST API: every mistake at its path, every refusal with what to do.

use serde_json::json;

use crate::stack::Plan;

/// Larger than any body may be.
const TWENTY_MEGABYTES: usize = 20 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_route_is_told_everything_that_is_wrong_with_it() {
    let stack = Plan::one().start().await;
    let api = stack.api();
    api.service("orders", "http://127.0.0.1:9").await;
    api.route("orders", "orders", json!({"paths": ["/orders"]})).await;
    let bad = json!({
        "name": "Orders!", "service": "odrers", "pathes": ["/x"], "paths": ["~^/v(\\d+", "no-slash", "/ok"],
        "hosts": ["example.com/path", "fine.example.com"], "methods": ["get it"], "headers": {"x-a": ["~("]},
        "priority": "high"
    });
    let refused = api.post("/routes", &bad).await.expect_problem(422, "invalid_input");
    let mut paths = refused.paths();
    paths.sort_unstable();
    assert_eq!(
        paths,
        [
            "headers.x-a.0",
            "hosts.0",
            "methods.0",
            "name",
            "pathes",
            "paths.0",
            "paths.1",
            "priority",
            "service"
        ]
    );
    for (path, words) in [
        ("pathes", "did you mean `paths`"),
        ("paths.0", "regular expression: unclosed group"),
        ("hosts.0", "path"),
        ("service", "odrers"),
    ] {
        let message = refused.message(path).to_lowercase();
        assert!(message.contains(words), "{path}: {message}");
    }
    let empty = api.post("/routes", &json!({"name": "all", "service": "orders"})).await;
    let empty = empty.expect_problem(422, "invalid_input");
    assert!(empty.message("").contains("matches everything"), "{:#}", empty.body);
    let same = json!({"name": "orders", "service": "orders", "paths": ["/other"]});
    let taken = api.post("/routes", &same).await.expect_problem(422, "invalid_input");
    assert!(taken.message("name").contains("taken"), "{:#}", taken.body);
    let twin = json!({"name": "twin", "service": "orders", "paths": ["/orders"]});
    let twin = api.post("/routes", &twin).await.expect_problem(422, "invalid_input");
    assert!(
        twin.body["detail"].as_str().is_some_and(|text| text.contains("orders")),
        "{:#}",
        twin.body
    );
    assert_eq!(api.get("/routes").await.body["total"], 1, "nothing of it is stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_url_says_what_it_lacks() {
    let stack = Plan::one().start().await;
    let api = stack.api();
    for (url, words) in [
        ("10.0.0.1:80", "scheme"),
        ("orders.internal/v1", "scheme"),
        ("ftp://orders.internal", "http"),
        ("http://", "host"),
        ("http://user:secret@orders.internal", "password"),
        ("http://orders.internal/v1?debug=1", "query"),
    ] {
        let refused = api.post("/services", &json!({"name": "a", "url": url})).await;
        let refused = refused.expect_problem(422, "invalid_input");
        let message = refused.message("url");
        assert!(message.contains(words), "{url}: {message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_routes_is_not_deleted_and_they_are_named() {
    let stack = Plan::one().start().await;
    let api = stack.api();
    api.service("orders", "http://127.0.0.1:9").await;
    for name in ["list-orders", "place-orders"] {
        api.route(name, "orders", json!({"paths": [format!("/{name}")]})).await;
    }
    let refused = api.delete("/services/orders").await.expect_problem(409, "in_use");
    let detail = refused.body["detail"].as_str().expect("a detail");
    assert!(
        detail.contains("`list-orders`") && detail.contains("`place-orders`"),
        "{detail}"
    );
    assert_eq!(refused.body["dependants"].as_array().map(Vec::len), Some(2));
    api.delete("/services/orders?cascade=true").await.expect(204);
    assert_eq!(api.get("/routes").await.body["total"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_if_match_answers_with_the_current_state() {
    let stack = Plan::one().start().await;
    let api = stack.api();
    api.service("orders", "http://127.0.0.1:9").await;
    let call = api.call("DELETE", "/services/orders").header("if-match", "\"7\"");
    let refused = call.send().await.expect_problem(412, "changed_since");
    assert_eq!(
        (&refused.body["current"]["name"], refused.header("etag")),
        (&json!("orders"), "\"1\"")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_20_mb_is_refused_and_the_connection_survives() {
    let stack = Plan::one().start().await;
    let api = stack.api();
    let large = json!({"name": "a".repeat(TWENTY_MEGABYTES), "url": "http://127.0.0.1:9"}).to_string();
    for _ in 0..3 {
        let refused = api
            .call("POST", "/services")
            .bytes("application/json", large.clone())
            .send()
            .await;
        refused.expect_problem(413, "body_too_large");
    }
    api.get("/services").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_configuration_is_checked_by_the_plugin() {
    let stack = Plan::one().start().await;
    let api = stack.api();
    let limits = json!([{"requests": 0, "window_seconds": 60}, {"requests": 1, "window_seconds": 60, "by": "moon"}]);
    let bad = json!({"plugin": "rate-limit", "config": {"limits": limits, "limts": []}});
    let refused = api.post("/plugins", &bad).await.expect_problem(422, "invalid_input");
    let paths = refused.paths();
    for path in ["config.limits.0.requests", "config.limits.1.by", "config.limts"] {
        assert!(paths.contains(&path), "{path} is not in {paths:?}");
    }
    let unknown = json!({"plugin": "rate-limt", "config": {}});
    let unknown = api
        .post("/plugins", &unknown)
        .await
        .expect_problem(422, "invalid_input");
    assert!(
        unknown.message("plugin").contains("did you mean `rate-limit`"),
        "{:#}",
        unknown.body
    );
}
