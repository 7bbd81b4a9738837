//! A configuration in a file, a server that echoes, and a client that hides nothing.
#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod http2;
pub(crate) mod scripted;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gateway::{Config, Gateway, Running, Source, TelemetryConfig};
use hmac::{Hmac, Mac};
use model::Kind;
use model::clock::SystemClock;
use model::snapshot::Entry;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

/// The secret of every test gateway.
pub(crate) const SECRET: [u8; 32] = [3; 32];

pub(crate) fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// The hash under which a key is stored.
pub(crate) fn key_hash(key: &str) -> String {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&SECRET).expect("any length");
    mac.update(key.as_bytes());
    mac.finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Entries for a gateway.
#[derive(Default)]
pub(crate) struct Configuration(pub(crate) Vec<Entry>);

impl Configuration {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn with(mut self, kind: Kind, number: u128, body: Value) -> Self {
        self.0.push(Entry {
            kind,
            id: id(number),
            revision: 1,
            body: Some(body),
        });
        self
    }

    /// The object is deleted.
    pub(crate) fn gone(mut self, kind: Kind, number: u128) -> Self {
        self.0.push(Entry {
            kind,
            id: id(number),
            revision: 1,
            body: None,
        });
        self
    }

    pub(crate) fn service(self, number: u128, url: &str) -> Self {
        let mut body = service(number);
        body["url"] = json!(url);
        self.with(Kind::Service, number, body)
    }

    pub(crate) fn service_with(self, number: u128, url: &str, changes: Value) -> Self {
        let mut body = service(number);
        body["url"] = json!(url);
        for (member, value) in changes.as_object().into_iter().flatten() {
            body[member] = value.clone();
        }
        self.with(Kind::Service, number, body)
    }

    pub(crate) fn service_on(self, number: u128, upstream: u128) -> Self {
        let mut body = service(number);
        (body["upstream"], body["protocol"]) = (json!(id(upstream)), json!("http"));
        self.with(Kind::Service, number, body)
    }

    pub(crate) fn upstream(self, number: u128) -> Self {
        self.with(
            Kind::Upstream,
            number,
            json!({"name": format!("u{number}"), "tags": [], "enabled": true}),
        )
    }

    pub(crate) fn target(self, number: u128, upstream: u128, address: &str, weight: u16) -> Self {
        let body = json!({"upstream": id(upstream), "address": address, "weight": weight, "tags": [], "enabled": true});
        self.with(Kind::Target, number, body)
    }

    pub(crate) fn route(self, number: u128, service: u128, path: &str) -> Self {
        self.route_with(number, service, json!({"paths": [path]}))
    }

    pub(crate) fn route_with(self, number: u128, service: u128, changes: Value) -> Self {
        let mut body = json!({
            "name": format!("r{number}"), "service": id(service), "protocols": ["http", "https"], "hosts": [], "paths": [],
            "methods": [], "headers": {}, "priority": 0, "regex_priority": 0, "strip_path": true, "preserve_host": false,
            "encoded_slashes": "reject", "merge_slashes": true, "tags": [], "enabled": true
        });
        for (member, value) in changes.as_object().into_iter().flatten() {
            body[member] = value.clone();
        }
        self.with(Kind::Route, number, body)
    }

    pub(crate) fn plugin(self, number: u128, name: &str, scope: Value, config: Value) -> Self {
        let mut body = json!({"plugin": name, "config": config, "position": 0, "tags": [], "enabled": true});
        for (member, value) in scope.as_object().into_iter().flatten() {
            body[member] = value.clone();
        }
        self.with(Kind::Plugin, number, body)
    }

    pub(crate) fn consumer(self, number: u128, name: &str) -> Self {
        self.with(
            Kind::Consumer,
            number,
            json!({"name": name, "custom_id": null, "status": "active", "grants": null}),
        )
    }

    pub(crate) fn key(self, number: u128, consumer: u128, key: &str) -> Self {
        let body = json!({
            "consumer": id(consumer), "kind": "key", "hash": key_hash(key), "identifier": "gh_test_abcd", "status": "active",
            "ip_allow": [], "expires_at": null
        });
        self.with(Kind::Credential, number, body)
    }

