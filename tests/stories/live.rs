//! A change is live when its writer is told so: on every gateway, every time.

use serde_json::json;

use crate::clients::{Api, Proxy};
use crate::stack::{Plan, Stack};
use crate::upstream::Upstream;

/// Writers at once.
const WRITERS: usize = 4;

/// A Gatehouse with the service `echo`, and the gateways to ask.
async fn ready(plan: Plan) -> (Stack, Upstream, Vec<Proxy>) {
    let (stack, echo) = (plan.start().await, Upstream::start("echo"));
    stack.api().service("echo", &echo.url()).await;
    let count = stack.gateways.len().max(1);
    let proxies = (0..count).map(|index| stack.gateway(index).proxy()).collect();
    (stack, echo, proxies)
}

/// Runs as many writers at once, each of which does its part of `times`.
async fn write<F: Future<Output = ()> + Send + 'static>(times: usize, writer: impl Fn(usize, usize) -> F) {
    let writers = (0..WRITERS).map(|number| tokio::spawn(writer(number, times / WRITERS)));
    for writer in futures_util::future::join_all(writers).await {
        writer.expect("no writer fails");
    }
}

async fn expect(proxies: &[Proxy], target: &str, status: u16) {
    for proxy in proxies {
        let answer = proxy.get(target).await;
        assert_eq!(
            answer.status, status,
            "{target} on {}: {:#}",
            proxy.address, answer.body
        );
    }
}

/// A path that matches alone: as a prefix, `/1` would match `/10` too.
fn exact(path: &str) -> String {
    format!("={path}")
}

/// Makes a route and calls it at once; then moves it, or removes it.
async fn create_and_call(api: Api, proxies: Vec<Proxy>, (writer, times): (usize, usize)) {
    for turn in 0..times {
        let (name, path) = (format!("r-{writer}-{turn}"), format!("/{writer}/{turn}"));
        api.route(&name, "echo", json!({"paths": [exact(&path)]})).await;
        expect(&proxies, &path, 200).await;
        if turn % 5 == 0 {
            let moved = format!("/moved{path}");
            api.patch(&format!("/routes/{name}"), &json!({"paths": [exact(&moved)]}))
                .await
                .expect(200);
            expect(&proxies, &moved, 200).await;
            expect(&proxies, &path, 404).await;
        }
        // The routes of the last turns stay: a router with one route alone proves little.
        if turn >= 10 {
            let old = format!("r-{writer}-{}", turn - 10);
            api.delete(&format!("/routes/{old}")).await.expect(204);
            expect(&proxies, &format!("/{writer}/{}", turn - 10), 404).await;
        }
    }
}

/// Issues a key, calls with it, and revokes it.
async fn revoke_and_call(api: Api, proxies: Vec<Proxy>, times: usize) {
    for _ in 0..times {
        let key = api.key("caller").await;
        for proxy in &proxies {
            proxy.get_with_key("/closed", &key.secret).await.expect(200);
        }
        api.act(&format!("/credentials/{}/revoke", key.id)).await.expect(200);
        for proxy in &proxies {
            let refused = proxy.get_with_key("/closed", &key.secret).await;
            refused.expect_refusal(401, "credential_revoked");
        }
    }
}

async fn close(api: &Api) {
    api.route("closed", "echo", json!({"paths": ["/closed"]})).await;
    api.plugin("key-auth", json!({"route": "closed"}), json!({})).await;
    api.make("/consumers", json!({"name": "caller"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_was_just_made_is_never_missing_in_1000_times() {
    let (stack, _echo, proxies) = ready(Plan::one()).await;
    let api = stack.api();
    write(1000, |writer, times| {
        create_and_call(api.clone(), proxies.clone(), (writer, times))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_was_just_made_is_on_both_gateways() {
    let (stack, _echo, proxies) = ready(Plan::apart(2)).await;
    let api = stack.api();
    write(100, |writer, times| {
        create_and_call(api.clone(), proxies.clone(), (writer, times))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_by_the_next_request_in_300_times() {
    let (stack, _echo, proxies) = ready(Plan::one()).await;
    let api = stack.api();
    close(&api).await;
    write(300, |_, times| revoke_and_call(api.clone(), proxies.clone(), times)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_on_both_gateways() {
    let (stack, _echo, proxies) = ready(Plan::apart(2)).await;
    let api = stack.api();
    close(&api).await;
    write(60, |_, times| revoke_and_call(api.clone(), proxies.clone(), times)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_starts_while_changes_are_made_misses_none() {
    let (mut stack, _echo, _) = ready(Plan::apart(2)).await;
    let api = stack.api();
    let status = stack.gateways[1].stop().await;
    assert!(status.success(), "{status}");
    let writing = {
        let api = api.clone();
        tokio::spawn(async move {
            for turn in 0..60 {
                let path = exact(&format!("/{turn}"));
                api.route(&format!("r{turn}"), "echo", json!({"paths": [path]})).await;
            }
        })
    };
    stack.gateways[1].start().await;
    writing.await.expect("written");
    let late = stack.gateways[1].proxy();
    for turn in 0..60 {
        late.get(&format!("/{turn}")).await.expect(200);
    }
}
