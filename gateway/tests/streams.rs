//! Connections that a real gateway passes on without opening them.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gateway::{Gateway, Running};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use support::{Configuration, get};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

/// A target that greets, reads all, and answers with what it read.
async fn target(greeting: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.write_all(greeting.as_bytes()).await;
                let mut read = Vec::new();
                let _ = stream.read_to_end(&mut read).await;
                let _ = stream.write_all(&read).await;
            });
        }
    });
    address
}

fn start(configuration: Configuration) -> Running {
    let config = configuration.config();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Gateway::start(gateway::Config {
        stream_listen: vec![any],
        ..config
    })
    .expect("a gateway")
}

fn stream_route(protocol: &str, changes: Value) -> Value {
    let mut route = json!({"protocols": [protocol]});
    for (member, value) in changes.as_object().into_iter().flatten() {
        route[member] = value.clone();
    }
    route
}

/// Says all at once and reads to the end.
async fn say(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let talk = async {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(bytes).await.expect("written");
        stream.shutdown().await.expect("half-closed");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        answer
    };
    timeout(PATIENCE, talk).await.expect("in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_passed_on_both_ways_and_each_way_ends_by_itself() {
    let target = target("hello ").await;
    let gateway = start(Configuration::new().service(1, &format!("http://{target}")).route_with(
        2,
        1,
        stream_route("tcp", json!({"sources": ["127.0.0.0/8"]})),
    ));
    let large = vec![b'x'; 4 << 20];
    let answer = say(gateway.stream_addresses()[0], &large).await;
    assert_eq!(answer.len(), large.len() + 6);
    assert!(answer.starts_with(b"hello x"));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_no_route_takes_ends() {
    let target = target("hello").await;
    let gateway = start(
        Configuration::new()
            .service(1, &format!("http://{target}"))
            .service(3, "http://127.0.0.1:1")
            .route_with(2, 1, stream_route("tcp", json!({"sources": ["10.0.0.0/8"]})))
            .route_with(4, 3, json!({"paths": ["/dead"]})),
    );
    assert_eq!(say(gateway.stream_addresses()[0], b"x").await, b"");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_target_is_passed_over() {
    let target = target("hello").await;
    let gateway = start(
        Configuration::new()
            .upstream(20)
            .target(21, 20, &target.to_string(), 1)
            .target(22, 20, "127.0.0.1:1", 1)
            .service_on(1, 20)
            .route_with(2, 1, stream_route("tcp", json!({"sources": ["127.0.0.1/32"]}))),
    );
    for _ in 0..6 {
        assert_eq!(say(gateway.stream_addresses()[0], b"!").await, b"hello!");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_passed_through_by_the_name_that_it_asks_for() {
    let (one, any) = (target("").await, target("").await);
    let gateway = start(
        Configuration::new()
            .service(1, &format!("http://{one}"))
            .service(3, &format!("http://{any}"))
            .route_with(2, 1, stream_route("tls", json!({"snis": ["db.example"]})))
            .route_with(4, 3, stream_route("tls", json!({"snis": ["*.shop.example"]}))),
    );
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    for (name, taken) in [("DB.example", true), ("a.shop.example", true), ("other.example", false)] {
        let name = ServerName::try_from(name).expect("a name");
        let mut client = rustls::ClientConnection::new(Arc::new(config.clone()), name).expect("a client");
        let mut hello = Vec::new();
        client.write_tls(&mut hello).expect("written");
        let echo = say(gateway.stream_addresses()[0], &hello).await;
        assert_eq!(echo == hello, taken, "{client:?}");
    }
    assert_eq!(say(gateway.stream_addresses()[0], b"no handshake").await, b"");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_is_told_who_connects_when_it_wants_to_know() {
    let target = target("").await;
    let gateway = start(
        Configuration::new()
            .service_with(1, &format!("http://{target}"), json!({"proxy_protocol": "v1"}))
            .route_with(2, 1, stream_route("tcp", json!({"sources": ["127.0.0.1/32"]}))),
    );
    let port = gateway.stream_addresses()[0].port();
    let told = String::from_utf8(say(gateway.stream_addresses()[0], b"x").await).expect("text");
    assert!(
        told.starts_with("PROXY TCP4 127.0.0.1 127.0.0.1 ") && told.ends_with(&format!(" {port}\r\nx")),
        "{told}"
    );
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_service_is_told_too_on_a_connection_for_each_client() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let gateway = Configuration::new()
        .service_with(1, &format!("http://{address}"), json!({"proxy_protocol": "v2"}))
        .route(2, 1, "/")
        .start();
    let port = gateway.proxy_addresses()[0];
    for _ in 0..2 {
        let asking = tokio::spawn(async move { get(port, "/", &[]).await });
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut head = [0; 28];
        stream.read_exact(&mut head).await.expect("a header");
        assert_eq!(&head[..20], b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01");
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .await
            .expect("written");
        assert_eq!(asking.await.expect("asked").status, 200);
        // It is not used for the next one.
        let mut rest = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut rest))
            .await
            .expect("closed")
            .expect("in order");
    }
    gateway.stop().await;
}
