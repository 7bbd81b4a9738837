//! Usage: what the API counts is what was sent, by everything that it can be asked by.

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::clients::{Api, Key, Proxy, Secure};
use crate::eventually;
use crate::stack::{Plan, Stack, id};
use crate::upstream::Upstream;

/// The summary of some requests when it has counted so many.
async fn summary(api: &Api, filter: &str, requests: u64) -> Value {
    eventually(
        &format!("that {requests} requests of `{filter}` are counted"),
        async || {
            let summary = api.get(&format!("/usage/summary?{filter}")).await.expect(200).body;
            (summary["requests"].as_u64()? >= requests).then_some(summary)
        },
    )
    .await
}

/// Two gateways in front of services, and two keys of one consumer.
struct Story {
    stack: Stack,
    api: Api,
    open: String,
    keys: [Key; 2],
    _echo: Upstream,
}

async fn begin() -> Story {
    let (stack, echo) = (Plan::apart(2).start().await, Upstream::start("echo"));
    let api = stack.api();
    api.service("echo", &echo.url()).await;
    api.service("gone", "http://127.0.0.1:1").await;
    let open = id(&api
        .route("open", "echo", json!({"paths": ["/open"], "methods": ["GET"]}))
        .await);
    api.route("closed", "echo", json!({"paths": ["/closed"]})).await;
    api.route("gone", "gone", json!({"paths": ["/gone"]})).await;
    api.plugin("key-auth", json!({"route": "closed"}), json!({})).await;
    api.make("/consumers", json!({"name": "caller"})).await;
    let keys = [api.key("caller").await, api.key("caller").await];
    Story {
        stack,
        api,
        open,
        keys,
        _echo: echo,
    }
}

/// Sends 49 requests of every kind to one gateway.
async fn send(proxy: &Proxy, [first, second]: &[Key; 2]) {
    for (target, key, status, times) in [
        ("/open", None, 200, 20),
        ("/open?answer=503", None, 503, 3),
        ("/open?answer=404", None, 404, 4),
        ("/closed", None, 401, 5),
        ("/closed", Some(first), 200, 7),
        ("/closed", Some(second), 200, 2),
        ("/gone", None, 502, 1),
        ("/nowhere", None, 404, 6),
    ] {
        for _ in 0..times {
            let call = proxy.call("GET", target);
            let call = match key {
                Some(key) => call.header("x-api-key", &key.secret),
                None => call,
            };
            call.send().await.expect(status);
        }
    }
    proxy.call("POST", "/open").send().await.expect(405);
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_add_up_exactly_to_what_was_sent_to_both_gateways() {
    let story = begin().await;
    let (api, [first, second]) = (&story.api, &story.keys);
    for index in 0..2 {
        send(&story.stack.gateway(index).proxy(), &story.keys).await;
    }
    let all = summary(api, "", 98).await;
    assert_eq!(
        all["statuses"],
        json!({"200": 58, "401": 10, "404": 20, "405": 2, "502": 2, "503": 6})
    );
    let reasons = json!({
        "credential_missing": 10, "method_not_allowed": 2, "route_not_found": 12, "upstream_unreachable": 2
    });
    assert_eq!(
        all["reasons"], reasons,
        "what the service answers itself has no reason of ours"
    );
    assert_eq!((&all["client_errors"], &all["server_errors"]), (&json!(32), &json!(8)));
    for (filter, requests) in [
        (format!("route={}", story.open), 54),
        ("route=closed".to_owned(), 28),
        ("service=echo".to_owned(), 82),
        ("service=gone".to_owned(), 2),
        ("consumer=caller".to_owned(), 18),
        (format!("credential={}", first.id), 14),
        (format!("credential={}", second.id), 4),
        ("route=closed&consumer=caller".to_owned(), 18),
    ] {
        let counted = summary(api, &filter, requests).await;
        assert_eq!(counted["requests"], requests, "{filter}");
    }
    series_and_lists_agree(api).await;
    let used = api.get(&format!("/credentials/{}", first.id)).await.expect(200).body;
    assert!(used["last_used_at"].is_string(), "{used:#}");
}

async fn series_and_lists_agree(api: &Api) {
    let series = api.get("/usage/series?step=60").await.expect(200).body;
    let points = series["points"].as_array().expect("points");
    let sum: u64 = points.iter().filter_map(|point| point["requests"].as_u64()).sum();
    assert_eq!(sum, 98);
    for (by, name, requests) in [
        ("consumer", "caller", 18),
        ("route", "open", 54),
        ("service", "echo", 82),
    ] {
        let top = api.get(&format!("/usage/top?by={by}")).await.expect(200).body;
        let first = &top["items"][0];
        assert_eq!(
            (&first["name"], &first["requests"]),
            (&json!(name), &json!(requests)),
            "{by}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_of_a_gateway_count_the_same() {
    let (stack, echo) = (Plan::apart(1).start().await, Upstream::start("echo"));
    let api = stack.api();
    api.service("echo", &echo.url()).await;
    api.route("open", "echo", json!({"paths": ["/open"]})).await;
    for _ in 0..5 {
        stack.proxy().get("/open").await.expect(200);
    }
    stack.proxy().get("/nowhere").await.expect(404);
    // A request is counted when it is over, which is after its client has the answer.
    eventually("that both are counted", async || {
        let metrics = stack.gateway(0).metrics().await;
        let count = |labels: &str| metrics.lines().find_map(|line| line.strip_prefix(labels));
        let open = count(r#"gatehouse_requests_total{method="GET",route="open",service="echo",status="2xx"} "#)?;
        let nowhere = count(r#"gatehouse_refusals_total{reason="route_not_found",route="",service=""} "#)?;
        ((open, nowhere) == ("5", "1")).then_some(())
    })
    .await;
    // Nothing of this is on the port for traffic, whatever the request says.
    for path in ["/metrics", "/readyz", "/livez", "/api/v1/services", "/console"] {
        stack.proxy().get(path).await.expect_refusal(404, "route_not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_passed_on_counts_as_one_request_of_its_route() {
    let (stack, database) = (
        Plan::one().start().await,
        TcpListener::bind("127.0.0.1:0").await.expect("a port"),
    );
    let (api, address) = (stack.api(), database.local_addr().expect("an address"));
    api.service("database", &format!("http://{address}")).await;
    api.service("gone", "http://127.0.0.1:1").await;
    for name in ["database", "gone"] {
        let by_name = json!({"protocols": ["tls"], "snis": [format!("{name}.example")]});
        api.route(name, name, by_name).await;
    }
    tokio::spawn(async move { while database.accept().await.is_ok() {} });
    let client = Secure {
        address: stack.gateway(0).address("Over TLS"),
        believes: include_str!("../certificates/weak.pem"),
        shows: None,
    };
    for host in ["database.example", "gone.example"] {
        client.get(host, "/").await.expect_err("nobody speaks TLS");
    }
    let passed = summary(&api, "route=database", 1).await;
    assert_eq!(passed["statuses"], json!({"200": 1}), "{passed}");
    let refused = summary(&api, "route=gone", 1).await;
    assert_eq!(
        (&refused["statuses"], &refused["reasons"]),
        (&json!({"502": 1}), &json!({"upstream_unreachable": 1})),
        "{refused}"
    );
}
