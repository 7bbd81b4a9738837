//! What no service leads to, and what a deployment says about that.

use serde_json::json;

use crate::eventually;
use crate::stack::Plan;
use crate::upstream::Upstream;

#[tokio::test(flavor = "multi_thread")]
async fn no_service_leads_to_the_ports_of_gatehouse_itself_or_to_the_metadata_of_a_cloud() {
    let stack = Plan::one().start().await;
    let (api, proxy) = (stack.api(), stack.proxy());
    let console = stack.console_url().replace("localhost", "127.0.0.1");
    let by_name = stack.console_url();
    let status = format!("http://{}", stack.gateway(0).address("Health"));
    for (name, url) in [
        ("console", console.as_str()),
        ("by-name", &by_name),
        ("status", &status),
        ("metadata", "http://169.254.169.254/latest/meta-data"),
        ("decimal", "http://2852039166/"),
        ("mapped", "http://[::ffff:169.254.169.254]/"),
    ] {
        api.service(name, url).await;
        api.route(name, name, json!({"paths": [format!("/{name}")]})).await;
        let refused = proxy.get(&format!("/{name}")).await;
        refused.expect_refusal(502, "upstream_forbidden");
    }
    api.make("/upstreams", json!({"name": "metadata"})).await;
    api.make(
        "/targets",
        json!({"upstream": "metadata", "address": "169.254.169.254:80"}),
    )
    .await;
    api.make("/services", json!({"name": "pooled", "upstream": "metadata"}))
        .await;
    eventually("what the gateway tells of it", async || {
        let told = api.get("/upstreams/metadata/health").await.expect(200).body;
        let error = told["gateways"][0]["targets"][0]["last_error"].as_str()?;
        error.contains("may not be reached").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_denies_networks_and_lets_single_ports_through() {
    let echo = Upstream::start("echo");
    let plan = Plan::one().with("GATEHOUSE_DENIED_TARGETS", "127.0.0.0/8,::1");
    let stack = plan.with("GATEHOUSE_ALLOWED_TARGETS", echo.address).start().await;
    let other = Upstream::start("other");
    let (api, proxy) = (stack.api(), stack.proxy());
    for (name, upstream) in [("echo", &echo), ("other", &other)] {
        api.service(name, &upstream.url()).await;
        api.route(name, name, json!({"paths": [format!("/{name}")]})).await;
    }
    proxy.get("/echo").await.expect(200);
    proxy.get("/other").await.expect_refusal(502, "upstream_forbidden");
    assert!(other.seen().is_empty());
}