    /// What a gateway is told that shall run on these entries.
    pub(crate) fn config(self) -> Config {
        let body = serde_json::to_vec(&json!({"revision": 1, "entries": self.0})).expect("json");
        let checksum: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
        let path: PathBuf = std::env::temp_dir().join(format!("gatehouse-gateway-{}.json", Uuid::now_v7()));
        std::fs::write(&path, [checksum.as_bytes(), b"\n", &body].concat()).expect("writable");
        config(Source::File(path))
    }

    /// Starts a gateway on free ports.
    pub(crate) fn start(self) -> Running {
        Gateway::start(self.config()).expect("a gateway")
    }
}

pub(crate) fn config(source: Source) -> Config {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Config {
        name: "test".into(),
        proxy_listen: vec![any],
        proxy_tls_listen: vec![any],
        stream_listen: Vec::new(),
        status_listen: any,
        sockets: gateway::Sockets::default(),
        source,
        data_dir: None,
        secret: SECRET,
        key_brand: "gh".into(),
        trusted_proxies: Vec::new(),
        dns_servers: Vec::new(),
        memory_limit: None,
        reach: gateway::Reach::default(),
        latency_headers: false,
        proxy_protocol: gateway::ProxyProtocol::Off,
        drain: Duration::from_secs(10),
        threads: Some(2),
        plugins: &plugins::REGISTRY,
        telemetry: TelemetryConfig::default(),
        clock: Arc::new(SystemClock),
    }
}

fn service(number: u128) -> Value {
    json!({
        "name": format!("s{number}"), "connect_timeout_ms": 2000, "response_timeout_ms": 5000, "idle_timeout_ms": 5000,
        "retries": 1, "tls_verify": true, "tags": [], "enabled": true
    })
}

/// A server that remembers what it was sent.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    last: Arc<Mutex<String>>,
    count: Arc<AtomicUsize>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (last, count) = (Arc::new(Mutex::new(String::new())), Arc::new(AtomicUsize::new(0)));
        let upstream = Self {
            address,
            last: last.clone(),
            count: count.clone(),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, last.clone(), count.clone()));
            }
        });
        upstream
    }

    pub(crate) fn last_request(&self) -> String {
        self.last.lock().expect("not poisoned").clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    pub(crate) async fn wait_for(&self, count: usize) {
        eventually(async || self.count() >= count).await;
    }
}

async fn answer(mut stream: TcpStream, last: Arc<Mutex<String>>, count: Arc<AtomicUsize>) {
    stream.set_nodelay(true).expect("an option");
    let mut buffer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let end = loop {
            if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            match stream.read(&mut piece).await {
                Ok(read) if read > 0 => buffer.extend_from_slice(&piece[..read]),
                _ => return,
            }
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        buffer.drain(..end);
        head.clone_into(&mut last.lock().expect("not poisoned"));
        count.fetch_add(1, Ordering::SeqCst);
        if head.to_lowercase().contains("upgrade: websocket") {
            let switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                           Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
            stream.write_all(switch).await.expect("written");
            while let Ok(read) = stream.read(&mut piece).await {
                if read == 0 || stream.write_all(&piece[..read]).await.is_err() {
                    return;
                }
            }
            return;
        }
        if head.contains("/slow") {
            sleep(Duration::from_millis(700)).await;
        }
        if head.to_lowercase().contains("transfer-encoding") {
            // It never answers before the body is complete, which it does not read to the end.
            while let Ok(read) = stream.read(&mut piece).await {
                if read == 0 {
                    return;
                }
            }
            return;
        }
        if stream
            .write_all(
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nServer: echo\r\nConnection: keep-alive, x-hop\r\n\
                  X-Hop: 1\r\nKeep-Alive: timeout=5\r\n\r\nok",
            )
            .await
            .is_err()
        {
            return;
        }
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Sends these bytes and reads to the end of the connection.
pub(crate) async fn raw(address: SocketAddr, request: &[u8]) -> String {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(request).await.expect("written");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    timeout(Duration::from_secs(10), exchange)
        .await
        .expect("an answer in time")
}

pub(crate) async fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let request = format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n{headers}Connection: close\r\n\r\n");
    let text = raw(address, request.as_bytes()).await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|code| code.parse().ok())
        .unwrap_or(0);
    let header = |line: &str| {
        line.split_once(": ")
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
    };
    Answer {
        status,
        headers: lines.filter_map(header).collect(),
        body: body.to_owned(),
    }
}

/// Waits until something holds, for ten seconds at most.
pub(crate) async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    let look = async {
        while !holds().await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), look)
        .await
        .expect("it never came true");
}
