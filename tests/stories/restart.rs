//! Stopping and starting: nothing that was promised is lost.

use std::time::Duration;

use serde_json::json;

use crate::clients::Proxy;
use crate::developer;
use crate::eventually;
use crate::stack::Plan;
use crate::upstream::Upstream;

#[tokio::test(flavor = "multi_thread")]
async fn data_sessions_and_keys_outlive_a_restart_of_everything() {
    let mut stack = Plan::one().embedded().start().await;
    let (api, echo) = (stack.api(), Upstream::start("echo"));
    developer::offer(&api, &echo.url(), stack.proxy().address).await;
    let portal = stack.portal();
    developer::sign_up_and_in(&stack, &portal).await;
    let key = developer::first_key(&portal).await;
    stack.proxy().get_with_key("/orders", &key).await.expect(200);
    let before = api.get("/revisions").await.expect(200).body;
    let said = stack.people.program().said();
    assert!(said.contains("Postgres is up"), "{said}");

    stack.stop().await;
    stack.start().await;
    let (api, proxy) = (stack.api(), stack.proxy());
    assert_eq!(api.get("/revisions").await.expect(200).body, before);
    proxy.get_with_key("/orders", &key).await.expect(200);
    proxy.get("/orders").await.expect_refusal(401, "credential_missing");
    let page = portal.moved_to(&stack.portal_url()).open("/apps").await.good();
    assert!(page.html.contains("Checkout app"), "{}", page.html);
    eventually("that the usage before the stop is there", async || {
        let summary = api.get("/usage/summary").await.expect(200).body;
        (summary["statuses"] == json!({"200": 2, "401": 1})).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loses_nothing_that_was_committed() {
    let mut stack = Plan::one().start().await;
    stack.api().service("orders", "http://127.0.0.1:9").await;
    stack.people.kill();
    stack.start().await;
    assert_eq!(stack.api().get("/services").await.body["total"], 1);
}

async fn slow(proxy: &Proxy) -> u16 {
    proxy.get("/slow?delay_ms=1500").await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_requests_in_flight_end_and_takes_no_new_ones() {
    let mut stack = Plan::apart(1).start().await;
    let echo = Upstream::start("echo");
    stack.api().service("echo", &echo.url()).await;
    stack.api().route("slow", "echo", json!({"paths": ["/slow"]})).await;
    let proxy = stack.proxy();
    let flying: Vec<_> = (0..5)
        .map(|_| {
            let proxy = proxy.clone();
            tokio::spawn(async move { slow(&proxy).await })
        })
        .collect();
    eventually("that the service has them", async || {
        (echo.seen().len() == 5).then_some(())
    })
    .await;
    stack.gateways[0].program().terminate();
    eventually("that new connections are refused", async || {
        let asked = Proxy::new(proxy.address).call("GET", "/slow").try_send().await;
        asked.is_err().then_some(())
    })
    .await;
    for request in flying {
        assert_eq!(request.await.expect("an answer"), 200);
    }
    let status = stack.gateways[0].wait().await;
    assert_eq!(status.code(), Some(0));
    let listed = stack.api().get("/gateways").await.body;
    assert_eq!(listed["items"][0]["live"], false, "it says that it stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_when_the_time_to_drain_is_over() {
    let mut stack = Plan::apart(1).with("GATEHOUSE_DRAIN_SECONDS", 1).start().await;
    let echo = Upstream::start("echo");
    stack.api().service("echo", &echo.url()).await;
    stack.api().route("slow", "echo", json!({"paths": ["/slow"]})).await;
    let proxy = stack.proxy();
    let flying = tokio::spawn(async move { proxy.call("GET", "/slow?delay_ms=15000").try_send().await });
    eventually("that the service has it", async || {
        (echo.seen().len() == 1).then_some(())
    })
    .await;
    let began = std::time::Instant::now();
    let status = stack.gateways[0].stop().await;
    assert_eq!(status.code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert!(flying.await.expect("no panic").is_err(), "it was broken off");
}
