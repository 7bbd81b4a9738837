//! A real service behind the gateway: it says what it got, can be slow, and can be gone.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};
use tokio::time::sleep;

/// The largest body that it takes.
const BODY: usize = 16 << 20;

/// A service on a free port of this machine. It answers every request with what it got, as JSON:
/// `{"service", "method", "path", "query", "headers": {name: [values]}, "body"}`.
///
/// A request asks for something else by its query: `delay_ms=1500` for a slow answer, `answer=503` for a status.
#[derive(Debug)]
pub(crate) struct Upstream {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Value>>>,
    handle: ServerHandle,
}

struct Service {
    name: String,
    seen: Arc<Mutex<Vec<Value>>>,
}

impl Upstream {
    /// Starts a service that calls itself so.
    pub(crate) fn start(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::<Mutex<Vec<Value>>>::default();
        let service = Data::new(Service {
            name: name.to_owned(),
            seen: seen.clone(),
        });
        let app = move || {
            App::new()
                .app_data(service.clone())
                .app_data(PayloadConfig::new(BODY))
                .default_service(web::to(answer))
        };
        let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(1);
        let server = server.listen(listener).expect("it listens").run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { address, seen, handle }
    }

    /// Where it is, for a service of Gatehouse.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests that it got, oldest first.
    pub(crate) fn seen(&self) -> Vec<Value> {
        self.seen.lock().expect("whole").clone()
    }

    /// Ends it: from now on connections are refused.
    pub(crate) async fn stop(&self) {
        self.handle.stop(false).await;
    }
}

async fn answer(service: Data<Service>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let mut headers = BTreeMap::<&str, Vec<String>>::new();
    for (name, value) in request.headers() {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        headers.entry(name.as_str()).or_default().push(value);
    }
    let query = request.query_string();
    let seen = json!({
        "service": service.name,
        "method": request.method().as_str(),
        "path": request.path(),
        "query": query,
        "headers": headers,
        "body": String::from_utf8_lossy(&body),
    });
    service.seen.lock().expect("whole").push(seen.clone());
    let wish = |name: &str| {
        let pair = query
            .split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        pair.and_then(|text| text.parse::<u16>().ok())
    };
    if let Some(delay) = wish("delay_ms") {
        sleep(Duration::from_millis(delay.into())).await;
    }
    let status = wish("answer").and_then(|code| StatusCode::from_u16(code).ok());
    HttpResponse::build(status.unwrap_or(StatusCode::OK))
        .insert_header(("server", "upstream"))
        .json(seen)
}
