//! Connections that a real gateway passes on without opening them.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
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

/// What a client of TLS says first when it asks for this name.
fn hello(name: &'static str) -> Vec<u8> {
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from(name).expect("a name");
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("written");
    hello
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
    for (name, taken) in [("DB.example", true), ("a.shop.example", true), ("other.example", false)] {
        let hello = hello(name);
        let echo = say(gateway.stream_addresses()[0], &hello).await;
        assert_eq!(echo == hello, taken, "{name}");
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

/// A gateway that writes its access log to a file, with so small a share of what went well.
fn logging(configuration: Configuration, sampling: f64) -> (Running, PathBuf) {
    let path = std::env::temp_dir().join(format!("gatehouse-streams-{}.log", uuid::Uuid::now_v7()));
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let gateway = Gateway::start(gateway::Config {
        stream_listen: vec![any],
        drain: Duration::from_millis(300),
        telemetry: gateway::TelemetryConfig {
            access_log: gateway::telemetry::Destination::File(path.clone()),
            access_log_sampling: sampling,
            ..gateway::TelemetryConfig::default()
        },
        ..configuration.config()
    })
    .expect("a gateway");
    (gateway, path)
}

fn logged(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("a log");
    std::fs::remove_file(path).expect("removed");
    let lines = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    lines.collect()
}

/// One ended in each way, and one that is open still.
async fn counted_by_ends(status: SocketAddr) {
    let metrics = get(status, "/metrics", &[]).await.body;
    for line in [
        r#"gatehouse_stream_connections_total{ended="done",route="r2",service="s1"} 1"#,
        r#"gatehouse_stream_connections_total{ended="refused",route="r4",service="s3"} 1"#,
        r#"gatehouse_stream_connections_total{ended="idle",route="r6",service="s5"} 1"#,
        r#"gatehouse_stream_received_bytes_total{route="r2",service="s1"} 3"#,
        // Of the one that is still open too.
        r#"gatehouse_stream_sent_bytes_total{route="r2",service="s1"} 15"#,
        "gatehouse_stream_connections_open 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_in_the_access_log_and_in_metrics_with_how_they_ended() {
    let (echo, silent) = (target("hello ").await, target("").await);
    let from_here = json!({"sources": ["127.0.0.1/32"], "access_log": "full"});
    let by_name = json!({"snis": ["db.example"], "idle_timeout_ms": 100});
    let (gateway, path) = logging(
        Configuration::new()
            .service(1, &format!("http://{echo}"))
            .service(3, "http://127.0.0.1:1")
            .service(5, &format!("http://{silent}"))
            .route_with(2, 1, stream_route("tcp", from_here))
            .route_with(4, 3, stream_route("tls", json!({"snis": ["gone.example"]})))
            .route_with(6, 5, stream_route("tls", by_name)),
        0.0,
    );
    let address = gateway.stream_addresses()[0];
    assert_eq!(say(address, b"you").await, b"hello you");
    say(address, &hello("gone.example")).await;
    // The silent target keeps the connection open until nobody has said anything for too long: sampled, so without a line.
    let mut idle = TcpStream::connect(address).await.expect("connected");
    idle.write_all(&hello("db.example")).await.expect("written");
    timeout(PATIENCE, idle.read_to_end(&mut Vec::new()))
        .await
        .expect("ended")
        .expect("in order");
    let mut cut = TcpStream::connect(address).await.expect("connected");
    cut.read_exact(&mut [0; 6]).await.expect("greeted");
    counted_by_ends(gateway.status_address()).await;
    gateway.stop().await;
    let lines = logged(&path);
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            let text = |member: &str| line[member].as_str().unwrap_or_default();
            (text("route"), text("ended"), text("reason"))
        })
        .collect();
    let wanted = [
        ("r2", "done", ""),
        ("r4", "refused", "upstream_unreachable"),
        ("r2", "stopped", ""),
    ];
    assert_eq!(told, wanted, "{lines:#?}");
    let whole = json!({
        "level": "INFO", "target": "gatehouse::access", "message": "connection", "protocol": "TCP", "port": address.port(),
        "reason": "", "route": "r2", "target_address": echo.to_string(), "client_ip": "127.0.0.1", "bytes": 9,
        "bytes_received": 3, "ended": "done", "route_id": support::id(2), "service": "s1", "service_id": support::id(1),
        "upstream_tries": 1
    });
    for (member, value) in whole.as_object().expect("members") {
        assert_eq!(&lines[0][member], value, "{member}");
    }
    assert_eq!(lines[1]["tls_server_name"], "gone.example");
    assert_eq!(
        (&lines[1]["protocol"], &lines[1]["upstream_tries"]),
        (&json!("TLS"), &json!(2))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_keeps_its_connections_out_of_the_log_and_strangers_are_in_it() {
    let echo = target("").await;
    let silent = json!({"snis": ["db.example"], "access_log": "off"});
    let (gateway, path) = logging(
        Configuration::new()
            .service(1, &format!("http://{echo}"))
            .route_with(2, 1, stream_route("tls", silent)),
        0.0,
    );
    let address = gateway.stream_addresses()[0];
    say(address, &hello("db.example")).await;
    say(address, &hello("other.example")).await;
    gateway.stop().await;
    let lines = logged(&path);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert_eq!(
        (&lines[0]["reason"], &lines[0]["tls_server_name"], &lines[0]["route"]),
        (&json!("route_not_found"), &json!("other.example"), &json!(""))
    );
}
