//! A real gateway in front of a real server, over real sockets.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use gateway::Gateway;
use serde_json::json;
use support::{Configuration, Upstream, get, raw};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread")]
async fn a_request_reaches_the_service_with_the_headers_that_it_shall_see() {
    let upstream = Upstream::start().await;
    let gateway = Configuration::new()
        .service(1, &format!("http://{}/base", upstream.address))
        .route(2, 1, "/api")
        .start();
    let request = "GET /api/items/%7e?q=a%20b HTTP/1.1\r\nHost: shop.example:8080\r\nX-Forwarded-For: 6.6.6.6\r\n\
                   X-Consumer-Username: evil\r\nX_Consumer_Username: evil\r\nX-Request-Id: chosen-by-client\r\nX-Kept: 1\r\n\
                   Connection: close, x-hop\r\nX-Hop: 1\r\n\r\n";
    let answer = raw(gateway.proxy_addresses()[0], request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let seen = upstream.last_request();
    assert!(seen.starts_with("GET /base/items/~?q=a%20b HTTP/1.1"), "{seen}");
    let lower = seen.to_lowercase();
    for line in [
        &format!("host: {}", upstream.address),
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-proto: http",
        "x-forwarded-host: shop.example:8080",
        "x-forwarded-port: 8080",
        "x-forwarded-prefix: /api",
        "x-real-ip: 127.0.0.1",
        "x-kept: 1",
    ] {
        assert!(lower.contains(line), "{line} is not in\n{seen}");
    }
    for part in ["evil", "6.6.6.6", "chosen-by-client", "x-hop"] {
        assert!(!lower.contains(part), "{part} is in\n{seen}");
    }
    assert!(
        answer.to_lowercase().contains("x-request-id: ") && answer.contains("via: 1.1 gatehouse"),
        "{answer}"
    );
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_answers_itself_has_a_reason() {
    let upstream = Upstream::start().await;
    let gateway = Configuration::new()
        .service(1, &format!("http://{}", upstream.address))
        .service(3, "http://127.0.0.1:1")
        .route_with(2, 1, json!({"paths": ["/api"], "methods": ["GET"]}))
        .route(4, 3, "/dead")
        .start();
    let address = gateway.proxy_addresses()[0];
    for (request, status, code) in [
        ("GET /nothing HTTP/1.1\r\nHost: a\r\n", 404, "route_not_found"),
        (
            "POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n",
            405,
            "method_not_allowed",
        ),
        ("GET /api/../x HTTP/1.1\r\nHost: a\r\n", 400, "path_rejected"),
        ("GET /api/%2e%2e/x HTTP/1.1\r\nHost: a\r\n", 400, "path_rejected"),
        ("GET /api/a%2fb HTTP/1.1\r\nHost: a\r\n", 400, "path_rejected"),
        ("GET /api HTTP/1.1\r\nHost: a/b\r\n", 400, "host_rejected"),
        (
            "POST /dead HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n",
            413,
            "body_too_large",
        ),
        ("GET /dead HTTP/1.1\r\nHost: a\r\n", 502, "upstream_unreachable"),
    ] {
        let answer = raw(address, format!("{request}Connection: close\r\n\r\n").as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {answer}");
        assert!(
            answer.contains("application/problem+json") && answer.contains(&format!("\"reason\":\"{code}\"")),
            "{answer}"
        );
    }
    let answer = raw(
        address,
        b"GET /api HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let answer = raw(address, b"DELETE /api HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(answer.to_lowercase().contains("allow: get"), "{answer}");
    gateway.stop().await;
}

/// Sends a request with a large body in the way of a client that reads nothing before it has sent all.
async fn upload(address: std::net::SocketAddr, head: &str, piece: &[u8], times: usize) -> String {
    let talking = async {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(head.as_bytes()).await.expect("the head is sent");
        for _ in 0..times {
            stream.write_all(piece).await.expect("the body is sent");
        }
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("read to the end");
        String::from_utf8_lossy(&answer).into_owned()
    };
    timeout(Duration::from_secs(20), talking).await.expect("in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_reads_that_its_body_is_too_large_although_it_is_still_sending() {
    let upstream = Upstream::start().await;
    let gateway = Configuration::new()
        .service(1, &format!("http://{}", upstream.address))
        .route(2, 1, "/")
        .start();
    let address = gateway.proxy_addresses()[0];
    let mebibyte = vec![b'x'; 1 << 20];
    let declared = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 20 << 20);
    let chunk = [b"100000\r\n".as_slice(), &mebibyte, b"\r\n"].concat();
    let growing = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    for (head, piece) in [(declared.as_str(), &mebibyte), (growing, &chunk)] {
        let answer = upload(address, head, piece, 20).await;
        assert!(
            answer.starts_with("HTTP/1.1 413") && answer.contains("body_too_large"),
            "{answer}"
        );
        assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_follows_a_request_whose_end_is_not_sure() {
    let upstream = Upstream::start().await;
    let gateway = Configuration::new()
        .service(1, &format!("http://{}", upstream.address))
        .route(2, 1, "/")
        .start();
    for framing in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Content-Length: 4\r\nContent-Length: 5",
        "Transfer-Encoding: identity",
    ] {
        let smuggled =
            format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = raw(gateway.proxy_addresses()[0], smuggled.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{framing}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{framing}: {answer}");
    }
    assert_eq!(upstream.count(), 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_ends_when_its_client_expects_it() {
    let upstream = Upstream::start().await;
    let gateway = Configuration::new()
        .service(1, &format!("http://{}", upstream.address))
        .route(2, 1, "/api")
        .start();
    for path in ["/api", "/nowhere"] {
        for head in ["HTTP/1.0\r\nHost: a", "HTTP/1.1\r\nHost: a\r\nConnection: close"] {
            let request = format!("GET {path} {head}\r\n\r\n");
            let answer = raw(gateway.proxy_addresses()[0], request.as_bytes()).await;
            assert!(answer.starts_with("HTTP/1."), "{head}: {answer}");
        }
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_the_route_and_limits_count() {
    let upstream = Upstream::start().await;
    let gateway = Configuration::new()
        .service(1, &format!("http://{}", upstream.address))
        .route(2, 1, "/api")
        .plugin(3, "key-auth", json!({"route": support::id(2)}), json!({}))
        .plugin(
            4,
            "rate-limit",
            json!({"route": support::id(2)}),
            json!({"limits": [{"requests": 2, "window_seconds": 600}]}),
        )
        .plugin(5, "cors", json!({}), json!({}))
        .consumer(10, "fjord")
        .key(11, 10, "secret-key")
        .start();
    let address = gateway.proxy_addresses()[0];
    let missing = get(address, "/api", &[("origin", "https://a.example")]).await;
    assert_eq!(missing.status, 401);
    assert!(
        missing.header("access-control-allow-origin").is_some(),
        "a page may read why it was refused"
    );
    for left in [1, 0] {
        let answer = get(address, "/api", &[("x-api-key", "secret-key")]).await;
        assert_eq!(answer.status, 200);
        assert!(
            answer
                .header("ratelimit")
                .is_some_and(|value| value.contains(&format!("r={left};"))),
            "{answer:?}"
        );
    }
    let seen = upstream.last_request().to_lowercase();
    assert!(
        seen.contains("x-consumer-username: fjord") && !seen.contains("secret-key"),
        "{seen}"
    );
    let refused = get(address, "/api", &[("x-api-key", "secret-key")]).await;
    assert_eq!(refused.status, 429);
    assert!(refused.header("retry-after").is_some() && refused.body.contains("rate_limited"));
    let preflight = raw(
        address,
        b"OPTIONS /api HTTP/1.1\r\nHost: a\r\nOrigin: https://a.example\r\nAccess-Control-Request-Method: PUT\r\nConnection: close\r\n\r\n",
    );
    assert!(preflight.await.starts_with("HTTP/1.1 204"));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_share_by_weight_and_a_dead_one_is_passed_over() {
    let (one, two) = (Upstream::start().await, Upstream::start().await);
    let gateway = Configuration::new()
        .upstream(20)
        .target(21, 20, &one.address.to_string(), 3)
        .target(22, 20, &two.address.to_string(), 1)
        .target(23, 20, "127.0.0.1:1", 1)
        .service_on(1, 20)
        .route(2, 1, "/")
        .start();
    for _ in 0..10 {
        assert_eq!(get(gateway.proxy_addresses()[0], "/", &[]).await.status, 200);
    }
    assert_eq!(one.count() + two.count(), 10);
    assert!(one.count() > two.count());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgraded_connection_talks_both_ways() {
    let upstream = Upstream::start().await;
    let gateway = Configuration::new()
        .service(1, &format!("http://{}", upstream.address))
        .route(2, 1, "/ws")
        .start();
    let mut stream = TcpStream::connect(gateway.proxy_addresses()[0])
        .await
        .expect("connected");
    let request = b"GET /ws/echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request).await.expect("written");
    let mut head = vec![0; 12];
    stream.read_exact(&mut head).await.expect("an answer");
    assert_eq!(head, b"HTTP/1.1 101");
    stream.write_all(b"ping").await.expect("written");
    let mut text = Vec::new();
    let mut piece = [0; 256];
    while !String::from_utf8_lossy(&text).contains("ping") {
        let read = timeout(Duration::from_secs(5), stream.read(&mut piece))
            .await
            .expect("in time")
            .expect("an echo");
        assert!(read > 0, "closed after {}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&piece[..read]);
    }
    drop(stream);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_is_no_body_and_has_no_end_by_size() {
    let upstream = Upstream::start().await;
    let gateway = Configuration::new()
        .service(1, &format!("http://{}", upstream.address))
        .route(2, 1, "/ws")
        .start();
    let mut stream = TcpStream::connect(gateway.proxy_addresses()[0])
        .await
        .expect("connected");
    let request = b"GET /ws/echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request).await.expect("written");
    stream.set_nodelay(true).expect("an option");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("an answer"));
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    // One piece at a time: each is back before the next one goes.
    let (sent, mut echoed) = (vec![b'x'; 64 * 1024], vec![0; 64 * 1024]);
    for round in 0..12 * 16 {
        stream.write_all(&sent).await.expect("written");
        let read = timeout(Duration::from_secs(10), stream.read_exact(&mut echoed)).await;
        read.expect("in time")
            .unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
    assert_eq!(echoed, sent);
    drop(stream);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stripping_a_prefix_opens_no_way_up() {
    let upstream = Upstream::start().await;
    let gateway = Configuration::new()
        .service(1, &format!("http://{}/base", upstream.address))
        .route(2, 1, "/ex")
        .route_with(3, 1, json!({"paths": ["/keep"], "encoded_slashes": "keep"}))
        .start();
    for path in [
        "/ex../admin",
        "/ex./admin",
        "/ex..;x/admin",
        "/ex%2e%2e/admin",
        "/keep/..%2F..%2Fadmin",
        "/keep..%2Fadmin",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = raw(gateway.proxy_addresses()[0], request.as_bytes()).await;
        assert!(
            answer.starts_with("HTTP/1.1 400") && answer.contains("path_rejected"),
            "{path}: {answer}"
        );
    }
    assert_eq!(upstream.count(), 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_shorter_than_the_preface_of_http_2_is_answered() {
    let gateway = Configuration::new().start();
    let answer = raw(gateway.proxy_addresses()[0], b"GET / HTTP/1.0\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.1 404") || answer.starts_with("HTTP/1.0 404"),
        "{answer}"
    );
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_about_one_connection_stays_on_it() {
    let upstream = Upstream::start().await;
    let gateway = Configuration::new()
        .service(1, &format!("http://{}", upstream.address))
        .route(2, 1, "/api")
        .start();
    let answer = get(
        gateway.proxy_addresses()[0],
        "/api",
        &[("x-consumer-groups", "admin"), ("x-forwarded-user", "me")],
    )
    .await;
    assert_eq!((answer.status, answer.header("server")), (200, Some("echo")));
    assert_eq!((answer.header("x-hop"), answer.header("keep-alive")), (None, None));
    let seen = upstream.last_request().to_lowercase();
    assert!(
        !seen.contains("x-consumer-groups") && !seen.contains("x-forwarded-user"),
        "{seen}"
    );
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_leads_back_is_stopped_soon() {
    let place = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = place.local_addr().expect("an address");
    drop(place);
    let configuration = Configuration::new()
        .service(1, &format!("http://{address}"))
        .route_with(2, 1, json!({"paths": ["/loop"], "strip_path": false}));
    let gateway = Gateway::start(gateway::Config {
        proxy_listen: vec![address],
        ..configuration.config()
    })
    .expect("started");
    let answer = get(address, "/loop", &[]).await;
    assert_eq!(answer.status, 508, "{answer:?}");
    assert!(answer.body.contains("loop_detected"), "{}", answer.body);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_requests_end_and_takes_no_new_ones() {
    let upstream = Upstream::start().await;
    let gateway = Configuration::new()
        .service(1, &format!("http://{}", upstream.address))
        .route(2, 1, "/")
        .start();
    let address = gateway.proxy_addresses()[0];
    let slow = tokio::spawn(async move { get(address, "/slow", &[]).await });
    upstream.wait_for(1).await;
    let stopping = tokio::spawn(gateway.stop());
    let answer = timeout(Duration::from_secs(10), slow)
        .await
        .expect("in time")
        .expect("an answer");
    assert_eq!(answer.status, 200);
    timeout(Duration::from_secs(10), stopping)
        .await
        .expect("in time")
        .expect("stopped");
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics_are_answered() {
    let upstream = Upstream::start().await;
    let gateway = Configuration::new()
        .service(1, &format!("http://{}", upstream.address))
        .route(2, 1, "/")
        .start();
    get(gateway.proxy_addresses()[0], "/", &[]).await;
    let status = gateway.status_address();
    assert_eq!(get(status, "/livez", &[]).await.status, 200);
    assert!(get(status, "/readyz", &[]).await.body.contains("revision 1"));
    support::eventually(async || {
        let metrics = get(status, "/metrics", &[]).await.body;
        metrics.contains("gatehouse_requests_total{method=\"GET\",route=\"r2\",service=\"s1\",status=\"2xx\"} 1")
    })
    .await;
    gateway.stop().await;
}

/// `raw` ends with the connection, which only `Connection: close` asks for in HTTP/1.1.
#[tokio::test(flavor = "multi_thread")]
async fn the_status_port_leaves_no_connection_open_to_who_cannot_use_it() {
    let gateway = Configuration::new().start();
    let status = gateway.status_address();
    for request in [
        "GET /livez HTTP/1.0\r\n\r\n",
        "GET /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    ] {
        let answer = raw(status, request.as_bytes()).await.to_ascii_lowercase();
        assert!(
            answer.contains("connection: close") && answer.ends_with("alive\n"),
            "{answer}"
        );
    }
    // Others may go on: two answers come before the end.
    let first = "GET /livez HTTP/1.1\r\nhost: a\r\n\r\n";
    let last = "GET /readyz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answers = raw(status, format!("{first}{last}").as_bytes()).await;
    assert!(
        answers.contains("alive\n") && answers.contains("ready, revision 1"),
        "{answers}"
    );
    gateway.stop().await;
}

/// Slow scrapers and port scans leave the descriptors to clients.
#[tokio::test(flavor = "multi_thread")]
async fn the_status_port_has_a_bound_of_connections() {
    let gateway = Configuration::new().start();
    let status = gateway.status_address();
    let mut held = Vec::new();
    for _ in 0..256 {
        held.push(TcpStream::connect(status).await.expect("a connection"));
    }
    support::eventually(async || {
        let mut one_more = TcpStream::connect(status).await.expect("a connection");
        let read = timeout(Duration::from_secs(5), one_more.read(&mut [0; 8])).await;
        // Closed at once, which those that are held are not.
        matches!(read, Ok(Ok(0) | Err(_)))
    })
    .await;
    drop(held);
    support::eventually(async || {
        let request = b"GET /livez HTTP/1.0\r\n\r\n";
        let mut stream = TcpStream::connect(status).await.expect("a connection");
        let mut answer = Vec::new();
        stream.write_all(request).await.is_ok()
            && stream.read_to_end(&mut answer).await.is_ok()
            && answer.ends_with(b"alive\n")
    })
    .await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_named_with_its_setting() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let mut config = Configuration::new().config();
    config.proxy_listen = vec![address];
    let error = Gateway::start(config).expect_err("taken").to_string();
    assert!(
        error.contains(&address.to_string()) && error.contains("GATEHOUSE_PROXY_LISTEN"),
        "{error}"
    );
}
