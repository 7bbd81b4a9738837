//! How the real port matches, rewrites, forwards and refuses.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use crate::clients::{Api, Proxy};
use crate::stack::{Plan, Stack};
use crate::upstream::Upstream;

struct Story {
    _stack: Stack,
    api: Api,
    proxy: Proxy,
    echo: Upstream,
}

async fn begin(plan: Plan) -> Story {
    let (stack, echo) = (plan.start().await, Upstream::start("echo"));
    let (api, proxy) = (stack.api(), stack.proxy());
    api.service("echo", &echo.url()).await;
    Story {
        _stack: stack,
        api,
        proxy,
        echo,
    }
}

/// Makes a service of this name that says it, and a route of the same name to it.
async fn named(api: &Api, name: &str, members: Value) -> Upstream {
    let upstream = Upstream::start(name);
    api.service(name, &upstream.url()).await;
    api.route(name, name, members).await;
    upstream
}

#[tokio::test(flavor = "multi_thread")]
async fn the_best_route_wins() {
    let story = begin(Plan::apart(1)).await;
    let api = &story.api;
    let mut services = Vec::new();
    for (name, members) in [
        ("anything", json!({"paths": ["/"]})),
        ("prefix", json!({"paths": ["/v1"]})),
        ("longer", json!({"paths": ["/v1/orders"]})),
        ("exact", json!({"paths": ["=/v1/orders/new"]})),
        ("parameter", json!({"paths": ["/v1/orders/{id}/items"]})),
        ("regex", json!({"paths": ["~^/v1/orders/\\d+$"]})),
        ("host", json!({"hosts": ["shop.example.com"], "paths": ["/"]})),
        ("wildcard", json!({"hosts": ["*.example.com"], "paths": ["/"]})),
        ("port", json!({"hosts": ["shop.example.com:8443"], "paths": ["/"]})),
        (
            "header",
            json!({"paths": ["/v1"], "headers": {"x-canary": ["yes", "~^v\\d"]}}),
        ),
        ("first", json!({"paths": ["/v1/urgent"], "priority": 10})),
    ] {
        services.push(named(api, name, members).await);
    }
    let local = story.proxy.address.to_string();
    for (host, target, canary, expected) in [
        (local.as_str(), "/", "", "anything"),
        (&local, "/v1", "", "prefix"),
        (&local, "/v1/orders", "", "longer"),
        (&local, "/v1/orders/new", "", "exact"),
        (&local, "/v1/orders/new/", "", "longer"),
        (&local, "/v1/orders/a/items", "", "parameter"),
        (&local, "/v1/orders/17", "", "regex"),
        (&local, "/v1/orders/17/", "", "longer"),
        (&local, "/v1/x", "yes", "header"),
        (&local, "/v1/x", "v2", "header"),
        (&local, "/v1/x", "no", "prefix"),
        (&local, "/v1/urgent", "yes", "first"),
        ("shop.example.com", "/", "", "host"),
        ("SHOP.example.com.", "/", "", "host"),
        ("shop.example.com:8443", "/", "", "port"),
        ("a.b.example.com", "/", "", "wildcard"),
        ("example.com", "/", "", "anything"),
    ] {
        let call = story.proxy.call("GET", target).header("host", host);
        let call = if canary.is_empty() {
            call
        } else {
            call.header("x-canary", canary)
        };
        let answer = call.send().await.expect(200);
        assert_eq!(answer.body["service"], expected, "{host}{target} with {canary:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_hosts_are_forwarded_as_the_route_says() {
    let story = begin(Plan::apart(1)).await;
    let api = &story.api;
    api.service("based", &format!("{}/base", story.echo.url())).await;
    for (name, service, members) in [
        ("stripped", "echo", json!({"paths": ["/stripped"]})),
        ("kept", "echo", json!({"paths": ["/kept"], "strip_path": false})),
        ("based", "based", json!({"paths": ["/based"]})),
        (
            "preserved",
            "echo",
            json!({"paths": ["/preserved"], "preserve_host": true}),
        ),
        (
            "slashes",
            "echo",
            json!({"paths": ["/slashes"], "encoded_slashes": "keep"}),
        ),
    ] {
        api.route(name, service, members).await;
    }
    for (target, path) in [
        ("/stripped/a/b", "/a/b"),
        ("/stripped", "/"),
        ("/stripped/", "/"),
        ("/kept/a", "/kept/a"),
        ("/based/a/", "/base/a/"),
        ("/based", "/base"),
        ("/stripped//a//b", "/a/b"),
        ("/stripped/%7Ea%20b", "/~a%20b"),
        ("/slashes/a%2Fb", "/a%2Fb"),
    ] {
        let answer = story.proxy.get(target).await.expect(200);
        assert_eq!(answer.body["path"], path, "{target}");
    }
    let host = |target: &str| {
        story
            .proxy
            .call("GET", target)
            .header("host", "shop.example.com:8443")
            .send()
    };
    let kept = host("/preserved").await.expect(200).body;
    assert_eq!(kept["headers"]["host"], json!(["shop.example.com:8443"]));
    let own = host("/stripped").await.expect(200).body;
    assert_eq!(own["headers"]["host"], json!([story.echo.address.to_string()]));
    for target in [
        "/stripped/..%2fx",
        "/stripped/%2e%2e/x",
        "/stripped/a%00b",
        "/stripped/a%5cb",
        "/stripped/a%2fb",
    ] {
        let raw = format!("GET {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let refused = story.proxy.raw(&raw).await;
        assert!(
            refused.starts_with("HTTP/1.1 400") && refused.contains("path_rejected"),
            "{target}: {refused}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn method_body_and_query_arrive_as_they_were_sent() {
    let story = begin(Plan::apart(1)).await;
    story.api.route("echo", "echo", json!({"paths": ["/echo"]})).await;
    let body = "ä".repeat(200_000);
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let call = story.proxy.call(method, "/echo?a=b%20c&a=d&empty=&%C3%A4");
        let seen = call.bytes("text/plain", body.clone()).send().await.expect(200).body;
        assert_eq!(
            (&seen["method"], &seen["query"]),
            (&json!(method), &json!("a=b%20c&a=d&empty=&%C3%A4"))
        );
        assert_eq!(seen["body"].as_str().map(str::len), Some(body.len()));
    }
    let head = story.proxy.call("HEAD", "/echo").send().await.expect(200);
    assert_eq!((&head.body, head.header("server")), (&Value::Null, "upstream"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_learns_where_a_request_came_from_and_nobody_forges_it() {
    let forged = |proxy: &Proxy| {
        let call = proxy
            .call("GET", "/echo")
            .header("x-forwarded-for", "6.6.6.6")
            .header("x-request-id", "mine-00001");
        call.header("x-forwarded-proto", "https")
            .header("host", "shop.example.com")
            .send()
    };
    let story = begin(Plan::apart(1)).await;
    story.api.route("echo", "echo", json!({"paths": ["/echo"]})).await;
    let answer = forged(&story.proxy).await.expect(200);
    let seen = &answer.body["headers"];
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "shop.example.com"),
        ("x-forwarded-port", "80"),
        ("x-forwarded-prefix", "/echo"),
    ] {
        assert_eq!(seen[name], json!([value]), "{name}");
    }
    assert_eq!(
        seen["x-request-id"],
        json!([answer.header("x-request-id")]),
        "the id goes both ways"
    );
    assert_ne!(answer.header("x-request-id"), "mine-00001");
    assert!(answer.header("via").contains("gatehouse"), "{}", answer.header("via"));

    let story = begin(Plan::apart(1).with("GATEHOUSE_TRUSTED_PROXIES", "127.0.0.0/8")).await;
    story.api.route("echo", "echo", json!({"paths": ["/echo"]})).await;
    let answer = forged(&story.proxy).await.expect(200);
    let seen = &answer.body["headers"];
    assert_eq!(seen["x-forwarded-for"], json!(["6.6.6.6, 127.0.0.1"]));
    assert_eq!(
        (&seen["x-real-ip"], &seen["x-forwarded-proto"]),
        (&json!(["6.6.6.6"]), &json!(["https"]))
    );
    assert_eq!(
        (&seen["x-request-id"], answer.header("x-request-id")),
        (&json!(["mine-00001"]), "mine-00001")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_get_their_shares() {
    let story = begin(Plan::apart(1)).await;
    let api = &story.api;
    api.make("/upstreams", json!({"name": "pool"})).await;
    let mut targets = Vec::new();
    for (name, weight) in [("heavy", 300), ("light", 100), ("off", 0)] {
        let target = Upstream::start(name);
        let body = json!({"upstream": "pool", "address": target.address.to_string(), "weight": weight});
        api.make("/targets", body).await;
        targets.push(target);
    }
    api.make("/services", json!({"name": "pool", "upstream": "pool", "path": "/in"}))
        .await;
    api.route("pool", "pool", json!({"paths": ["/pool"]})).await;
    let mut shares = BTreeMap::<String, usize>::new();
    for _ in 0..400 {
        let answer = story.proxy.get("/pool/x").await.expect(200);
        assert_eq!(answer.body["path"], "/in/x");
        *shares
            .entry(answer.body["service"].as_str().expect("a name").to_owned())
            .or_default() += 1;
    }
    let heavy = shares["heavy"];
    assert!(
        (295..=305).contains(&heavy) && shares["light"] == 400 - heavy,
        "{shares:?}"
    );

    // A target that is gone costs no request: another one is asked.
    targets[1].stop().await;
    for _ in 0..40 {
        story.proxy.get("/pool/x").await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_answers_itself_says_why() {
    let story = begin(Plan::apart(1)).await;
    let (api, proxy) = (&story.api, &story.proxy);
    api.route("echo", "echo", json!({"paths": ["/echo"], "methods": ["GET", "PUT"]}))
        .await;
    api.service("gone", "http://127.0.0.1:1").await;
    api.make(
        "/services",
        json!({"name": "slow", "url": story.echo.url(), "response_timeout_ms": 200}),
    )
    .await;
    let broken = broken_service().await;
    api.service("broken", &format!("http://{broken}")).await;
    api.make("/upstreams", json!({"name": "nobody"})).await;
    api.make("/services", json!({"name": "nobody", "upstream": "nobody"}))
        .await;
    for name in ["gone", "slow", "broken", "nobody"] {
        api.route(name, name, json!({"paths": [format!("/{name}")]})).await;
    }
    for (method, target, status, code) in [
        ("GET", "/nowhere", 404, "route_not_found"),
        ("POST", "/echo", 405, "method_not_allowed"),
        ("GET", "/gone", 502, "upstream_unreachable"),
        ("GET", "/broken", 502, "upstream_reset"),
        ("GET", "/slow?delay_ms=2000", 504, "upstream_timeout"),
        ("GET", "/nobody", 503, "upstream_unavailable"),
    ] {
        let refused = proxy.call(method, target).send().await.expect_refusal(status, code);
        assert_ne!(
            refused.body["advice"].as_str().unwrap_or_default(),
            "",
            "{:#}",
            refused.body
        );
        let text = refused.body.to_string();
        assert!(
            !text.contains(&broken) && !text.contains("127.0.0.1"),
            "where services are is nobody's business: {text}"
        );
        if status == 405 {
            assert_eq!(refused.header("allow"), "GET, PUT");
        }
    }
    let large = proxy.call("PUT", "/echo").bytes("text/plain", vec![b'x'; 11 << 20]);
    large.send().await.expect_refusal(413, "body_too_large");
    let long = proxy.get(&format!("/echo/{}", "x".repeat(9_000))).await;
    long.expect_refusal(414, "target_too_long");
    let wide = proxy
        .call("GET", "/echo")
        .header("x-wide", &"x".repeat(40_000))
        .send()
        .await;
    wide.expect_refusal(431, "header_too_large");
    // A service's own errors are passed on as they are.
    let own = proxy.get("/echo?answer=503").await.expect(503);
    assert_eq!(
        (&own.body["service"], own.header("server")),
        (&json!("echo"), "upstream")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_comes_in_the_form_that_was_asked_for() {
    let story = begin(Plan::apart(1)).await;
    for (accept, media_type) in [
        ("application/json", "application/problem+json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ("text/plain", "text/plain; charset=utf-8"),
        ("image/png", "application/problem+json"),
    ] {
        let refused = story
            .proxy
            .call("GET", "/nowhere")
            .header("accept", accept)
            .send()
            .await
            .expect(404);
        assert_eq!(refused.header("content-type"), media_type, "{accept}");
        assert!(
            refused.body.to_string().contains("route_not_found"),
            "{accept}: {}",
            refused.body
        );
    }
}

/// A service that takes requests and hangs up.
async fn broken_service() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut some = [0; 1024];
            let _ = stream.read(&mut some).await;
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_disabled_serves_nothing() {
    let story = begin(Plan::apart(1)).await;
    let (api, proxy) = (&story.api, &story.proxy);
    api.route("echo", "echo", json!({"paths": ["/echo"]})).await;
    for (path, off) in [
        ("/routes/echo", vec![(404, "route_not_found")]),
        (
            "/services/echo",
            vec![(404, "route_not_found"), (503, "upstream_unavailable")],
        ),
    ] {
        proxy.get("/echo").await.expect(200);
        api.patch(path, &json!({"enabled": false})).await.expect(200);
        let refused = proxy.get("/echo").await;
        let told = (refused.status, refused.body["reason"].as_str().unwrap_or_default());
        assert!(off.contains(&told), "{path}: {told:?}");
        api.patch(path, &json!({"enabled": true})).await.expect(200);
    }
    proxy.get("/echo").await.expect(200);
}
