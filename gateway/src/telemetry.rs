//! What is measured of requests and of the gateway: metrics for Prometheus and a line in the access log.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use model::reason::Reason;
use pingora_http::RequestHeader;
use plugins::Facts;
use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

use crate::runtime::Route;

/// Seconds; the bounds of usage histograms and a few more at both ends.
const BUCKETS: [f64; 15] = [
    0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// How a request ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome<'a> {
    /// What the client saw.
    pub(crate) status: u16,
    /// Why the gateway answered itself, when it did.
    pub(crate) reason: Option<Reason>,
    /// From the complete header to the last byte sent.
    pub(crate) latency: Duration,
    /// Of it, waiting for the service's header.
    pub(crate) upstream: Duration,
    /// What is known of it, once a route matched.
    pub(crate) facts: Option<&'a Facts>,
    /// The route that matched.
    pub(crate) route: Option<&'a Route>,
    /// Its id.
    pub(crate) request_id: &'a str,
    /// The last target that was tried.
    pub(crate) target: Option<&'a str>,
    /// How many were.
    pub(crate) tries: usize,
    /// Bytes of the body sent to the client.
    pub(crate) sent: usize,
}

/// The measurements of one gateway.
#[derive(Debug)]
pub(crate) struct Telemetry {
    registry: Registry,
    requests: IntCounterVec,
    latency: Histogram,
    upstream: Histogram,
    revision: IntGauge,
    connected: IntGauge,
    behind: Gauge,
    problems: IntGauge,
    /// Batches of usage that were dropped because they could not be shipped for long.
    pub(crate) usage_dropped: IntCounter,
    /// Batches of usage that wait to be shipped.
    pub(crate) usage_waiting: IntGauge,
    /// Copies of requests that were not sent.
    pub(crate) mirrors_dropped: IntCounter,
    /// Connections that were closed at once because there were too many.
    pub(crate) connections_refused: IntCounter,
    evicted: IntCounter,
    evicted_before: AtomicU64,
    in_flight: Arc<AtomicI64>,
}

/// Counts a request as being in flight until it is dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<AtomicI64>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::in_registry(Registry::new())
    }
}

impl Telemetry {
    fn in_registry(registry: Registry) -> Self {
        Self {
            requests: counters(
                &registry,
                "gatehouse_requests_total",
                "Requests by route, status class and reason.",
            ),
            latency: histogram(
                &registry,
                "gatehouse_request_seconds",
                "Time from request header to last byte, in seconds.",
            ),
            upstream: histogram(
                &registry,
                "gatehouse_upstream_seconds",
                "Time until the service's header, in seconds.",
            ),
            revision: gauge(
                &registry,
                "gatehouse_config_revision",
                "The revision of the configuration that is served.",
            ),
            connected: gauge(
                &registry,
                "gatehouse_config_source_up",
                "1 while the source of the configuration answers.",
            ),
            behind: float_gauge(
                &registry,
                "gatehouse_config_apply_seconds",
                "How long the last change took to compile.",
            ),
            problems: gauge(
                &registry,
                "gatehouse_config_problems",
                "Objects of the configuration that cannot be used.",
            ),
            usage_dropped: counter(
                &registry,
                "gatehouse_usage_batches_dropped_total",
                "Usage batches that were lost.",
            ),
            usage_waiting: gauge(
                &registry,
                "gatehouse_usage_batches_waiting",
                "Usage batches not yet shipped.",
            ),
            mirrors_dropped: counter(
                &registry,
                "gatehouse_mirrors_dropped_total",
                "Copies of requests that were not sent: too many were under way, or the body was too long.",
            ),
            connections_refused: counter(
                &registry,
                "gatehouse_connections_refused_total",
                "Connections closed at once because there were too many.",
            ),
            evicted: counter(
                &registry,
                "gatehouse_rate_limit_counters_evicted_total",
                "Counters dropped for want of room.",
            ),
            evicted_before: AtomicU64::new(0),
            in_flight: Arc::default(),
            registry,
        }
    }

