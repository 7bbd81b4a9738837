//! G-9: what is too large is refused before a service hears of it.

use super::client::{connect, conversation, converse, read_until};
use super::{open_gateway, refused_by};
use tokio::io::AsyncWriteExt as _;

#[tokio::test(flavor = "multi_thread")]
async fn g_9_what_is_too_large_is_refused_before_the_service_is_asked() {
    let (gateway, recorder) = open_gateway().await;
    let address = gateway.proxy_addresses()[0];
    let target = "a".repeat(8_192);
    let fields = "X-A: b\r\n".repeat(100);
    let value = "a".repeat(32 * 1024);
    for (request, status, reason) in [
        (
            format!("GET /{target} HTTP/1.1\r\nHost: a\r\n\r\n"),
            414,
            "target_too_long",
        ),
        (
            format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"),
            431,
            "header_too_large",
        ),
        (
            format!("GET / HTTP/1.1\r\nHost: a\r\nX-A: {value}\r\n\r\n"),
            431,
            "header_too_large",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10485761\r\n\r\n".to_owned(),
            413,
            "body_too_large",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: something\r\nContent-Length: 1\r\n\r\n".to_owned(),
            417,
            "expectation_failed",
        ),
    ] {
        let conversation = converse(address, request.as_bytes()).await;
        let start = &request[..60.min(request.len())];
        assert_eq!(conversation.statuses, [status], "{start:?}: {}", conversation.text);
        assert!(
            conversation.text.contains(&format!("\"reason\":\"{reason}\"")),
            "{}",
            conversation.text
        );
    }
    assert_eq!(recorder.begun(), 0);
    for rule in ["target_length", "header_size", "expectation"] {
        refused_by(&gateway, rule).await;
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_9_what_is_just_not_too_large_is_served() {
    let (gateway, recorder) = open_gateway().await;
    let address = gateway.proxy_addresses()[0];
    let target = "a".repeat(8_191);
    let fields = "X-A: b\r\n".repeat(98);
    let value = "a".repeat(30 * 1024);
    for request in [
        format!("GET /{target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}Connection: close\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\nX-A: {value}\r\nConnection: close\r\n\r\n"),
    ] {
        let conversation = converse(address, request.as_bytes()).await;
        assert_eq!(conversation.statuses, [200], "{}", conversation.text);
    }
    assert_eq!(recorder.seen().len(), 3);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_9_a_chunked_body_ends_at_the_limit() {
    let (gateway, recorder) = open_gateway().await;
    let mut stream = connect(gateway.proxy_addresses()[0]).await;
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    stream.write_all(head).await.expect("written");
    for _ in 0..161 {
        // The gateway hangs up before the last one.
        let _ = stream.write_all(&chunk).await;
    }
    let conversation = conversation(&mut stream).await;
    assert!(
        matches!(conversation.statuses.as_slice(), [413] | []),
        "{}",
        conversation.text
    );
    assert!(recorder.seen().is_empty());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_8_a_head_may_come_byte_by_byte() {
    let (gateway, recorder) = open_gateway().await;
    let mut stream = connect(gateway.proxy_addresses()[0]).await;
    let request = format!("GET /drip HTTP/1.1\r\nHost: a\r\nX-A: {}\r\n\r\n", "a".repeat(2_000));
    for byte in request.as_bytes() {
        stream.write_all(&[*byte]).await.expect("written");
    }
    let answer = read_until(&mut stream, "ok").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(recorder.seen()[0].target, "/drip");
    gateway.stop().await;
}
