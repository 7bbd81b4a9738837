//! Automation's path: from a token to a protected call, by the REST API alone.

use serde_json::json;

use crate::stack::Plan;
use crate::upstream::Upstream;

#[tokio::test(flavor = "multi_thread")]
async fn a_token_leads_to_a_protected_call() {
    let stack = Plan::one().start().await;
    let (api, proxy, echo) = (stack.api(), stack.proxy(), Upstream::start("echo"));
    api.service("echo", &echo.url()).await;
    api.route("echo", "echo", json!({"paths": ["/echo"]})).await;
    api.plugin("key-auth", json!({"route": "echo"}), json!({})).await;
    api.make("/consumers", json!({"name": "ci"})).await;
    let key = api.key("ci").await;

    proxy
        .get("/echo/orders")
        .await
        .expect_problem(401, "credential_missing");
    let answer = proxy.get_with_key("/echo/orders", &key.secret).await.expect(200);
    assert_eq!(
        (&answer.body["service"], &answer.body["path"]),
        (&json!("echo"), &json!("/orders"))
    );
    assert_eq!(answer.body["headers"]["x-consumer-username"], json!(["ci"]));
}