    /// A request begins.
    pub(crate) fn enter(&self) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        InFlight(self.in_flight.clone())
    }

    /// How many requests are in flight.
    pub(crate) fn in_flight(&self) -> i64 {
        self.in_flight.load(Ordering::Acquire)
    }

    /// A revision is served now.
    pub(crate) fn applied(&self, revision: i64, problems: usize, took: Duration) {
        self.revision.set(revision);
        self.problems.set(i64::try_from(problems).unwrap_or(i64::MAX));
        self.behind.set(took.as_secs_f64());
    }

    /// Whether the source of the configuration answers.
    pub(crate) fn source_up(&self, up: bool) {
        self.connected.set(i64::from(up));
    }

    /// A request is over.
    pub(crate) fn record(&self, request: &RequestHeader, outcome: &Outcome<'_>) {
        let route = outcome.route.map_or("", |route| route.name.as_str());
        let class = ["1xx", "2xx", "3xx", "4xx", "5xx"][usize::from(outcome.status / 100).clamp(1, 5) - 1];
        let reason = outcome.reason.map_or("", Reason::code);
        self.requests.with_label_values(&[route, class, reason]).inc();
        self.latency.observe(outcome.latency.as_secs_f64());
        if outcome.tries > 0 {
            self.upstream.observe(outcome.upstream.as_secs_f64());
        }
        log(request, outcome);
    }

    /// Everything measured, in the text format of Prometheus.
    pub(crate) fn render(&self, evicted: u64) -> Vec<u8> {
        let before = self.evicted_before.swap(evicted, Ordering::Relaxed);
        self.evicted.inc_by(evicted.saturating_sub(before));
        let mut families = self.registry.gather();
        families.extend(self.in_flight_family());
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&families, &mut text) {
            tracing::error!(%error, "metrics cannot be written");
        }
        text
    }

    fn in_flight_family(&self) -> Vec<prometheus::proto::MetricFamily> {
        let registry = Registry::new();
        gauge(
            &registry,
            "gatehouse_requests_in_flight",
            "Requests that are being served.",
        )
        .set(self.in_flight());
        registry.gather()
    }
}

/// The access log: what happened, never what was in it. Queries are left out because keys may be in them.
fn log(request: &RequestHeader, outcome: &Outcome<'_>) {
    let facts = outcome.facts;
    tracing::info!(
        target: "gatehouse::access",
        request_id = outcome.request_id,
        method = request.method.as_str(),
        host = facts.map_or("", |facts| facts.host.as_str()),
        path = facts.map_or_else(|| request.uri.path(), |facts| facts.path.as_str()),
        status = outcome.status,
        reason = outcome.reason.map_or("", Reason::code),
        route = outcome.route.map_or("", |route| route.name.as_str()),
        consumer = facts.and_then(|facts| facts.identity.as_ref()).map_or("", |identity| identity.consumer.row.name.as_str()),
        target_address = outcome.target.unwrap_or_default(),
        client_ip = facts.map(|facts| facts.client_ip.to_string()).unwrap_or_default(),
        latency_us = outcome.latency.as_micros(),
        upstream_us = outcome.upstream.as_micros(),
        bytes = outcome.sent,
        "request"
    );
}

fn register<C: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    collector: prometheus::Result<C>,
) -> C {
    #[expect(
        clippy::expect_used,
        reason = "names and buckets are constants of this file, each registered once"
    )]
    let collector = collector.expect("a valid metric");
    if let Err(error) = registry.register(Box::new(collector.clone())) {
        tracing::error!(%error, "a metric is not registered");
    }
    collector
}

fn counter(registry: &Registry, name: &str, help: &str) -> IntCounter {
    register(registry, IntCounter::new(name, help))
}

fn counters(registry: &Registry, name: &str, help: &str) -> IntCounterVec {
    register(
        registry,
        IntCounterVec::new(Opts::new(name, help), &["route", "status", "reason"]),
    )
}

fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    register(registry, IntGauge::new(name, help))
}

fn float_gauge(registry: &Registry, name: &str, help: &str) -> Gauge {
    register(registry, Gauge::new(name, help))
}

fn histogram(registry: &Registry, name: &str, help: &str) -> Histogram {
    register(
        registry,
        Histogram::with_opts(HistogramOpts::new(name, help).buckets(BUCKETS.to_vec())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_route_class_and_reason() {
        let telemetry = Telemetry::default();
        let request = RequestHeader::build("GET", b"/?key=secret", None).expect("a request");
        let in_flight = telemetry.enter();
        let outcome = Outcome {
            status: 404,
            reason: Some(Reason::RouteNotFound),
            latency: Duration::from_millis(3),
            upstream: Duration::ZERO,
            facts: None,
            route: None,
            request_id: "x",
            target: None,
            tries: 0,
            sent: 0,
        };
        telemetry.record(&request, &outcome);
        let text = String::from_utf8(telemetry.render(4)).expect("text");
        for line in [
            r#"gatehouse_requests_total{reason="route_not_found",route="",status="4xx"} 1"#,
            "gatehouse_requests_in_flight 1",
            "gatehouse_rate_limit_counters_evicted_total 4",
            "gatehouse_request_seconds_count 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        drop(in_flight);
        assert_eq!(telemetry.in_flight(), 0);
    }
}
