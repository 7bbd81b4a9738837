//! What a gateway tells of its requests: trace contexts, spans, and a log that has no secrets.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gateway::telemetry::Destination;
use gateway::{Config, Gateway, TelemetryConfig};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};
use support::scripted::{Scripted, Then};
use support::{Configuration, Upstream, eventually, get};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tonic::{Request, Response, Status};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const CANARY: &str = "canary-55f0c1";

/// Takes spans as a collector does.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().expect("whole").push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse { partial_success: None }))
    }
}

impl Collector {
    async fn start() -> (Self, SocketAddr) {
        let collector = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        let service = TraceServiceServer::new(collector.clone());
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(incoming),
        );
        (collector, address)
    }

    fn spans(&self) -> Vec<Span> {
        let requests = self.0.lock().expect("whole");
        let resources = requests.iter().flat_map(|request| &request.resource_spans);
        let scopes = resources.flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }
}

fn attribute(span: &Span, name: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == name)?;
    match found.value.as_ref()?.value.as_ref()? {
        AnyValue::StringValue(text) => Some(text.clone()),
        AnyValue::IntValue(number) => Some(number.to_string()),
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sent_header(request: &str, name: &str) -> Option<String> {
    let mut lines = request.lines().filter_map(|line| line.split_once(": "));
    let found = lines.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.to_owned())
}

