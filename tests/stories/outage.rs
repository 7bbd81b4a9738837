//! The database is killed under traffic: nothing of the data plane needs it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::clients::{Api, Key, Proxy};
use crate::eventually;
use crate::stack::{Node, Plan, Stack};
use crate::upstream::Upstream;

/// Clients at once.
const CLIENTS: usize = 4;

struct Story {
    stack: Stack,
    api: Api,
    caller: Key,
    limited: Key,
    revoked: Key,
    _echo: Upstream,
}

/// Two gateways with a route for each to tell their usage apart, closed by keys; one consumer is limited to five.
async fn begin() -> Story {
    let (stack, echo) = (Plan::apart(2).own_postgres().start().await, Upstream::start("echo"));
    let api = stack.api();
    api.service("echo", &echo.url()).await;
    for route in ["one", "two"] {
        api.route(route, "echo", json!({"paths": [format!("/{route}")]})).await;
    }
    api.plugin("key-auth", json!({"service": "echo"}), json!({})).await;
    for consumer in ["caller", "limited"] {
        api.make("/consumers", json!({"name": consumer})).await;
    }
    let limits = json!({"limits": [{"requests": 5, "window_seconds": 3600}]});
    api.plugin("rate-limit", json!({"consumer": "limited"}), limits).await;
    let (caller, limited, revoked) = (
        api.key("caller").await,
        api.key("limited").await,
        api.key("caller").await,
    );
    let last = api
        .act(&format!("/credentials/{}/revoke", revoked.id))
        .await
        .expect(200);
    let revision: i64 = last.header("x-config-revision").parse().expect("a number");
    for gateway in &stack.gateways {
        kept(gateway, revision).await;
    }
    Story {
        stack,
        api,
        caller,
        limited,
        revoked,
        _echo: echo,
    }
}

/// Waits until a gateway's own copy has this revision.
async fn kept(gateway: &Node, revision: i64) {
    eventually("the gateway's copy", async || {
        let line = format!("gatehouse_config_copy_revision {revision}\n");
        gateway.metrics().await.contains(&line).then_some(())
    })
    .await;
}

/// Clients that call without pause until they are stopped.
struct Traffic {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

impl Traffic {
    fn start(proxy: &Proxy, target: &'static str, key: &Key) -> Self {
        let (stop, sent) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let client = |_| {
            let (stop, sent, proxy, key) = (stop.clone(), sent.clone(), proxy.clone(), key.secret.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    sent.fetch_add(1, Ordering::Relaxed);
                    proxy.get_with_key(target, &key).await.expect(200);
                }
            })
        };
        let clients = (0..CLIENTS).map(client).collect();
        Self { stop, sent, clients }
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Waits until so many more were sent.
    async fn goes_on(&self, more: u64) {
        let wanted = self.sent() + more;
        eventually("that traffic goes on", async || (self.sent() >= wanted).then_some(())).await;
    }

    /// Stops the clients; fails when one request of theirs did.
    async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.expect("no request fails");
        }
        self.sent.load(Ordering::Relaxed)
    }
}

/// Keys and limits count as if nothing had happened.
async fn is_closed(story: &Story, proxy: &Proxy, target: &str) {
    proxy.get(target).await.expect_refusal(401, "credential_missing");
    let unknown = proxy.get_with_key(target, "gh_live_nobody").await;
    unknown.expect_refusal(401, "credential_unknown");
    let revoked = proxy.get_with_key(target, &story.revoked.secret).await;
    revoked.expect_refusal(401, "credential_revoked");
}

async fn limit_holds(story: &Story, proxy: &Proxy, target: &str, left: usize) {
    for _ in 0..left {
        proxy.get_with_key(target, &story.limited.secret).await.expect(200);
    }
    let refused = proxy.get_with_key(target, &story.limited.secret).await;
    refused.expect_refusal(429, "rate_limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateways_serve_on_when_postgres_is_killed_under_traffic() {
    let mut story = begin().await;
    let (one, two) = (story.stack.gateway(0).proxy(), story.stack.gateway(1).proxy());
    limit_of_two(&story, &two).await;
    let traffic = Traffic::start(&two, "/two", &story.caller);
    traffic.goes_on(200).await;
    story.stack.storage.server().kill().await.expect("killed");
    traffic.goes_on(1000).await;
    is_closed(&story, &one, "/one").await;
    limit_holds(&story, &two, "/two", 3).await;
    // Long enough for every retry and deadline of a gateway that has lost its database.
    let until = tokio::time::Instant::now() + Duration::from_secs(3);
    while tokio::time::Instant::now() < until {
        traffic.goes_on(100).await;
    }
    story.api.get("/services").await.expect_problem(503, "unavailable");
    assert_eq!(story.stack.portal().open("/").await.status, 503);
    restart_without_database(&mut story).await;
    traffic.goes_on(100).await;

    story.stack.storage.server().resume().await.expect("it comes back");
    comes_back(&story).await;
    let sent = traffic.stop().await;
    // Two before the outage and three in it were of the limited consumer, and one more was refused.
    usage_arrives(&story, sent).await;
}

async fn limit_of_two(story: &Story, proxy: &Proxy) {
    for _ in 0..2 {
        proxy.get_with_key("/two", &story.limited.secret).await.expect(200);
    }
}

/// A gateway that starts without database serves what it served before.
async fn restart_without_database(story: &mut Story) {
    let status = story.stack.gateways[0].stop().await;
    assert!(status.success(), "{status}");
    story.stack.gateways[0].start().await;
    let one = story.stack.gateway(0).proxy();
    one.get_with_key("/one", &story.caller.secret).await.expect(200);
    is_closed(story, &one, "/one").await;
    limit_holds(story, &one, "/one", 5).await;
}

/// Changes flow again, to both gateways.
async fn comes_back(story: &Story) {
    let route = json!({"name": "new", "service": "echo", "paths": ["/new"]});
    eventually("that a change is taken", async || {
        let answer = story.api.post("/routes", &route).await;
        (answer.status == 201).then_some(())
    })
    .await;
    for index in 0..2 {
        let proxy = story.stack.gateway(index).proxy();
        eventually("that the change is live", async || {
            (proxy.get_with_key("/new", &story.caller.secret).await.status == 200).then_some(())
        })
        .await;
    }
}

/// What the gateway that ran all the time counted is all there.
async fn usage_arrives(story: &Story, sent: u64) {
    let expected = json!({"200": sent + 5, "429": 1});
    let mut last = Value::Null;
    let found = eventually("that usage arrives", async || {
        let summary = story.api.get("/usage/summary?route=two").await.expect(200).body;
        last = summary["statuses"].clone();
        let all: u64 = last.as_object()?.values().filter_map(Value::as_u64).sum();
        (all >= sent + 6).then(|| last.clone())
    })
    .await;
    assert_eq!(found, expected);
}
