//! Bodies and conversations of any length through a real gateway, as they come.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use gateway::Running;
use http::Request;
use model::clock::{Clock as _, SystemClock};
use serde_json::json;
use support::http2::Client;
use support::scripted::{self, Scripted, Then};
use support::{Configuration, get, raw};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

/// A gateway before a service that the test plays itself.
struct Stage {
    gateway: Running,
    service: TcpListener,
}

impl Stage {
    async fn set() -> Self {
        let service = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", service.local_addr().expect("an address"));
        let gateway = Configuration::new()
            .service_with(1, &url, json!({"idle_timeout_ms": 1500, "retries": 0}))
            .route_with(2, 1, json!({"paths": ["/"], "max_body_bytes": 0}))
            .start();
        Self { gateway, service }
    }

    fn address(&self) -> SocketAddr {
        self.gateway.proxy_addresses()[0]
    }

    /// A client that sent this, and the service's side with the head that arrived.
    async fn open(&self, request: &str) -> (TcpStream, TcpStream, String) {
        let opening = async {
            let mut client = TcpStream::connect(self.address()).await.expect("connected");
            client.set_nodelay(true).expect("an option");
            client.write_all(request.as_bytes()).await.expect("written");
            let (mut service, _) = self.service.accept().await.expect("a connection");
            service.set_nodelay(true).expect("an option");
            let head = scripted::head(&mut service).await.expect("a head");
            (client, service, head.to_lowercase())
        };
        timeout(PATIENCE, opening).await.expect("in time")
    }
}

