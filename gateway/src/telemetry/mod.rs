//! What is measured and written down of requests and of the gateway: metrics, access log and traces.
//!
//! The proxy says when a request enters and how it ended; nothing here ever makes it wait.

mod access_log;
mod methods;
pub mod metrics;
mod outcome;
mod passage;
mod redact;
mod sampling;
mod settings;
pub mod traces;

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use pingora_http::RequestHeader;
use prometheus::{IntCounter, IntGauge};

use crate::error::Error;
use crate::runtime::Route;
use crate::tls::Expiry;
use access_log::AccessLog;
use metrics::{Metrics, RouteMetrics, StreamMetrics, TargetState};
pub use outcome::{LogChoice, Outcome, Protocol, Tls, UpstreamExchange};
pub(crate) use passage::{Ended, Passage};
pub use settings::{Destination, Syslog, TelemetryConfig, share};
use traces::{Exporter, Receiver, Trace};

/// The measurements of one gateway.
#[derive(Debug, Default)]
pub struct Telemetry {
    metrics: Metrics,
    access_log: Option<AccessLog>,
    exporter: Option<Exporter>,
    trace_sampling: f64,
}

/// Counts something as being there until it is dropped.
#[derive(Debug)]
pub struct Present(IntGauge);

/// A request that is being served.
pub type InFlight = Present;

impl Present {
    fn of(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Telemetry {
    /// Opens log and traces for a gateway of this name; called within a runtime.
    pub(crate) fn start(config: &TelemetryConfig, gateway: &str) -> Result<Self, Error> {
        let metrics = Metrics::default();
        let setting = |setting| move |reason| Error::Telemetry { setting, reason };
        let dropped = metrics.queues.access_log_dropped.clone();
        let access_log = AccessLog::start(&config.access_log, config.access_log_sampling, dropped)
            .map_err(setting("GATEHOUSE_ACCESS_LOG"))?;
        let receiver = config
            .otlp_endpoint
            .as_ref()
            .map(|url| Receiver { url, instance: gateway });
        let exporter = receiver.map(|receiver| Exporter::start(receiver, metrics.queues.spans.clone()));
        Ok(Self {
            access_log,
            exporter: exporter.transpose().map_err(setting("GATEHOUSE_OTLP_ENDPOINT"))?,
            trace_sampling: config.trace_sampling,
            metrics,
        })
    }

    /// Adds what another part of the gateway measures.
    pub(crate) fn register(&self, measured: prometheus::Result<impl prometheus::core::Collector + 'static>) {
        let registered = measured.and_then(|measured| self.metrics.registry.register(Box::new(measured)));
        if let Err(error) = registered {
            tracing::error!(%error, "a metric is not registered");
        }
    }

    /// A request begins.
    pub fn enter(&self) -> InFlight {
        Present::of(&self.metrics.in_flight)
    }

    /// How many requests are in flight.
    pub fn in_flight(&self) -> i64 {
        self.metrics.in_flight.get()
    }

    /// Decides which trace a request belongs to, once its route is known. `trusted` says whether its peer is a trusted
    /// proxy.
    pub fn trace(&self, request: &RequestHeader, trusted: bool, choice: LogChoice) -> Trace {
        Trace::begin(request, trusted, choice.trace_sampling.unwrap_or(self.trace_sampling))
    }

    /// A request is over.
    pub fn record(&self, request: &RequestHeader, outcome: &Outcome<'_>) {
        let metrics = &self.metrics;
        match outcome.route {
            Some(route) => match outcome.other_service {
                Some(other) => metrics
                    .routes
                    .of(&route.name, &other.name)
                    .record(&request.method, outcome),
                None => self.of_route(route).record(&request.method, outcome),
            },
            None => metrics.routes.unmatched().record(&request.method, outcome),
        }
        metrics.connections.requests[outcome.protocol as usize].inc();
        let own = outcome.latency.saturating_sub(outcome.upstream_time());
        metrics.overhead.observe(own.as_secs_f64());
        metrics.received.observe(size(outcome.received));
        metrics.sent.observe(size(outcome.sent));
        if let Some(log) = &self.access_log {
            log.record(request, outcome);
        }
        if let (Some(exporter), Some(trace)) = (&self.exporter, outcome.trace.filter(|trace| trace.sampled)) {
            exporter.hand_over(traces::spans(request, outcome, &trace));
        }
    }

    fn of_route<'a>(&self, route: &'a Route) -> &'a RouteMetrics {
        let of_route = || self.metrics.routes.of(&route.name, &route.service.name);
        route.metrics.get_or_init(of_route)
    }