fn to_collector(configuration: Configuration, address: SocketAddr) -> Config {
    Config {
        telemetry: TelemetryConfig {
            trace_sampling: 0.0,
            otlp_endpoint: Some(format!("http://{address}").parse().expect("a URL")),
            ..TelemetryConfig::default()
        },
        trusted_proxies: vec!["127.0.0.1/32".parse().expect("a network")],
        ..configuration.config()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sampled_trace_goes_on_to_the_service_and_its_spans_to_the_collector() {
    let (upstream, (collector, address)) = (Upstream::start().await, Collector::start().await);
    let configuration = Configuration::new()
        .service(1, &format!("http://{}", upstream.address))
        .route(2, 1, "/");
    let gateway = Gateway::start(to_collector(configuration, address)).expect("started");
    let headers = [
        ("traceparent", PARENT),
        ("tracestate", "a=1"),
        ("authorization", CANARY),
        ("cookie", CANARY),
    ];
    let path = format!("/things?api_key={CANARY}&page=2");
    get(gateway.proxy_addresses()[0], &path, &headers).await;
    let told = sent_header(&upstream.last_request(), "traceparent").expect("told");
    assert_eq!(
        sent_header(&upstream.last_request(), "tracestate").as_deref(),
        Some("a=1")
    );
    gateway.stop().await;
    let spans = collector.spans();
    let of_kind = |kind: i32| {
        spans
            .iter()
            .find(|span| span.kind == kind)
            .expect("a span of this kind")
    };
    let (server, client) = (of_kind(2), of_kind(3));
    assert_eq!(spans.len(), 2);
    assert_eq!(hex(&server.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(
        (hex(&server.parent_span_id).as_str(), server.trace_state.as_str()),
        ("00f067aa0ba902b7", "a=1")
    );
    assert_eq!(
        (&client.parent_span_id, &client.trace_id),
        (&server.span_id, &server.trace_id)
    );
    assert_eq!(
        told,
        format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", hex(&client.span_id))
    );
    assert_eq!(server.name, "GET r2");
    for (name, wanted) in [
        ("http.request.method", "GET"),
        ("url.path", "/things"),
        ("url.query", "api_key=***&page=2"),
        ("http.response.status_code", "200"),
        ("http.route", "r2"),
        ("gatehouse.service", "s1"),
        ("client.address", "127.0.0.1"),
    ] {
        assert_eq!(attribute(server, name).as_deref(), Some(wanted), "{name}");
    }
    assert_eq!(
        attribute(client, "server.port"),
        Some(upstream.address.port().to_string())
    );
    assert!(client.end_time_unix_nano <= server.end_time_unix_nano && !format!("{spans:?}").contains(CANARY));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_sampled_gets_a_trace_and_no_span() {
    let (upstream, (collector, address)) = (Upstream::start().await, Collector::start().await);
    let configuration = Configuration::new()
        .service(1, &format!("http://{}", upstream.address))
        .route(2, 1, "/");
    let gateway = Gateway::start(to_collector(configuration, address)).expect("started");
    get(
        gateway.proxy_addresses()[0],
        "/",
        &[("traceparent", "garbage"), ("tracestate", "a=1")],
    )
    .await;
    let request = upstream.last_request();
    let told = sent_header(&request, "traceparent").expect("told");
    assert!(
        told.len() == 55 && told.ends_with("-00") && !told.contains("garbage"),
        "{told}"
    );
    assert_eq!(sent_header(&request, "tracestate"), None);
    gateway.stop().await;
    assert_eq!(collector.spans(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_collector_costs_spans_which_are_counted() {
    let upstream = Upstream::start().await;
    let place = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = place.local_addr().expect("an address");
    drop(place);
    let configuration = Configuration::new()
        .service(1, &format!("http://{}", upstream.address))
        .route(2, 1, "/");
    let gateway = Gateway::start(to_collector(configuration, address)).expect("started");
    for _ in 0..3 {
        let answer = get(gateway.proxy_addresses()[0], "/", &[("traceparent", PARENT)]).await;
        assert_eq!(answer.status, 200);
    }
    let status = gateway.status_address();
    eventually(async || {
        let metrics = get(status, "/metrics", &[]).await.body;
        metrics.contains("gatehouse_trace_spans_dropped_total 6")
    })
    .await;
    gateway.stop().await;
}

fn log_file() -> PathBuf {
    std::env::temp_dir().join(format!("gatehouse-access-{}.log", uuid::Uuid::now_v7()))
}

/// What is in a log file, as it is and read; the file is removed.
fn lines(path: &PathBuf) -> (String, Vec<Value>) {
    let text = std::fs::read_to_string(path).expect("readable");
    std::fs::remove_file(path).expect("removed");
    let read = |line: &str| serde_json::from_str(line).expect("JSON");
    let lines = text.lines().map(read).collect();
    (text, lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_file_has_a_line_for_each_request_and_no_secret() {
    let (upstream, path) = (Upstream::start().await, log_file());
    let configuration = Configuration::new()
        .service(1, &format!("http://{}", upstream.address))
        .route(2, 1, "/")
        .plugin(
            3,
            "key-auth",
            json!({"route": support::id(2)}),
            json!({"query_parameters": ["door"]}),
        )
        .consumer(4, "shop")
        .key(5, 4, CANARY);
    let gateway = Gateway::start(Config {
        telemetry: TelemetryConfig {
            access_log: Destination::File(path.clone()),
            ..TelemetryConfig::default()
        },
        ..configuration.config()
    })
    .expect("started");
    let address = gateway.proxy_addresses()[0];
    get(
        address,
        "/a",
        &[("x-api-key", CANARY), ("cookie", CANARY), ("user-agent", "shop/1.0")],
    )
    .await;
    get(address, &format!("/b?door={CANARY}"), &[("authorization", CANARY)]).await;
    get(address, "/c?door=wrong-canary", &[]).await;
    let metrics = get(gateway.status_address(), "/metrics", &[]).await.body;
    gateway.stop().await;
    let (text, read) = lines(&path);
    assert!(!text.contains("canary") && !metrics.contains(CANARY), "{text}");
    let seen: Vec<_> = read
        .iter()
        .map(|line| (line["path"].as_str(), line["status"].as_u64()))
        .collect();
    let wanted = [
        (Some("/a"), Some(200)),
        (Some("/b"), Some(200)),
        (Some("/c"), Some(401)),
    ];
    assert_eq!(seen, wanted, "{text}");
    for (name, wanted) in [
        ("consumer", "shop"),
        ("credential", "gh_test_abcd"),
        ("route", "r2"),
        ("service", "s1"),
        ("client_ip", "127.0.0.1"),
        ("query", "door=***"),
        ("target", "gatehouse::access"),
    ] {
        assert_eq!(read[1][name].as_str(), Some(wanted), "{name} in {}", read[1]);
    }
    assert!(
        read[2]["reason"].as_str().is_some_and(|reason| !reason.is_empty()),
        "{}",
        read[2]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_over_when_its_answer_is_whatever_the_client_still_sends() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly";
    let (service, path) = (Scripted::start(answer, Then::Stay).await, log_file());
    let gateway = Gateway::start(Config {
        telemetry: TelemetryConfig {
            access_log: Destination::File(path.clone()),
            ..TelemetryConfig::default()
        },
        ..Configuration::new()
            .service(1, &service.url())
            .route(2, 1, "/")
            .config()
    })
    .expect("started");
    // One that the service answers too early, and one that the gateway does.
    for (count, length) in [5, 99_999_999].into_iter().enumerate() {
        let mut client = TcpStream::connect(gateway.proxy_addresses()[0])
            .await
            .expect("connected");
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        client.write_all(request.as_bytes()).await.expect("written");
        eventually(async || {
            let written = std::fs::read_to_string(&path).unwrap_or_default();
            written.lines().count() > count
        })
        .await;
    }
    gateway.stop().await;
    for line in lines(&path).1 {
        let linger = Duration::from_secs(5);
        let took = line["latency_us"].as_u64().map(Duration::from_micros);
        assert!(took.is_some_and(|took| took < linger), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_say_how_long_they_took_where_that_is_wanted() {
    let upstream = Upstream::start().await;
    let names = ["x-gatehouse-upstream-latency", "x-gatehouse-proxy-latency"];
    for wanted in [false, true] {
        let configuration = Configuration::new()
            .service(1, &format!("http://{}", upstream.address))
            .route(2, 1, "/");
        let gateway = Gateway::start(Config {
            latency_headers: wanted,
            ..configuration.config()
        })
        .expect("started");
        let began = Instant::now();
        let answer = get(gateway.proxy_addresses()[0], "/slow", &[]).await;
        let whole = began.elapsed().as_millis();
        let milliseconds = |value: &str| value.parse::<u128>().expect("milliseconds");
        let told = names.map(|name| answer.header(name).map(milliseconds));
        match told {
            // Each millisecond is told once, and what the service waits before it answers is its own.
            [Some(service), Some(proxy)] => assert!(wanted && service >= 700 && service + proxy <= whole, "{answer:?}"),
            told => assert!(!wanted && told == [None, None], "{answer:?}"),
        }
        let own = get(gateway.proxy_addresses()[0], "/%00", &[]).await;
        let told = names.map(|name| own.header(name).is_some());
        assert_eq!((own.status, told), (400, [false, wanted]), "{own:?}");
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_opened_is_told_with_its_setting() {
    let error = Gateway::start(Config {
        telemetry: TelemetryConfig {
            access_log: Destination::File("/nowhere/access.log".into()),
            ..TelemetryConfig::default()
        },
        ..Configuration::new().config()
    })
    .expect_err("no such directory")
    .to_string();
    assert!(
        error.contains("GATEHOUSE_ACCESS_LOG") && error.contains("/nowhere/access.log"),
        "{error}"
    );
}