async fn until(stream: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    let reading = async {
        let mut read = Vec::new();
        while !read.ends_with(end.as_bytes()) {
            match stream.read_u8().await {
                Ok(byte) => read.push(byte),
                Err(error) => panic!("{error} after {}", String::from_utf8_lossy(&read)),
            }
        }
        String::from_utf8(read).expect("text")
    };
    timeout(PATIENCE, reading).await.expect("in time")
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("in time");
    String::from_utf8_lossy(&rest).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_is_there_before_the_next_one_is_made() {
    let stage = Stage::set().await;
    let (mut client, mut service, _) = stage.open("GET /events HTTP/1.1\r\nHost: a\r\n\r\n").await;
    service
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        .await
        .expect("written");
    until(&mut client, "\r\n\r\n").await;
    for number in 0..5 {
        service
            .write_all(format!("data: {number}\n\n").as_bytes())
            .await
            .expect("written");
        until(&mut client, &format!("data: {number}\n\n")).await;
    }
    // A client that leaves is noticed although nothing is to be written.
    drop(client);
    assert_eq!(rest(&mut service).await, "");
    stage.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_answer_reaches_a_client_that_is_still_sending() {
    for status in ["413 Content Too Large", "200 OK"] {
        let stage = Stage::set().await;
        let request =
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n";
        let (mut client, mut service, _) = stage.open(request).await;
        until(&mut service, "3\r\nabc\r\n").await;
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\nearly");
        service.write_all(answer.as_bytes()).await.expect("written");
        let read = until(&mut client, "early").await;
        assert!(read.starts_with(&format!("HTTP/1.1 {}", &status[..3])), "{read}");
        drop(client);
        stage.gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_stops_reading_an_upload_is_late_and_not_its_client() {
    let stage = Stage::set().await;
    let request = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (client, service, _) = stage.open(request).await;
    let (mut answer, mut upload) = client.into_split();
    let chunk = format!("10000\r\n{}\r\n", "a".repeat(0x10000));
    let sending = tokio::spawn(async move { while upload.write_all(chunk.as_bytes()).await.is_ok() {} });
    let answer = until(&mut answer, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    sending.abort();
    drop(service);
    stage.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_before_it_sends_gets_the_answer_of_the_service() {
    let stage = Stage::set().await;
    let request = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    let (mut client, mut service, head) = stage.open(request).await;
    assert!(head.contains("expect: 100-continue"), "{head}");
    service
        .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
        .await
        .expect("written");
    assert!(until(&mut client, "\r\n\r\n").await.starts_with("HTTP/1.1 100"));
    client.write_all(b"body").await.expect("written");
    until(&mut service, "body").await;
    service
        .write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok")
        .await
        .expect("written");
    assert!(until(&mut client, "ok").await.starts_with("HTTP/1.1 201"));
    // A service that does not want the body says so at once.
    drop(service);
    let (mut client, mut service, _) = stage.open(request).await;
    service
        .write_all(b"HTTP/1.1 417 No\r\nContent-Length: 2\r\n\r\nno")
        .await
        .expect("written");
    assert!(until(&mut client, "no").await.starts_with("HTTP/1.1 417"));
    stage.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_come_before_the_answer_to_clients_that_know_them() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let service = Scripted::start(hints, Then::Stay).await;
    let gateway = Configuration::new().service(1, &service.url()).route(2, 1, "/").start();
    let address = gateway.proxy_addresses()[0];
    let new = raw(address, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(
        new.starts_with("HTTP/1.1 103") && new.contains("HTTP/1.1 200") && new.ends_with("ok"),
        "{new}"
    );
    let old = raw(address, b"GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    assert!(!old.contains("103") && old.ends_with("ok"), "{old}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_before_an_answer_says_nothing_about_the_connection_to_the_service() {
    let about = "Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: close\r\nUpgrade: h2c\r\n\
                 Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n";
    let script = format!(
        "HTTP/1.1 100 Continue\r\n{about}\r\nHTTP/1.1 103 Early Hints\r\n{about}Link: </a.css>\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    );
    let service = Scripted::start(script, Then::Stay).await;
    let gateway = Configuration::new().service(1, &service.url()).route(2, 1, "/").start();
    let request =
        "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    let answer = raw(gateway.proxy_addresses()[0], request.as_bytes())
        .await
        .to_lowercase();
    let heads: Vec<&str> = answer.split_inclusive("\r\n\r\n").collect();
    assert_eq!(heads[0], "http/1.1 100 continue\r\n\r\n");
    assert_eq!(heads[1], "http/1.1 103 early hints\r\nlink: </a.css>\r\n\r\n");
    assert!(heads[2].starts_with("http/1.1 200 ok\r\n"), "{answer}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_connection_is_the_end_of_a_body_and_old_clients_need_no_chunks() {
    let service = Scripted::start("HTTP/1.0 200 OK\r\n\r\nhello", Then::Close).await;
    let gateway = Configuration::new().service(1, &service.url()).route(2, 1, "/").start();
    let address = gateway.proxy_addresses()[0];
    let new = raw(address, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(
        new.to_lowercase().contains("transfer-encoding: chunked") && new.ends_with("0\r\n\r\n"),
        "{new}"
    );
    let old = raw(address, b"GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    assert!(
        !old.to_lowercase().contains("transfer-encoding") && old.ends_with("\r\n\r\nhello"),
        "{old}"
    );
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_a_body_have_none() {
    for (method, answer) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
    ] {
        let service = Scripted::start(answer, Then::Stay).await;
        let gateway = Configuration::new().service(1, &service.url()).route(2, 1, "/").start();
        let request = format!(
            "{method} / HTTP/1.1\r\nHost: a\r\n\r\n{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        );
        let both = raw(gateway.proxy_addresses()[0], request.as_bytes()).await;
        assert_eq!(both.matches("HTTP/1.1 ").count(), 2, "{both}");
        assert!(
            both.ends_with("\r\n\r\n") && !both.to_lowercase().contains("transfer-encoding"),
            "{both}"
        );
        assert_eq!(service.connections(), 1, "{answer}");
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_reach_clients_that_read_them() {
    let chunks =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\nContent-Length: 9\r\n\r\n";
    let service = Scripted::start(chunks, Then::Stay).await;
    let gateway = Configuration::new().service(1, &service.url()).route(2, 1, "/").start();
    let mut client = Client::connect(gateway.proxy_addresses()[0]).await;
    let request = Request::get("http://a.example/").body(()).expect("a request");
    let response = client.begin(request, true).await.0.await.expect("a response");
    let mut body = response.into_body();
    assert_eq!(support::http2::whole(&mut body).await.expect("whole"), "ok");
    let trailers = body.trailers().await.expect("read").expect("trailers");
    assert!(
        trailers["x-sum"] == "7" && !trailers.contains_key("content-length"),
        "{trailers:?}"
    );
    let old = raw(
        gateway.proxy_addresses()[0],
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(
        old.ends_with("0\r\n\r\n") && !old.to_lowercase().contains("x-sum"),
        "{old}"
    );
    gateway.stop().await;
}

/// Bytes of memory that this process has.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
    let number = line
        .split_whitespace()
        .nth(1)
        .and_then(|number| number.parse::<usize>().ok());
    number.expect("a number") * 1024
}

/// Lets so many bytes pass each way, and looks at the memory meanwhile.
async fn pass(bytes: usize) {
    let stage = Stage::set().await;
    let request = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\nConnection: close\r\n\r\n");
    let (client, service, _) = stage.open(&request).await;
    let before = resident();
    let piece = vec![7; 64 * 1024];
    let (mut from_client, mut to_client) = service.into_split();
    let (mut from_gateway, mut to_gateway) = client.into_split();
    let upload = async {
        let (mut left, mut read) = (bytes, vec![0; 64 * 1024]);
        let send = async {
            for _ in 0..bytes / piece.len() {
                to_gateway.write_all(&piece).await.expect("written");
            }
        };
        let receive = async {
            while left > 0 {
                left -= from_client.read(&mut read).await.expect("read");
            }
        };
        tokio::join!(send, receive);
    };
    upload.await;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n");
    to_client.write_all(head.as_bytes()).await.expect("written");
    let send = async {
        for _ in 0..bytes / piece.len() {
            to_client.write_all(&piece).await.expect("written");
        }
    };
    let receive = async {
        let (mut total, mut read) = (0, vec![0; 64 * 1024]);
        loop {
            match from_gateway.read(&mut read).await.expect("read") {
                0 => return total,
                count => total += count,
            }
        }
    };
    let ((), total) = tokio::join!(send, receive);
    assert!(total > bytes, "{total} of {bytes}");
    let grown = resident().saturating_sub(before);
    assert!(grown < 32 << 20, "{} MiB more", grown >> 20);
    stage.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_body_needs_little_memory() {
    pass(20 << 20).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long"]
async fn a_very_long_body_needs_no_more() {
    pass(200 << 20).await;
}

const OPENING: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nOrigin: https://a.example\r\n\
                       Sec-WebSocket-Protocol: chat, v2\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                        Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_keeps_its_headers_and_carries_more_than_any_buffer_both_ways_at_once() {
    let stage = Stage::set().await;
    let (mut client, mut service, head) = stage.open(OPENING).await;
    for line in [
        "origin: https://a.example\r\n",
        "sec-websocket-protocol: chat, v2\r\n",
        "upgrade: websocket\r\n",
    ] {
        assert!(head.contains(line), "{head}");
    }
    service.write_all(SWITCH).await.expect("written");
    let head = until(&mut client, "\r\n\r\n").await.to_lowercase();
    assert!(
        head.starts_with("http/1.1 101") && head.contains("sec-websocket-protocol: chat\r\n"),
        "{head}"
    );
    let large = vec![b'x'; 16 << 20];
    let (mut from_gateway, mut to_gateway) = client.split();
    let (mut from_client, mut to_client) = service.split();
    let echo = tokio::io::copy(&mut from_client, &mut to_client);
    let mut echoed = vec![0; large.len()];
    let talk = async {
        let (_, read) = tokio::join!(to_gateway.write_all(&large), from_gateway.read_exact(&mut echoed));
        read.expect("all of it");
    };
    tokio::select! {
        done = timeout(PATIENCE, talk) => done.expect("in time"),
        _ = echo => panic!("the service has nobody to talk to"),
    }
    assert_eq!(echoed, large);
    stage.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_in_which_nobody_speaks_ends() {
    let stage = Stage::set().await;
    let (mut client, mut service, _) = stage.open(OPENING).await;
    service.write_all(SWITCH).await.expect("written");
    until(&mut client, "\r\n\r\n").await;
    assert_eq!(rest(&mut client).await, "");
    assert_eq!(rest(&mut service).await, "");
    stage.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_does_not_want_to_talk_gives_an_answer_and_no_tunnel() {
    for status in ["200 OK", "403 Forbidden"] {
        let stage = Stage::set().await;
        let (mut client, mut service, _) = stage.open(OPENING).await;
        // What comes before the switch is nobody's to read.
        client.write_all(b"\x81\x85early frame").await.expect("written");
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nno");
        service.write_all(answer.as_bytes()).await.expect("written");
        let read = until(&mut client, "no").await;
        assert!(read.starts_with(&format!("HTTP/1.1 {}", &status[..3])), "{read}");
        drop(client);
        stage.gateway.stop().await;
        assert_eq!(rest(&mut service).await, "", "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_ends_when_its_key_expires() {
    let service = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", service.local_addr().expect("an address"));
    let mut configuration = Configuration::new()
        .service(1, &url)
        .route(2, 1, "/")
        .plugin(3, "key-auth", json!({"route": support::id(2)}), json!({}))
        .consumer(10, "fjord")
        .key(11, 10, "secret-key");
    let end = SystemClock.now() + Duration::from_secs(2);
    let end = end
        .format(&time::format_description::well_known::Rfc3339)
        .expect("a time");
    let key = configuration
        .0
        .last_mut()
        .and_then(|entry| entry.body.as_mut())
        .expect("a key");
    key["expires_at"] = json!(end);
    let stage = Stage {
        gateway: configuration.start(),
        service,
    };
    let request = OPENING.replace("Host: a\r\n", "Host: a\r\nX-Api-Key: secret-key\r\n");
    let (mut client, mut service, _) = stage.open(&request).await;
    service.write_all(SWITCH).await.expect("written");
    until(&mut client, "\r\n\r\n").await;
    assert_eq!(rest(&mut client).await, "");
    assert_eq!(
        get(stage.address(), "/", &[("x-api-key", "secret-key")]).await.status,
        401
    );
    stage.gateway.stop().await;
}
