//! The plugins through the real port: limits, keys, browsers of other origins, changed requests.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::clients::{Answer, Api, Proxy};
use crate::stack::{Plan, Stack};
use crate::upstream::Upstream;

struct Story {
    stack: Stack,
    api: Api,
    proxy: Proxy,
    echo: Upstream,
}

/// A route `/echo` to a service that echoes.
async fn begin() -> Story {
    let (stack, echo) = (Plan::apart(1).start().await, Upstream::start("echo"));
    let (api, proxy) = (stack.api(), stack.proxy());
    api.service("echo", &echo.url()).await;
    api.route("echo", "echo", json!({"paths": ["/echo"]})).await;
    Story {
        stack,
        api,
        proxy,
        echo,
    }
}

fn on_route() -> Value {
    json!({"route": "echo"})
}

fn statuses(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

/// The number that a parameter of a structured field has, such as `r` in `"a";r=3;t=1`.
fn parameter(field: &str, item: &str, name: &str) -> Option<u64> {
    let found = field
        .split(',')
        .map(str::trim)
        .find(|part| part.starts_with(&format!("\"{item}\"")))?;
    let value = found
        .split(';')
        .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))?;
    value.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_parallel_requests_exactly_as_many_pass_as_are_allowed() {
    let story = begin().await;
    let limits = json!({"limits": [{"requests": 50, "window_seconds": 86_400, "by": "ip"}]});
    story.api.plugin("rate-limit", on_route(), limits).await;
    let answers = join_all((0..200).map(|_| story.proxy.get("/echo"))).await;
    assert_eq!((statuses(&answers, 200), statuses(&answers, 429)), (50, 150));
    assert_eq!(
        story.echo.seen().len(),
        50,
        "what is refused does not reach the service"
    );
    for refused in answers.iter().filter(|answer| answer.status == 429) {
        let refused = refused.clone().expect_refusal(429, "rate_limited");
        let wait: u64 = refused.header("retry-after").parse().expect("seconds");
        assert!((1..=86_400 / 50).contains(&wait), "{wait}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_says_how_much_is_left() {
    let story = begin().await;
    let limits = json!({"limits": [
        {"requests": 3, "window_seconds": 3600, "by": "ip"},
        {"requests": 100, "window_seconds": 86_400, "by": "route", "name": "daily"},
    ]});
    story.api.plugin("rate-limit", on_route(), limits).await;
    for left in [2, 1, 0] {
        let answer = story.proxy.get("/echo").await.expect(200);
        assert_eq!(
            answer.header("ratelimit-policy"),
            "\"ip-3600s\";q=3;w=3600, \"daily\";q=100;w=86400"
        );
        assert_eq!(parameter(answer.header("ratelimit"), "ip-3600s", "r"), Some(left));
        assert_eq!(parameter(answer.header("ratelimit"), "daily", "r"), Some(97 + left));
        assert_eq!(answer.header("retry-after"), "");
    }
    let refused = story.proxy.get("/echo").await.expect_refusal(429, "rate_limited");
    assert_eq!(parameter(refused.header("ratelimit"), "ip-3600s", "r"), Some(0));
    assert_eq!(
        parameter(refused.header("ratelimit"), "daily", "r"),
        Some(97),
        "a refused request is not counted by the other limits"
    );
    assert_ne!(refused.header("retry-after"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_credential_and_consumer_hold_at_once() {
    let story = begin().await;
    let (api, proxy) = (&story.api, &story.proxy);
    api.plugin("key-auth", on_route(), json!({})).await;
    let limits = json!({"limits": [
        {"requests": 3, "window_seconds": 3600, "by": "credential"},
        {"requests": 5, "window_seconds": 3600, "by": "consumer"},
    ]});
    api.plugin("rate-limit", on_route(), limits).await;
    for consumer in ["one", "two"] {
        api.make("/consumers", json!({"name": consumer})).await;
    }
    let (first, second, other) = (api.key("one").await, api.key("one").await, api.key("two").await);
    for (key, passed) in [(&first, 3), (&second, 2), (&other, 3)] {
        let answers = join_all((0..6).map(|_| proxy.get_with_key("/echo", &key.secret))).await;
        assert_eq!((statuses(&answers, 200), statuses(&answers, 429)), (passed, 6 - passed));
    }
    // A change of something else gives nobody a new allowance.
    api.route("other", "echo", json!({"paths": ["/other"]})).await;
    proxy
        .get_with_key("/echo", &first.secret)
        .await
        .expect_refusal(429, "rate_limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_of_another_origin_may_call_where_it_is_allowed() {
    let story = begin().await;
    let cors =
        json!({"allow_origins": ["https://*.example.org"], "allow_methods": ["GET", "PUT"], "max_age_seconds": 60});
    story.api.plugin("cors", on_route(), cors).await;
    story.api.plugin("key-auth", on_route(), json!({})).await;
    let preflight = |origin: &str| {
        let call = story.proxy.call("OPTIONS", "/echo").header("origin", origin);
        call.header("access-control-request-method", "PUT")
            .header("access-control-request-headers", "x-api-key")
    };
    let allowed = preflight("https://shop.example.org").send().await;
    assert!(matches!(allowed.status, 200 | 204), "{}", allowed.status);
    assert_eq!(
        allowed.header("access-control-allow-origin"),
        "https://shop.example.org"
    );
    assert_eq!(allowed.header("access-control-allow-methods"), "GET, PUT");
    assert_eq!(allowed.header("access-control-allow-headers"), "x-api-key");
    assert_eq!(allowed.header("access-control-max-age"), "60");
    assert!(
        allowed.header("vary").to_lowercase().contains("origin"),
        "{}",
        allowed.header("vary")
    );
    let denied = preflight("https://example.org.evil.example").send().await;
    denied.expect_refusal(403, "origin_denied");
    assert_eq!(story.echo.seen().len(), 0, "the gateway answers for the service");

    // A page can read why it was refused.
    let call = story
        .proxy
        .call("GET", "/echo")
        .header("origin", "https://shop.example.org");
    let refused = call.send().await.expect_refusal(401, "credential_missing");
    assert_eq!(
        refused.header("access-control-allow-origin"),
        "https://shop.example.org"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_sees_the_transformed_request() {
    let story = begin().await;
    let config = json!({
        "headers": {
            "remove": ["x-internal-debug"],
            "rename": [{"from": "x-tenant", "to": "x-tenant-id"}],
            "set": [{"name": "x-source", "value": "gateway"}],
            "add": [{"name": "x-tag", "value": "a"}],
        },
        "query": {"set": [{"name": "version", "value": "2"}], "remove": ["debug"]},
    });
    story.api.plugin("request-transform", on_route(), config).await;
    let call = story.proxy.call("GET", "/echo?debug=1&version=1&page=3");
    let call = call
        .header("x-internal-debug", "1")
        .header("x-tenant", "acme")
        .header("x-source", "forged");
    let seen = call.header("x-tag", "b").send().await.expect(200).body;
    let headers = &seen["headers"];
    assert_eq!(headers.get("x-internal-debug").or(headers.get("x-tenant")), None);
    assert_eq!(
        (&headers["x-tenant-id"], &headers["x-source"]),
        (&json!(["acme"]), &json!(["gateway"]))
    );
    assert_eq!(headers["x-tag"], json!(["b", "a"]));
    let query = seen["query"].as_str().expect("a query");
    let mut pairs: Vec<&str> = query.split('&').collect();
    pairs.sort_unstable();
    assert_eq!(pairs, ["page=3", "version=2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_stays_with_the_gateway_wherever_it_was_sent() {
    let story = begin().await;
    let (api, proxy) = (&story.api, &story.proxy);
    let config = json!({"headers": ["x-api-key", "apikey"], "query_parameters": ["key"], "bearer": true});
    let plugin = api.plugin("key-auth", on_route(), config).await;
    api.make("/consumers", json!({"name": "caller", "custom_id": "crm-7"}))
        .await;
    let key = api.key("caller").await.secret;
    for call in [
        proxy.call("GET", "/echo?a=1").header("apikey", &key),
        proxy
            .call("GET", "/echo?a=1")
            .header("authorization", &format!("Bearer {key}")),
        proxy.call("GET", &format!("/echo?key={key}&a=1")),
    ] {
        let seen = call
            .header("x-consumer-username", "forged")
            .send()
            .await
            .expect(200)
            .body;
        assert!(!seen.to_string().contains(&key), "{seen:#}");
        assert_eq!(seen["query"], "a=1");
        let headers = &seen["headers"];
        assert_eq!(headers["x-consumer-username"], json!(["caller"]));
        assert_eq!(headers["x-consumer-custom-id"], json!(["crm-7"]));
        assert_eq!(headers.get("authorization"), None);
    }
    let two = proxy
        .call("GET", "/echo")
        .header("x-api-key", &key)
        .header("apikey", "another");
    two.send().await.expect_refusal(400, "bad_request");
    let path = format!("/plugins/{}", plugin["id"].as_str().expect("an id"));
    api.patch(&path, &json!({"config": {"hide_credentials": false}}))
        .await
        .expect(200);
    let seen = proxy.get_with_key("/echo", &key).await.expect(200).body;
    assert_eq!(seen["headers"]["x-api-key"], json!([key]));
    for (name, text) in [
        ("said", story.stack.gateway(0).program().said()),
        ("logged", story.stack.log()),
    ] {
        assert!(!text.contains(&key), "the key was {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_without_a_key_count_as_the_anonymous_consumer() {
    let story = begin().await;
    let (api, proxy) = (&story.api, &story.proxy);
    let anonymous = api.make("/consumers", json!({"name": "anybody"})).await;
    api.make("/consumers", json!({"name": "caller"})).await;
    let key = api.key("caller").await.secret;
    api.plugin("key-auth", on_route(), json!({"anonymous_consumer": anonymous["name"]}))
        .await;
    let limits = json!({"limits": [{"requests": 2, "window_seconds": 3600}]});
    api.plugin("rate-limit", json!({"consumer": "anybody"}), limits).await;
    let seen = proxy.get("/echo").await.expect(200).body;
    assert_eq!(seen["headers"]["x-consumer-username"], json!(["anybody"]));
    assert_eq!(seen["headers"]["x-anonymous-consumer"], json!(["true"]));
    proxy.get("/echo").await.expect(200);
    proxy.get("/echo").await.expect_refusal(429, "rate_limited");
    let seen = proxy.get_with_key("/echo", &key).await.expect(200).body;
    assert_eq!(seen["headers"].get("x-anonymous-consumer"), None);
    let wrong = proxy.get_with_key("/echo", &format!("{key}x")).await;
    wrong.expect_refusal(401, "credential_unknown");
}
