//! Calls of gRPC through a real gateway.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gateway::Running;
use h2::Reason;
use http::Request;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;
use support::http2::{Client, Notice, Service, message};
use support::{Configuration, eventually, get, raw};
use tokio_rustls::TlsAcceptor;

async fn gateway_to(service: &Service) -> (Running, Client) {
    let gateway = Configuration::new()
        .service(1, &format!("grpc://{}", service.address))
        .route_with(2, 1, json!({"paths": ["/t.T"], "strip_path": false}))
        .start();
    let client = Client::connect(gateway.proxy_addresses()[0]).await;
    (gateway, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_comes_back_with_its_trailers() {
    let mut service = Service::start(None).await;
    let (gateway, mut client) = gateway_to(&service).await;
    let answer = client
        .unary("Unary", &[("grpc-timeout", "10S")], b"hello")
        .await
        .expect("an answer");
    assert_eq!((answer.status, &answer.body), (200, &message(b"hello")), "{answer:?}");
    let trailers = answer.trailers.expect("trailers");
    assert_eq!(
        (&trailers["grpc-status"], &trailers["grpc-message"]),
        (&"0".parse().expect("a value"), &"as asked".parse().expect("a value"))
    );
    let seen = service.began().await;
    assert_eq!(
        (&seen["te"], &seen["grpc-timeout"]),
        (&"trailers".parse().expect("a value"), &"10S".parse().expect("a value"))
    );
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_message_passes_and_one_that_is_too_large_does_not() {
    let service = Service::start(None).await;
    let (gateway, mut client) = gateway_to(&service).await;
    let large = vec![7; 8 << 20];
    let answer = client.unary("Unary", &[], &large).await.expect("an answer");
    assert_eq!(answer.body.len(), large.len() + 5);
    assert_eq!(answer.trailers.expect("trailers")["grpc-status"], "0");
    let answer = client.unary("Unary", &[], &vec![7; 11 << 20]).await.expect("an answer");
    assert_eq!(answer.only(), Some("8"), "{answer:?}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_both_ways_answers_each_message_as_it_comes() {
    let service = Service::start(None).await;
    let (gateway, mut client) = gateway_to(&service).await;
    let mut call = client.call("Bidi", &[]).await;
    for round in 0..20_u8 {
        call.send(&[round; 100]).await;
        let mut echo = Vec::new();
        while echo.len() < 105 {
            echo.extend_from_slice(&call.receive().await.expect("a piece").expect("no end"));
        }
        assert_eq!(echo, message(&[round; 100]));
    }
    call.send.send_data(Bytes::new(), true).expect("sent");
    assert_eq!(call.receive().await.expect("an end"), None);
    assert_eq!(call.trailers().await.expect("trailers")["grpc-status"], "0");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_may_be_longer_than_any_body() {
    let service = Service::start(None).await;
    let (gateway, mut client) = gateway_to(&service).await;
    let mut call = client.call("Bidi", &[]).await;
    let mut echoed = 0;
    for _ in 0..270 {
        call.send(&vec![1; 48 << 10]).await;
        let mut missing = (48 << 10) + 5;
        while missing > 0 {
            let piece = call.receive().await.expect("a piece").expect("no end");
            (missing, echoed) = (missing - piece.len(), echoed + piece.len());
        }
    }
    assert!(echoed > 12 << 20);
    drop(call);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_do_not_read_stop_nobody_else_who_shares_their_connection() {
    let mut service = Service::start(None).await;
    let (gateway, mut client) = gateway_to(&service).await;
    let mut unread = Vec::new();
    for _ in 0..32 {
        unread.push(client.call("Flood", &[]).await);
    }
    let mut full = 0;
    while full < unread.len() {
        full += usize::from(service.notice().await == Notice::Full);
    }
    let mut other = Client::connect(gateway.proxy_addresses()[0]).await;
    let answer = other.unary("Unary", &[], b"hello").await.expect("an answer");
    assert_eq!(answer.body, message(b"hello"));
    drop((unread, client));
    gateway.stop().await;
}

fn acceptor() -> TlsAcceptor {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["orders.internal".to_owned()]).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![cert.der().clone()],
            PrivateKeyDer::Pkcs8(signing_key.serialize_der().into()),
        )
        .expect("a configuration");
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_over_tls_are_asked_for_their_health_as_their_services_reach_them() {
    let service = Service::start(Some(acceptor())).await;
    for (kind, tls_verify, health) in [
        ("grpcs", false, "healthy"),
        // Nobody vouches for its certificate.
        ("grpcs", true, "unhealthy"),
        ("grpc", false, "unhealthy"),
    ] {
        let mut configuration = Configuration::new()
            .upstream(20)
            .target(21, 20, &service.address.to_string(), 1)
            .service_on(1, 20);
        let active = json!({"kind": kind, "interval_ms": 100, "healthy_threshold": 1, "unhealthy_threshold": 1});
        for (index, member, value) in [
            (0, "health", json!({"active": active})),
            (2, "protocol", json!("grpcs")),
            (2, "tls_verify", json!(tls_verify)),
        ] {
            configuration.0[index].body.as_mut().expect("a body")[member] = value;
        }
        let gateway = configuration.start();
        let line = format!("gatehouse_upstream_targets{{health=\"{health}\",upstream=\"u20\"}} 1");
        eventually(async || {
            get(gateway.status_address(), "/metrics", &[])
                .await
                .body
                .contains(&line)
        })
        .await;
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_trailers_alone_stays_one() {
    let service = Service::start(None).await;
    let (gateway, mut client) = gateway_to(&service).await;
    let answer = client.unary("Only", &[], b"").await.expect("an answer");
    assert_eq!(answer.only(), Some("5"), "{answer:?}");
    assert_eq!(answer.headers["grpc-message"], "as asked");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_refuses_is_told_in_the_words_of_grpc() {
    let service = Service::start(None).await;
    let gateway = Configuration::new()
        .service(1, &format!("grpc://{}", service.address))
        .service(3, "grpc://127.0.0.1:1")
        .route_with(2, 1, json!({"paths": ["/t.T/Unary"], "strip_path": false}))
        .route_with(4, 3, json!({"paths": ["/t.T/Dead"], "strip_path": false}))
        .plugin(5, "key-auth", json!({"route": support::id(2)}), json!({}))
        .start();
    let mut client = Client::connect(gateway.proxy_addresses()[0]).await;
    for (method, status, words) in [
        ("Unary", "16", "Key missing"),
        ("Nowhere", "12", "No route"),
        ("Dead", "14", "Service not reachable"),
    ] {
        let answer = client.unary(method, &[], b"x").await.expect("an answer");
        assert_eq!(answer.only(), Some(status), "{method}: {answer:?}");
        assert_eq!(answer.headers["content-type"], "application/grpc");
        let said = answer.headers["grpc-message"].to_str().expect("text");
        assert!(said.starts_with(words), "{said}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_ends_when_its_own_time_is_over() {
    let mut service = Service::start(None).await;
    let (gateway, mut client) = gateway_to(&service).await;
    let answer = client
        .unary("Hang", &[("grpc-timeout", "300m")], b"x")
        .await
        .expect("an answer");
    assert_eq!(answer.only(), Some("4"), "{answer:?}");
    service.began().await;
    assert_eq!(service.notice().await, Notice::Reset(Reason::CANCEL));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_cancels_cancels_at_the_service_by_the_same_code() {
    let mut service = Service::start(None).await;
    let (gateway, mut client) = gateway_to(&service).await;
    for method in ["Hang", "Stream"] {
        for whole in [false, true] {
            let mut call = client.call(method, &[]).await;
            call.send(b"x").await;
            service.began().await;
            if whole {
                call.send.send_data(Bytes::new(), true).expect("sent");
            }
            if method == "Stream" {
                assert_eq!(call.receive().await.expect("a piece"), Some(message(b"first")));
            }
            call.send.send_reset(Reason::NO_ERROR);
            let notice = service.notice().await;
            assert_eq!(notice, Notice::Reset(Reason::NO_ERROR), "{method}, whole: {whole}");
        }
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_breaks_a_call_off_breaks_it_for_the_client_by_the_same_code() {
    let service = Service::start(None).await;
    let (gateway, mut client) = gateway_to(&service).await;
    let mut call = client.call("Break", &[]).await;
    assert_eq!(call.receive().await.expect("a piece"), Some(message(b"half")));
    call.send(b"go on").await;
    let error = call.receive().await.expect_err("it is broken");
    assert_eq!(error.reason(), Some(Reason::ENHANCE_YOUR_CALM));
    let answer = client.unary("Refuse", &[], b"x").await.expect("an answer");
    assert_eq!(answer.only(), Some("14"), "{answer:?}");
    gateway.stop().await;
}

fn web_call(method: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /t.T/{method} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nX-Grpc-Web: 1\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// The body of a chunked response.
fn dechunked(text: &str) -> (String, Vec<u8>) {
    let (head, mut rest) = text.split_once("\r\n\r\n").expect("a head");
    let mut body = Vec::new();
    while let Some((size, behind)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a size");
        body.extend_from_slice(&behind.as_bytes()[..size]);
        rest = behind[size..].trim_start_matches("\r\n");
        if size == 0 {
            break;
        }
    }
    (head.to_lowercase(), body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_calls_in_text_over_http_1() {
    let mut service = Service::start(None).await;
    let (gateway, _client) = gateway_to(&service).await;
    // Two flushes, each with padding of its own.
    let call = message(b"hello");
    let body = STANDARD.encode(&call[..4]) + &STANDARD.encode(&call[4..]);
    let request = web_call("Unary", "application/grpc-web-text+proto", body.as_bytes());
    let (head, body) = dechunked(&raw(gateway.proxy_addresses()[0], &request).await);
    assert!(
        head.starts_with("http/1.1 200") && head.contains("content-type: application/grpc-web-text+proto"),
        "{head}"
    );
    let mut bytes = Vec::new();
    for part in String::from_utf8(body)
        .expect("text")
        .split_inclusive('=')
        .filter(|part| *part != "=")
    {
        let padded = format!(
            "{:=<1$}",
            part.trim_end_matches('='),
            part.trim_end_matches('=').len().next_multiple_of(4)
        );
        bytes.extend(STANDARD.decode(padded).expect("base64"));
    }
    assert!(bytes.starts_with(&call), "{}", bytes.escape_ascii());
    let frame = &bytes[call.len()..];
    assert_eq!(frame[0], 0x80);
    let lines = String::from_utf8_lossy(&frame[5..]);
    assert!(
        lines.contains("grpc-status: 0\r\n") && lines.contains("grpc-message: as asked\r\n"),
        "{lines}"
    );
    let seen = service.began().await;
    assert_eq!(seen["content-type"], "application/grpc+proto");
    assert!(
        seen.contains_key("te") && !seen.contains_key("content-length"),
        "{seen:?}"
    );
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_calls_in_binary_over_http_2() {
    let service = Service::start(None).await;
    let (gateway, mut client) = gateway_to(&service).await;
    let request = Request::post("http://a.example/t.T/Unary").header("content-type", "application/grpc-web");
    let (response, mut send) = client.begin(request.body(()).expect("a request"), false).await;
    send.send_data(message(b"hello"), true).expect("sent");
    let response = response.await.expect("a response");
    assert_eq!(response.headers()["content-type"], "application/grpc-web+proto");
    let body = support::http2::whole(&mut response.into_body()).await.expect("whole");
    assert!(
        body.starts_with(&message(b"hello")) && body.ends_with(b"\r\n"),
        "{}",
        body.escape_ascii()
    );
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_reads_the_status_of_a_call_that_failed() {
    let service = Service::start(None).await;
    let (gateway, _client) = gateway_to(&service).await;
    for (method, body, status) in [
        ("Only", &b"AAAAAAA="[..], "grpc-status: 5"),
        ("Unary", b"!!!!", "grpc-status: 3"),
        ("Unary", b"AAA", "grpc-status: 3"),
        ("Refuse", b"AAAAAAA=", "grpc-status: 14"),
    ] {
        let request = web_call(method, "application/grpc-web-text", body);
        let answer = raw(gateway.proxy_addresses()[0], &request).await.to_lowercase();
        assert!(
            answer.starts_with("http/1.1 200") && answer.contains(status),
            "{method}: {answer}"
        );
        assert!(
            answer.contains("content-type: application/grpc-web-text+proto"),
            "{method}: {answer}"
        );
    }
    let page = raw(
        gateway.proxy_addresses()[0],
        &web_call("Page", "application/grpc-web-text", b""),
    )
    .await;
    assert!(page.starts_with("HTTP/1.1 503") && page.contains("<p>down"), "{page}");
    gateway.stop().await;
}
