//! Services that answer badly, and what a client sees of it.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use gateway::Running;
use http::Request;
use serde_json::json;
use support::http2::{Client, whole};
use support::scripted::{Scripted, Then};
use support::{Configuration, get, raw};

const SAMPLE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n\r\nhello, world";
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello,\r\n6\r\n world\r\n0\r\n\r\n";

fn gateway_to(url: &str) -> Running {
    Configuration::new()
        .service_with(1, url, json!({"retries": 0, "response_timeout_ms": 600}))
        .route(2, 1, "/")
        .start()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_answer_is_told_by_reason_and_its_connection_is_not_used_again() {
    let interims = "HTTP/1.1 102 Processing\r\n\r\n".repeat(1000);
    let endless = format!("HTTP/1.1 200 OK\r\nX-A: {}", "a".repeat(200_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-A: a\r\n".repeat(1000));
    for bytes in [
        "garbage",
        "\r\n\r\n",
        "220 mail.example ESMTP\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5,5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-A: a\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX A: a\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nContent-Length: 8\r\n\r\nPOISONED",
        "HTTP/1.1 103 Early Hints\r\nContent-Length: 8\r\n\r\nPOISONED",
        &interims,
        &endless,
        &many,
    ] {
        let service = Scripted::start(bytes, Then::Stay).await;
        let gateway = gateway_to(&service.url());
        for round in 1..=2 {
            let answer = get(gateway.proxy_addresses()[0], "/", &[]).await;
            let start = &bytes[..bytes.len().min(80)];
            assert_eq!(answer.status, 502, "{start:?}: {answer:?}");
            assert!(answer.body.contains("upstream_reset"), "{start:?}: {answer:?}");
            assert_eq!(service.connections(), round, "{start:?}");
        }
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_never_ends_is_too_late() {
    for then in [Then::Stay, Then::Drip(Duration::from_millis(50))] {
        let bytes = if then == Then::Stay { &SAMPLE[..20] } else { SAMPLE };
        let service = Scripted::start(bytes, then).await;
        let gateway = gateway_to(&service.url());
        let answer = get(gateway.proxy_addresses()[0], "/", &[]).await;
        assert_eq!(answer.status, 504, "{then:?}: {answer:?}");
        assert!(answer.body.contains("upstream_timeout"), "{answer:?}");
        gateway.stop().await;
    }
}

/// Whether a client over HTTP/1 can see that this answer is not whole.
fn is_broken(answer: &str) -> bool {
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let head = head.to_lowercase();
    if head.contains("transfer-encoding: chunked") {
        return !body.ends_with("0\r\n\r\n");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| body.len() < length.parse().expect("a length"))
}

async fn over_http2(address: SocketAddr) -> Option<Vec<u8>> {
    let mut client = Client::connect(address).await;
    let request = Request::get("http://a.example/").body(()).expect("a request");
    // The reset may overtake the head.
    let response = client.begin(request, true).await.0.await.ok()?;
    assert_eq!(response.status(), 200);
    whole(&mut response.into_body()).await.map(|body| body.to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_anywhere_never_looks_whole() {
    for sample in [SAMPLE, CHUNKED] {
        let head = sample
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .expect("a head")
            + 4;
        for count in 0..sample.len() {
            let then = if count % 2 == 0 { Then::Close } else { Then::Reset };
            let service = Scripted::start(&sample[..count], then).await;
            let gateway = gateway_to(&service.url());
            let address = gateway.proxy_addresses()[0];
            let answer = raw(address, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
            // A reset may overtake what was sent before it.
            if count < head || answer.starts_with("HTTP/1.1 502") {
                assert!(
                    answer.starts_with("HTTP/1.1 502") && answer.contains("upstream_reset"),
                    "{count}: {answer}"
                );
            } else {
                assert!(is_broken(&answer), "{count} of {}: {answer}", sample.escape_ascii());
            }
            if count >= head && then == Then::Close {
                assert_eq!(over_http2(address).await, None, "{count} of {}", sample.escape_ascii());
            }
            gateway.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_that_make_no_sense_break_the_answer() {
    let line = "1".repeat(10_000);
    for body in [
        "5\r\nhello!\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "zz\r\n",
        line.as_str(),
    ] {
        let service = Scripted::start(
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}"),
            Then::Stay,
        )
        .await;
        let gateway = gateway_to(&service.url());
        for _ in 0..2 {
            let answer = raw(
                gateway.proxy_addresses()[0],
                b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            )
            .await;
            assert!(
                answer.starts_with("HTTP/1.1 502") || is_broken(&answer),
                "{body}: {answer}"
            );
        }
        assert_eq!(service.connections(), 2, "{body}");
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_behind_an_answer_belong_to_nobody() {
    let bytes = [SAMPLE, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsmuggled"].concat();
    let service = Scripted::start(bytes, Then::Stay).await;
    let gateway = gateway_to(&service.url());
    for round in 1..=3 {
        let answer = get(gateway.proxy_addresses()[0], "/", &[]).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "hello, world"));
        assert_eq!(service.connections(), round);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_closed_while_it_waited_is_not_noticed_by_clients() {
    let service = Scripted::start(SAMPLE, Then::Close).await;
    let gateway = gateway_to(&service.url());
    for round in 0..1000 {
        let answer = get(gateway.proxy_addresses()[0], "/", &[]).await;
        assert_eq!(answer.status, 200, "round {round}: {answer:?}");
    }
    assert_eq!(service.requests(), 1000);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_been_done_is_not_done_twice() {
    let service = Scripted::start("", Then::Close).await;
    let gateway = Configuration::new()
        .service_with(1, &service.url(), json!({"retries": 3}))
        .route(2, 1, "/")
        .start();
    let address = gateway.proxy_addresses()[0];
    let post = raw(
        address,
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(post.starts_with("HTTP/1.1 502"), "{post}");
    assert_eq!(service.requests(), 1);
    assert_eq!(get(address, "/", &[]).await.status, 502);
    assert_eq!(service.requests(), 1 + 4);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_target_is_asked_when_one_breaks_off() {
    let (bad, good) = (
        Scripted::start("", Then::Close).await,
        Scripted::start(SAMPLE, Then::Close).await,
    );
    let gateway = Configuration::new()
        .upstream(20)
        .target(21, 20, &bad.address.to_string(), 1)
        .target(22, 20, &good.address.to_string(), 1)
        .service_on(1, 20)
        .route(2, 1, "/")
        .start();
    for _ in 0..6 {
        assert_eq!(get(gateway.proxy_addresses()[0], "/", &[]).await.status, 200);
    }
    assert_eq!(good.requests(), 6);
    gateway.stop().await;
}
