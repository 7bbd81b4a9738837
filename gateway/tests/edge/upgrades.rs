//! G-4, G-20: another protocol begins when the service says so, and not before.

use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::client::{connect, conversation, read_until};
use super::open_gateway;
use super::recorder::Recorder;
use super::support::scripted::{Scripted, Then};
use super::support::{Configuration, id};

const ASK: &str = "Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn g_4_bytes_after_a_refused_upgrade_are_requests_like_others() {
    let recorder = Recorder::start().await;
    let gateway = Configuration::new()
        .service(1, &format!("http://{}", recorder.address))
        .route_with(2, 1, json!({"paths": ["/open"], "strip_path": false}))
        .start();
    let mut stream = connect(gateway.proxy_addresses()[0]).await;
    let bytes = format!("GET /open/refuses HTTP/1.1\r\n{ASK}{SMUGGLED}");
    stream.write_all(bytes.as_bytes()).await.expect("written");
    let conversation = conversation(&mut stream).await;
    // The one that follows is matched anew, or not looked at because the connection ended.
    assert!(
        matches!(conversation.statuses.as_slice(), [200] | [200, 404]),
        "{}",
        conversation.text
    );
    let targets: Vec<_> = recorder.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(targets, ["/open/refuses"]);
    assert!(recorder.faults().is_empty(), "{:?}", recorder.faults());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_4_bytes_that_come_too_early_wait_for_the_switch() {
    let (gateway, recorder) = open_gateway().await;
    let mut stream = connect(gateway.proxy_addresses()[0]).await;
    let bytes = format!("GET /ws HTTP/1.1\r\n{ASK}{SMUGGLED}");
    stream.write_all(bytes.as_bytes()).await.expect("written");
    // The service switched, so the rest is its conversation: it comes back as an echo.
    let text = read_until(&mut stream, "GET /smuggled").await;
    assert!(text.starts_with("HTTP/1.1 101"), "{text}");
    assert_eq!(recorder.seen().len(), 1);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_4_http_2_is_not_smuggled_in_by_an_upgrade() {
    let (gateway, recorder) = open_gateway().await;
    for ask in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
        "Connection: Upgrade\r\nUpgrade: h2c",
        "Connection: Upgrade\r\nUpgrade: H2C",
        "Connection: Upgrade\r\nUpgrade: HTTP/2.0",
        "Connection: Upgrade\r\nUpgrade: h2c, websocket",
        "Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket",
    ] {
        let mut stream = connect(gateway.proxy_addresses()[0]).await;
        let begun = recorder.begun();
        let bytes = format!("GET /h2c HTTP/1.1\r\nHost: a\r\n{ask}\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        stream.write_all(bytes.as_bytes()).await.expect("written");
        let conversation = conversation(&mut stream).await;
        assert!(!conversation.text.contains("PRI *"), "{ask:?}: {}", conversation.text);
        assert!(recorder.begun() <= begun + 1, "{ask:?}");
        assert!(recorder.faults().is_empty(), "{:?}", recorder.faults());
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_4_what_could_be_read_as_two_wishes_is_none() {
    let (gateway, recorder) = open_gateway().await;
    for (method, ask) in [
        ("GET", "Upgrade: websocket, h2c\r\n\r\n"),
        ("GET", "Upgrade: websocket,\r\n\r\n"),
        ("GET", "Upgrade: websocket\r\nUpgrade: h2c\r\n\r\n"),
        ("GET", "Upgrade: websocket\r\nUpgrade: websocket\r\n\r\n"),
        ("POST", "Upgrade: websocket\r\nContent-Length: 0\r\n\r\n"),
        ("GET", "Upgrade: websocket\r\nContent-Length: 5\r\n\r\nhello"),
        (
            "GET",
            "Upgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
    ] {
        let mut stream = connect(gateway.proxy_addresses()[0]).await;
        let bytes = format!("{method} /x HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n{ask}");
        stream.write_all(bytes.as_bytes()).await.expect("written");
        let text = read_until(&mut stream, "\r\n\r\n").await;
        assert!(text.starts_with("HTTP/1.1 200"), "{method} {ask:?}: {text}");
        let seen = recorder.seen().pop().expect("one");
        assert_eq!(
            (seen.header("upgrade"), seen.header("connection")),
            (None, None),
            "{ask:?}: {seen:?}"
        );
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_4_a_service_cannot_switch_to_what_was_not_asked_for() {
    for (answer, switches) in [
        ("Connection: Upgrade\r\nUpgrade: WebSocket\r\n", true),
        ("Connection: Upgrade\r\nUpgrade: h2c\r\n", false),
        ("Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n", false),
        ("Connection: Upgrade\r\n", false),
        ("Upgrade: websocket\r\n", false),
        (
            "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n",
            false,
        ),
    ] {
        let head = format!("HTTP/1.1 101 Switching Protocols\r\n{answer}\r\n");
        let service = Scripted::start(head, Then::Stay).await;
        let gateway = Configuration::new().service(1, &service.url()).route(2, 1, "/").start();
        let mut stream = connect(gateway.proxy_addresses()[0]).await;
        let bytes = format!("GET /ws HTTP/1.1\r\n{ASK}");
        stream.write_all(bytes.as_bytes()).await.expect("written");
        let text = read_until(&mut stream, "\r\n\r\n").await;
        assert_eq!(text.starts_with("HTTP/1.1 101"), switches, "{answer:?}: {text}");
        assert_eq!(text.starts_with("HTTP/1.1 502"), !switches, "{answer:?}: {text}");
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g_20_the_key_is_asked_for_before_the_switch() {
    let recorder = Recorder::start().await;
    let gateway = Configuration::new()
        .service(1, &format!("http://{}", recorder.address))
        .route(2, 1, "/ws")
        .plugin(3, "key-auth", json!({"route": id(2)}), json!({}))
        .start();
    let mut stream = connect(gateway.proxy_addresses()[0]).await;
    let bytes = format!("GET /ws HTTP/1.1\r\n{ASK}{SMUGGLED}");
    stream.write_all(bytes.as_bytes()).await.expect("written");
    let conversation = conversation(&mut stream).await;
    assert_eq!(conversation.statuses.first(), Some(&401), "{}", conversation.text);
    assert_eq!(recorder.begun(), 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_20_frames_pass_as_they_are() {
    let (gateway, _recorder) = open_gateway().await;
    let mut stream = connect(gateway.proxy_addresses()[0]).await;
    stream
        .write_all(format!("GET /ws HTTP/1.1\r\n{ASK}").as_bytes())
        .await
        .expect("written");
    read_until(&mut stream, "\r\n\r\n").await;
    // A masked text frame, and one that looks like a request with two lengths.
    for text in [
        "\u{1}\u{5}mask-hello",
        "POST / HTTP/1.1\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    ] {
        stream.write_all(text.as_bytes()).await.expect("written");
        read_until(&mut stream, text).await;
    }
    gateway.stop().await;
}