    /// A connection begins to be passed on unopened.
    pub(crate) fn stream_opened(&self) -> Present {
        Present::of(&self.metrics.connections.streams)
    }

    /// How many connections are being passed on unopened.
    pub(crate) fn open_streams(&self) -> i64 {
        self.metrics.connections.streams.get()
    }

    /// What is counted of the connections that a route passes on, or that no route takes.
    pub(crate) fn streams<'a>(&'a self, route: Option<&'a Route>) -> &'a StreamMetrics {
        let of_route = route.map(|route| self.of_route(route));
        of_route.unwrap_or_else(|| self.metrics.routes.unmatched()).streams()
    }

    /// A connection that was passed on, or refused, is over.
    pub(crate) fn record_connection(&self, passage: &Passage<'_>) {
        self.streams(passage.route).record(passage.ended);
        if let Some(log) = &self.access_log {
            log.record_connection(passage);
        }
    }

    /// A client's connection was accepted; it counts as open until what is returned is dropped.
    pub fn connection_accepted(&self) -> Present {
        self.metrics.connections.accepted.inc();
        Present::of(&self.metrics.connections.open)
    }

    /// A client's connection was closed at once because there were too many.
    pub fn connection_refused(&self) {
        self.metrics.connections.refused.inc();
    }

    /// How many bytes of memory may be in use.
    pub(crate) fn memory_limit(&self, bytes: u64) {
        self.metrics.memory_limit.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// How many are.
    pub(crate) fn memory_used(&self, bytes: u64) {
        self.metrics.memory_used.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// A connection or request broke a rule before a route was looked for.
    pub fn edge_refused(&self, rule: &str) {
        let refusals = &self.metrics.connections.edge_refusals;
        refusals.with_label_values(&[rule]).inc();
    }

    /// A TLS handshake with a client ended, well or not.
    pub fn tls_handshake(&self, succeeded: bool) {
        self.metrics.connections.handshakes[usize::from(succeeded)].inc();
    }

    /// A revision is served now.
    pub(crate) fn applied(&self, revision: i64, problems: usize, took: Duration) {
        let configuration = &self.metrics.configuration;
        configuration.revision.set(revision);
        configuration.problems.set(i64::try_from(problems).unwrap_or(i64::MAX));
        configuration.apply_seconds.set(took.as_secs_f64());
    }

    /// Where the revision of the gateway's own copy is shown.
    pub(crate) fn copy_revision(&self) -> IntGauge {
        self.metrics.configuration.copy_revision.clone()
    }

    /// Whether the source of the configuration answers.
    pub(crate) fn source_up(&self, up: bool) {
        self.metrics.configuration.source_up.set(i64::from(up));
    }

    /// These certificates are shown to clients now.
    pub(crate) fn certificates(&self, expiries: &[Expiry]) {
        self.metrics.configuration.show(expiries);
    }

    /// The source said that what is served is current.
    pub(crate) fn source_confirmed(&self) {
        let mut confirmed = self
            .metrics
            .configuration
            .confirmed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *confirmed = Some(Instant::now());
    }

    /// Requests that usage lost because it could not be shipped for long.
    pub(crate) fn usage_dropped(&self) -> &IntCounter {
        &self.metrics.queues.usage_dropped
    }

    /// Requests whose callers it lost for that.
    pub(crate) fn usage_callers_dropped(&self) -> &IntCounter {
        &self.metrics.queues.usage_callers_dropped
    }

    /// A copy of a request was not sent.
    pub(crate) fn mirror_dropped(&self) {
        self.metrics.queues.mirrors_dropped.inc();
    }

    /// Rows of usage that wait to be shipped.
    pub(crate) fn usage_waiting(&self) -> &IntGauge {
        &self.metrics.queues.usage_waiting
    }

    /// Everything measured, in the text format of Prometheus; `targets` are those of all pools.
    pub fn render(&self, evicted: u64, targets: impl Iterator<Item = TargetState>) -> Vec<u8> {
        self.metrics.render(evicted, targets)
    }

    /// Waits a short while until log and traces are written.
    pub(crate) async fn finish(&self) {
        if let Some(log) = &self.access_log {
            log.flush().await;
        }
        if let Some(exporter) = &self.exporter {
            exporter.flush().await;
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a histogram's sum of bytes need not be exact beyond 2^53"
)]
fn size(bytes: usize) -> f64 {
    bytes as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::reason::Reason;

    fn text(telemetry: &Telemetry, evicted: u64) -> String {
        String::from_utf8(telemetry.render(evicted, std::iter::empty())).expect("text")
    }

    #[test]
    fn requests_are_counted_by_route_method_class_and_reason() {
        let telemetry = Telemetry::default();
        let request = RequestHeader::build("GET", b"/?key=canary", None).expect("a request");
        let in_flight = telemetry.enter();
        let outcome = Outcome {
            status: 404,
            reason: Some(Reason::RouteNotFound),
            latency: Duration::from_millis(3),
            sent: 20,
            ..Outcome::default()
        };
        telemetry.record(&request, &outcome);
        let shown = text(&telemetry, 4);
        for line in [
            r#"gatehouse_requests_total{method="GET",route="",service="",status="4xx"} 1"#,
            r#"gatehouse_refusals_total{reason="route_not_found",route="",service=""} 1"#,
            r#"gatehouse_requests_by_protocol_total{protocol="HTTP/1.1"} 1"#,
            r#"gatehouse_request_seconds_count{route="",service=""} 1"#,
            r#"gatehouse_sent_bytes_total{route="",service=""} 20"#,
            "gatehouse_overhead_seconds_count 1",
            "gatehouse_requests_in_flight 1",
            "gatehouse_rate_limit_counters_evicted_total 4",
            "gatehouse_config_lag_seconds -1",
            "process_open_fds ",
        ] {
            assert!(shown.contains(line), "{line} is not in\n{shown}");
        }
        assert!(!shown.contains("canary"), "{shown}");
        assert!(text(&telemetry, 6).contains("gatehouse_rate_limit_counters_evicted_total 6"));
        drop(in_flight);
        assert_eq!(telemetry.in_flight(), 0);
    }

    #[test]
    fn the_time_with_a_service_is_not_the_gateways() {
        let telemetry = Telemetry::default();
        let request = RequestHeader::build("GET", b"/", None).expect("a request");
        let outcome = Outcome {
            status: 200,
            latency: Duration::from_millis(100),
            upstream: Duration::from_millis(40),
            exchange: UpstreamExchange {
                total: Duration::from_millis(90),
                connects: 2,
                reuses: 1,
                ..UpstreamExchange::default()
            },
            tries: 3,
            ..Outcome::default()
        };
        telemetry.record(&request, &outcome);
        let shown = text(&telemetry, 0);
        for line in [
            "gatehouse_overhead_seconds_sum 0.01",
            r#"gatehouse_upstream_seconds_sum{service=""} 0.04"#,
            r#"gatehouse_upstream_retries_total{service=""} 2"#,
            r#"gatehouse_upstream_connects_total{service=""} 2"#,
            r#"gatehouse_upstream_reuses_total{service=""} 1"#,
        ] {
            assert!(shown.contains(line), "{line} is not in\n{shown}");
        }
    }

    #[test]
    fn connections_and_targets_are_shown_as_they_are_now() {
        let telemetry = Telemetry::default();
        let open = telemetry.connection_accepted();
        telemetry.connection_refused();
        telemetry.tls_handshake(true);
        telemetry.edge_refused("repeated_host");
        let target = TargetState {
            service: "s".to_owned(),
            target: "a\"\n:1".to_owned(),
            healthy: false,
            breaker: metrics::Breaker::Open,
            idle: 3,
            active: 1,
        };
        let shown = String::from_utf8(telemetry.render(0, std::iter::once(target))).expect("text");
        for line in [
            "gatehouse_connections_open 1",
            "gatehouse_connections_accepted_total 1",
            "gatehouse_connections_refused_total 1",
            r#"gatehouse_tls_handshakes_total{result="ok"} 1"#,
            r#"gatehouse_edge_refusals_total{rule="repeated_host"} 1"#,
            r#"gatehouse_target_healthy{service="s",target="a\"\n:1"} 0"#,
            r#"gatehouse_target_breaker_state{service="s",target="a\"\n:1"} 2"#,
        ] {
            assert!(shown.contains(line), "{line} is not in\n{shown}");
        }
        drop(open);
        let shown = text(&telemetry, 0);
        assert!(
            shown.contains("gatehouse_connections_open 0") && !shown.contains("gatehouse_target_healthy{"),
            "{shown}"
        );
    }
}
