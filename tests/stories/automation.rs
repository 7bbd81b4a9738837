//! Automation's path: from a token to a protected call, by the REST API alone.

use serde_json::{Value, json};

use crate::clients::Api;
use crate::stack::{ADMIN, Plan};
use crate::upstream::Upstream;

#[tokio::test(flavor = "multi_thread")]
async fn a_token_leads_to_a_protected_call() {
    let stack = Plan::apart(2).start().await;
    let (api, echo) = (stack.api(), Upstream::start("echo"));
    api.service("echo", &echo.url()).await;
    api.route("echo", "echo", json!({"paths": ["/echo"]})).await;
    api.plugin("key-auth", json!({"route": "echo"}), json!({})).await;
    api.make("/consumers", json!({"name": "ci"})).await;
    let key = api.key("ci").await;
    assert!(
        key.secret.starts_with("gh_live_"),
        "the brand and the environment are its beginning"
    );

    for gateway in &stack.gateways {
        let proxy = gateway.proxy();
        proxy
            .get("/echo/orders")
            .await
            .expect_refusal(401, "credential_missing");
        let wrong = key.secret.replace("gh_live_", "gh_test_");
        let refused = proxy.get_with_key("/echo/orders", &wrong).await;
        refused.expect_refusal(401, "credential_unknown");
        let answer = proxy.get_with_key("/echo/orders", &key.secret).await.expect(200);
        assert_eq!(
            (&answer.body["service"], &answer.body["path"]),
            (&json!("echo"), &json!("/orders"))
        );
        assert_eq!(answer.body["headers"]["x-consumer-username"], json!(["ci"]));
    }
    api.act(&format!("/credentials/{}/revoke", key.id)).await.expect(200);
    for gateway in &stack.gateways {
        let refused = gateway.proxy().get_with_key("/echo/orders", &key.secret).await;
        refused.expect_refusal(401, "credential_revoked");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_does_what_its_scopes_say_and_no_more() {
    let stack = Plan::one().start().await;
    let reader = stack.api_as(&stack.make_token("reader", &["services:read", "routes:read"]));
    reader.get("/services").await.expect(200);
    let refused = reader
        .post("/services", &json!({"name": "a", "url": "http://127.0.0.1"}))
        .await;
    refused.expect_problem(403, "forbidden");
    reader.get("/consumers").await.expect_problem(403, "forbidden");
    let nobody = stack.api_as("gh_token_nobody");
    nobody.get("/services").await.expect_problem(401, "unauthorized");

    let tokens = stack.api().get("/api-tokens?q=reader").await.expect(200).body;
    let path = format!(
        "/api-tokens/{}/revoke",
        tokens["items"][0]["id"].as_str().expect("an id")
    );
    stack.api().act(&path).await.expect(200);
    reader.get("/services").await.expect_problem(401, "unauthorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_beside_a_running_gatehouse_change_what_it_knows() {
    let stack = Plan::one().start().await;
    let before = stack.api().get("/admins").await.expect(200).body;
    stack.make_admin();
    let after = stack.api().get("/admins").await.expect(200).body;
    assert_eq!(
        (&before["total"], &after["items"][0]["email"]),
        (&json!(0), &json!(ADMIN))
    );
    let said = stack.run(
        &["token", "create", "--name", "deploy", "--scope", "*:read,routes:write"],
        "",
    );
    assert_eq!(said.lines().count(), 1, "the token is alone on standard output: {said}");
    let api = stack.api_as(said.trim());
    api.get("/services").await.expect(200);
    api.post("/services", &json!({})).await.expect_problem(403, "forbidden");
    assert!(stack.run(&["migrate"], "").contains("has this program's schema"));
    assert!(stack.console().open("/docs/").await.good().html.contains("Swagger"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_says_its_revision_and_when_it_is_live() {
    let mut stack = Plan::apart(2).start().await;
    let api = stack.api();
    let service = |name: &str| json!({"name": name, "url": "http://127.0.0.1:9"});
    let revision =
        |answer: &crate::clients::Answer| answer.header("x-config-revision").parse::<u64>().expect("a number");

    let first = api.post("/services", &service("one")).await.expect(201);
    assert_eq!(first.header("preference-applied"), "wait=20");
    let second = api.call("POST", "/services?wait=all&timeout=10s").json(&service("two"));
    let second = second.send().await.expect(201);
    assert_eq!(revision(&second), revision(&first) + 1);
    let listed = api.get("/gateways").await.body;
    for gateway in listed["items"].as_array().expect("items") {
        assert_eq!(
            (&gateway["live"], &gateway["lag"]),
            (&json!(true), &json!(0)),
            "{gateway:#}"
        );
    }

    // One gateway hangs: it counts as running, and does not follow.
    stack.gateways[1].program().pause();
    let any = api
        .call("POST", "/services?wait=any&timeout=10s")
        .json(&service("three"));
    any.send().await.expect(201);
    let late = api
        .call("POST", "/services?wait=all&timeout=300ms")
        .json(&service("four"));
    let late = late.send().await.expect(202);
    assert_eq!(late.body["revision"], json!(revision(&second) + 2));
    let names: Vec<&Value> = late.body["waiting_for"]
        .as_array()
        .expect("who")
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(
        (names, &late.body["result"]["name"]),
        (vec![&json!("gateway-2")], &json!("four"))
    );
    stack.gateways[1].program().resume();
    api.get("/gateways/wait?timeout=20s").await.expect(200);

    // One that is gone is waited for until it is silent for long enough, and then no more.
    stack.gateways[1].stop().await;
    api.post("/services", &service("five")).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_meets_the_state_that_its_writer_saw() {
    let stack = Plan::one().start().await;
    let api = stack.api();
    let made = api
        .post(
            "/services",
            &json!({"name": "orders", "url": "http://127.0.0.1:9/v1", "tags": ["a"]}),
        )
        .await;
    let seen = made.expect(201);
    let patch = json!({"url": "http://127.0.0.1:9/v2", "tags": null});
    let changed = api.patch("/services/orders", &patch).await.expect(200);
    assert_eq!((&changed.body["tags"], changed.header("etag")), (&json!([]), "\"2\""));
    assert_eq!(changed.body["connect_timeout_ms"], seen.body["connect_timeout_ms"]);

    let stale = api
        .call("PUT", "/services/orders")
        .header("if-match", seen.header("etag"));
    let stale = stale.json(&json!({"url": "http://127.0.0.1:9/v3"})).send().await;
    let stale = stale.expect_problem(412, "changed_since");
    assert_eq!(stale.body["current"]["url"], "http://127.0.0.1:9/v2");
    assert_eq!(stale.header("etag"), "\"2\"");
    let unchanged = api.call("GET", "/services/orders").header("if-none-match", "\"2\"");
    unchanged.send().await.expect(304);

    let whole = json!({"url": "http://127.0.0.1:9/v4"});
    let replaced = api.put("/services/orders", &whole).await.expect(200);
    assert_eq!(replaced.header("etag"), "\"3\"");
    let dry = api
        .call("DELETE", "/services/orders?dry_run=true")
        .send()
        .await
        .expect(200);
    assert_eq!(dry.body["changes"][0]["before"]["url"], "http://127.0.0.1:9/v4");
    api.get("/services/orders").await.expect(200);
    assert_eq!(api.get("/revisions").await.body["total"], 3, "a dry run is no revision");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_is_done_once() {
    let stack = Plan::one().start().await;
    let api = stack.api();
    api.make("/consumers", json!({"name": "ci"})).await;
    let issue = || {
        let call = api.call("POST", "/consumers/ci/credentials");
        call.header("idempotency-key", "pipeline-7")
            .json(&json!({"name": "k"}))
            .send()
    };
    let (first, second) = tokio::join!(issue(), issue());
    // Whoever comes second while the first is under way is told so, and gets the same answer later.
    let again = issue().await.expect(201);
    assert_eq!(again.header("idempotency-replayed"), "true");
    for answer in [first, second] {
        assert!(answer.status == 409 || answer.body == again.body, "{:#}", answer.body);
    }
    assert_eq!(api.get("/consumers/ci/credentials").await.body["total"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_read_page_by_page_while_it_changes() {
    let stack = Plan::one().start().await;
    let api = stack.api();
    for number in 0..25 {
        let tags = if number % 2 == 0 { json!(["even"]) } else { json!([]) };
        let body = json!({"name": format!("service-{number:02}"), "url": "http://127.0.0.1:9", "tags": tags});
        api.call("POST", "/services").json(&body).send().await.expect(201);
    }
    let mut names = pages(&api, "/services?limit=10&sort=name", async || {
        // What is behind the reader does not move what is before them.
        api.call("DELETE", "/services/service-00").send().await;
    })
    .await;
    assert_eq!(names.len(), 25);
    names.dedup();
    assert_eq!(names.len(), 25, "no service comes twice");
    let even = pages(&api, "/services?limit=5&tags=even&q=service-1", async || {}).await;
    assert_eq!(
        even,
        ["service-10", "service-12", "service-14", "service-16", "service-18"]
    );
    let wrong = api.get("/services?cursor=abc").await;
    assert_eq!(wrong.expect_problem(400, "invalid_query").paths(), ["cursor"]);
}

/// The names on all pages; after each page something happens.
async fn pages(api: &Api, path: &str, mut meanwhile: impl AsyncFnMut()) -> Vec<String> {
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("{path}&cursor={cursor}")).await.expect(200).body;
        let items = page["items"].as_array().expect("items");
        names.extend(items.iter().filter_map(|item| item["name"].as_str().map(str::to_owned)));
        meanwhile().await;
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return names,
        }
    }
}
