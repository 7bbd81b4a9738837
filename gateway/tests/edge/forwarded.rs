//! G-12, G-13, G-14: nobody becomes somebody else by a header.

use serde_json::json;

use super::client::converse;
use super::open_gateway;
use super::recorder::Recorder;
use super::support::{Configuration, get, id};
use gateway::Gateway;

#[tokio::test(flavor = "multi_thread")]
async fn g_12_a_stranger_cannot_say_where_it_comes_from() {
    let (gateway, recorder) = open_gateway().await;
    let spoofs = [
        ("x-forwarded-for", "6.6.6.6"),
        ("X-FORWARDED-FOR", "6.6.6.6, 127.0.0.1"),
        ("x-real-ip", "6.6.6.6"),
        ("forwarded", "for=6.6.6.6"),
        ("x-forwarded-host", "6.6.6.6"),
        ("x-forwarded-proto", "6.6.6.6"),
        ("x-forwarded-port", "6666"),
        ("x_forwarded_for", "6.6.6.6"),
        ("x-request-id", "6.6.6.6-6.6.6.6"),
    ];
    for spoof in spoofs {
        assert_eq!(get(gateway.proxy_addresses()[0], "/", &[spoof]).await.status, 200);
        let seen = recorder.seen().pop().expect("one");
        assert_eq!(
            (seen.header("x-forwarded-for"), seen.header("x-real-ip")),
            (Some("127.0.0.1"), Some("127.0.0.1"))
        );
        let lied = seen
            .headers
            .iter()
            .any(|(_, value)| value.contains("6.6.6.6") || value == "6666");
        assert!(!lied, "{spoof:?}: {seen:?}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_12_behind_a_trusted_proxy_the_nearest_stranger_is_the_client() {
    let recorder = Recorder::start().await;
    let mut config = Configuration::new()
        .service(1, &format!("http://{}", recorder.address))
        .route(2, 1, "/")
        .plugin(
            3,
            "rate-limit",
            json!({"route": id(2)}),
            json!({"limits": [{"requests": 1, "window_seconds": 600}]}),
        )
        .config();
    config.trusted_proxies = vec![
        "127.0.0.0/8".parse().expect("a network"),
        "10.0.0.0/8".parse().expect("a network"),
    ];
    let gateway = Gateway::start(config).expect("started");
    let address = gateway.proxy_addresses()[0];
    for (forwarded, client, status) in [
        ("6.6.6.6, 1.2.3.4, 10.0.0.7", "1.2.3.4", 200),
        // What the client made up on the left does not make it another client.
        ("7.7.7.7, 1.2.3.4", "1.2.3.4", 429),
        ("1.2.3.5", "1.2.3.5", 200),
    ] {
        let answer = get(address, "/", &[("x-forwarded-for", forwarded)]).await;
        assert_eq!(answer.status, status, "{forwarded}: {answer:?}");
        if status == 200 {
            assert_eq!(recorder.seen().pop().expect("one").header("x-real-ip"), Some(client));
        }
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_that_a_trusted_proxy_took_off_stands_before_the_gateways_own() {
    for (trusted, path, said, seen) in [
        (true, "/api/items", Some("/outer/"), Some("/outer/api")),
        (true, "/api/items", Some("/first, /second"), Some("/first/second/api")),
        (true, "/api/items", Some("nonsense"), Some("/api")),
        (true, "/api/items", None, Some("/api")),
        (true, "/whole/items", Some("/outer"), Some("/outer")),
        (false, "/api/items", Some("/outer"), Some("/api")),
        (false, "/whole/items", Some("/outer"), None),
    ] {
        let recorder = Recorder::start().await;
        let mut config = Configuration::new()
            .service(1, &format!("http://{}", recorder.address))
            .route(2, 1, "/api")
            .route_with(3, 1, json!({"paths": ["/whole"], "strip_path": false}))
            .config();
        if trusted {
            config.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
        }
        let gateway = Gateway::start(config).expect("started");
        let headers: Vec<_> = said.map(|said| ("x-forwarded-prefix", said)).into_iter().collect();
        assert_eq!(get(gateway.proxy_addresses()[0], path, &headers).await.status, 200);
        let request = recorder.seen().pop().expect("one");
        assert_eq!(request.header("x-forwarded-prefix"), seen, "{trusted} {path} {said:?}");
        gateway.stop().await;
    }
}

/// What every service is told by the gateway.
const OURS: [&str; 6] = [
    "x-consumer-id",
    "x-consumer-username",
    "x-forwarded-for",
    "x-real-ip",
    "x-request-id",
    "host",
];

#[tokio::test(flavor = "multi_thread")]
async fn g_13_a_client_cannot_have_headers_removed_that_the_gateway_sets() {
    let recorder = Recorder::start().await;
    let gateway = Configuration::new()
        .service(1, &format!("http://{}", recorder.address))
        .route(2, 1, "/")
        .plugin(3, "key-auth", json!({"route": id(2)}), json!({}))
        .consumer(10, "fjord")
        .key(11, 10, "secret")
        .start();
    for listed in [
        "X-Mine",
        "X-Mine, X-Consumer-Id",
        "X-Mine, x-consumer-username",
        "x-mine, X-Forwarded-For",
        "x-mine, x-real-ip, x-request-id",
    ] {
        let before = recorder.seen().len();
        let request = format!(
            "POST / HTTP/1.1\r\nHost: a\r\nX-Api-Key: secret\r\nConnection: close, {listed}\r\nX-Mine: 1\r\nTE: trailers\r\n\
             Keep-Alive: 5\r\nProxy-Connection: keep-alive\r\nContent-Length: 5\r\n\r\nhello"
        );
        let conversation = converse(gateway.proxy_addresses()[0], request.as_bytes()).await;
        // To refuse is as good as not to obey.
        let refused = conversation.statuses == [400] && listed != "X-Mine";
        assert!(
            refused || conversation.statuses == [200],
            "{listed}: {}",
            conversation.text
        );
        for seen in recorder.seen().iter().skip(before) {
            assert!(
                OURS.iter().all(|name| seen.header(name).is_some()),
                "{listed}: {seen:?}"
            );
            let hops = ["x-mine", "keep-alive", "proxy-connection", "te"];
            assert!(
                hops.iter().all(|name| seen.header(name).is_none()),
                "{listed}: {seen:?}"
            );
        }
    }
    // Without these it would be another request.
    for listed in ["host", "content-length", "transfer-encoding"] {
        let request = format!(
            "POST / HTTP/1.1\r\nHost: a\r\nX-Api-Key: secret\r\nConnection: close, {listed}\r\nContent-Length: 5\r\n\r\nhello"
        );
        let conversation = converse(gateway.proxy_addresses()[0], request.as_bytes()).await;
        assert!(
            matches!(conversation.statuses.as_slice(), [200 | 400]),
            "{listed}: {}",
            conversation.text
        );
    }
    assert!(recorder.seen().iter().all(|seen| seen.body == b"hello"));
    assert!(recorder.faults().is_empty(), "{:?}", recorder.faults());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_14_a_client_cannot_say_who_it_is_in_any_spelling() {
    let (gateway, recorder) = open_gateway().await;
    for name in [
        "X-Consumer-Id",
        "x-consumer-username",
        "X-CONSUMER-CUSTOM-ID",
        "x-credential-identifier",
        "x-anonymous-consumer",
        "Proxy",
        "X-Original-URL",
        "X-Rewrite-Url",
        "x_consumer_id",
        "X_Consumer_Username",
        "x-consumer_username",
        "x_credential-identifier",
    ] {
        let answer = get(gateway.proxy_addresses()[0], "/", &[(name, "evil"), ("x-kept", "1")]).await;
        assert_eq!(answer.status, 200);
        let seen = recorder.seen().pop().expect("one");
        assert!(
            !seen.headers.iter().any(|(_, value)| value == "evil"),
            "{name}: {seen:?}"
        );
        assert_eq!(seen.header("x-kept"), Some("1"));
    }
    for name in [
        "X-Consumer-Id ",
        "X-Consumer-Id\0",
        "X Consumer Id",
        "X-Consumer-Id\u{e9}",
    ] {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{name}: evil\r\n\r\n");
        let conversation = converse(gateway.proxy_addresses()[0], request.as_bytes()).await;
        assert_eq!(conversation.statuses, [400], "{name:?}: {}", conversation.text);
    }
    gateway.stop().await;
}
