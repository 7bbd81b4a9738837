//! What is counted for Prometheus. docs/metrics.md lists every metric.
//!
//! Requests reach their counters through their route, which keeps them in one piece: no label is looked up, no text is made,
//! and little memory is touched.

mod buckets;
mod route;
mod shelf;
mod shown;
mod stream;
mod target;

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use prometheus::{
    Encoder as _, Gauge, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder,
};

use super::outcome::Protocol;
use super::traces;
use crate::tls::Expiry;
pub use route::{RouteMetrics, Routes};
use shelf::Shelf;
pub(crate) use stream::StreamMetrics;
pub use target::{Breaker, TargetState, Targets};

/// Certificates whose end is shown.
const MAX_CERTIFICATES: usize = 1_000;

/// Seconds of the gateway's own work, which is much quicker than services are.
const OWN_SECONDS: [f64; 12] = [
    0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0,
];
/// Bytes of bodies.
const BYTES: [f64; 8] = [
    0.0,
    1_024.0,
    8_192.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    10_485_760.0,
    104_857_600.0,
];

/// Every metric of a gateway.
#[derive(Debug)]
pub struct Metrics {
    pub(super) registry: Registry,
    names: Vec<String>,
    /// Requests by route.
    pub(crate) routes: Routes,
    /// What is known of targets.
    targets: Mutex<Targets>,
    pub(crate) in_flight: IntGauge,
    pub(crate) overhead: Histogram,
    pub(crate) received: Histogram,
    pub(crate) sent: Histogram,
    pub(crate) memory_limit: IntGauge,
    pub(crate) memory_used: IntGauge,
    pub(crate) connections: Connections,
    pub(crate) configuration: Configuration,
    pub(crate) queues: Queues,
    evicted: Mutex<(IntCounter, u64)>,
}

/// Connections of clients.
#[derive(Debug)]
pub(crate) struct Connections {
    pub(crate) open: IntGauge,
    /// Those that are passed on unopened.
    pub(crate) streams: IntGauge,
    pub(crate) accepted: IntCounter,
    pub(crate) refused: IntCounter,
    /// One for each of [`Protocol::ALL`].
    pub(crate) requests: [IntCounter; 3],
    pub(crate) edge_refusals: IntCounterVec,
    /// TLS handshakes: those that failed, those that did not.
    pub(crate) handshakes: [IntCounter; 2],
}

/// What is served, and how it follows its source.
#[derive(Debug)]
pub(crate) struct Configuration {
    pub(crate) revision: IntGauge,
    pub(crate) copy_revision: IntGauge,
    pub(crate) source_up: IntGauge,
    pub(crate) apply_seconds: Gauge,
    pub(crate) problems: IntGauge,
    lag: Gauge,
    expiries: IntGaugeVec,
    /// When the source last said what is current.
    pub(crate) confirmed: Mutex<Option<Instant>>,
}

/// Queues between requests and what is slower than they are.
#[derive(Debug)]
pub(crate) struct Queues {
    pub(crate) usage_dropped: IntCounter,
    pub(crate) usage_callers_dropped: IntCounter,
    pub(crate) usage_waiting: IntGauge,
    pub(crate) access_log_dropped: IntCounter,
    pub(crate) mirrors_dropped: IntCounter,
    pub(crate) spans: traces::Counts,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut shelf = Shelf::default();
        let metrics = Self {
            routes: Routes::on(&mut shelf),
            targets: Mutex::new(Targets::on(&mut shelf)),
            in_flight: shelf.gauge("gatehouse_requests_in_flight", "Requests that are being served."),
            overhead: shelf.histogram(
                "gatehouse_overhead_seconds",
                "Time of requests that was not spent with the service, in seconds.",
                &OWN_SECONDS,
            ),
            received: shelf.histogram("gatehouse_request_bytes", "Size of request bodies, in bytes.", &BYTES),
            sent: shelf.histogram("gatehouse_response_bytes", "Size of response bodies, in bytes.", &BYTES),
            memory_limit: shelf.gauge(
                "gatehouse_memory_limit_bytes",
                "Memory that may be in use; 0 without a limit.",
            ),
            memory_used: shelf.gauge(
                "gatehouse_memory_used_bytes",
                "Memory in use, as it counts against the limit.",
            ),
            connections: Connections::on(&mut shelf),
            configuration: Configuration::on(&mut shelf),
            queues: Queues::on(&mut shelf),
            evicted: Mutex::new((
                shelf.counter(
                    "gatehouse_rate_limit_counters_evicted_total",
                    "Counters dropped for want of room.",
                ),
                0,
            )),
            registry: Registry::new(),
            names: Vec::new(),
        };
        shelf.process();
        let (registry, names) = shelf.into_parts();
        Self {
            registry,
            names,
            ..metrics
        }
    }
}

impl Metrics {
    /// The names of all metrics, also of those that have no value yet.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Everything measured, in the text format of Prometheus.
    pub(crate) fn render(&self, evicted: u64, targets: impl Iterator<Item = TargetState>) -> Vec<u8> {
        self.take_evicted(evicted);
        self.configuration.measure_lag();
        // Two at once would see each other's targets half.
        let mut shown = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        shown.show(targets);
        let families = self.registry.gather();
        drop(shown);
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&families, &mut text) {
            tracing::error!(%error, "metrics cannot be written");
        }
        text
    }

    fn take_evicted(&self, evicted: u64) {
        let mut seen = self.evicted.lock().unwrap_or_else(PoisonError::into_inner);
        seen.0.inc_by(evicted.saturating_sub(seen.1));
        seen.1 = evicted;
    }
}

impl Connections {
    fn on(shelf: &mut Shelf) -> Self {
        let requests = shelf.counters(
            "gatehouse_requests_by_protocol_total",
            "Requests by the protocol of the client.",
            &["protocol"],
        );
        let handshakes = shelf.counters(
            "gatehouse_tls_handshakes_total",
            "TLS handshakes of clients by result.",
            &["result"],
        );
        Self {
            open: shelf.gauge("gatehouse_connections_open", "Connections of clients that are open."),
            streams: shelf.gauge(
                "gatehouse_stream_connections_open",
                "Connections that are being passed on unopened.",
            ),
            accepted: shelf.counter(
                "gatehouse_connections_accepted_total",
                "Connections of clients that were accepted.",
            ),
            refused: shelf.counter(
                "gatehouse_connections_refused_total",
                "Connections closed at once because there were too many.",
            ),
            requests: Protocol::ALL.map(|protocol| requests.with_label_values(&[protocol.name()])),
            edge_refusals: shelf.counters(
                "gatehouse_edge_refusals_total",
                "Connections and requests refused before a route was looked for, by reason.",
                &["rule"],
            ),
            handshakes: ["failed", "ok"].map(|result| handshakes.with_label_values(&[result])),
        }
    }
}

impl Configuration {
    fn on(shelf: &mut Shelf) -> Self {
        Self {
            revision: shelf.gauge(
                "gatehouse_config_revision",
                "The revision of the configuration that is served.",
            ),
            copy_revision: shelf.gauge(
                "gatehouse_config_copy_revision",
                "The revision that a restart without the database would serve.",
            ),
            source_up: shelf.gauge(
                "gatehouse_config_source_up",
                "1 while the source of the configuration answers.",
            ),
            apply_seconds: shelf.float_gauge(
                "gatehouse_config_apply_seconds",
                "How long the last change took to compile, in seconds.",
            ),
            problems: shelf.gauge(
                "gatehouse_config_problems",
                "Objects of the configuration that cannot be used.",
            ),
            lag: shelf.float_gauge(
                "gatehouse_config_lag_seconds",
                "Time since the source last said that what is served is current, in seconds; -1 before it first did.",
            ),
            expiries: shelf.gauges(
                "gatehouse_certificate_expiry_timestamp_seconds",
                "When a certificate that is shown to clients ends; of more than a thousand, those that end first.",
                &["certificate"],
            ),
            confirmed: Mutex::default(),
        }
    }

    /// Shows when these certificates end.
    pub(crate) fn show(&self, expiries: &[Expiry]) {
        let mut first: Vec<&Expiry> = expiries.iter().collect();
        first.sort_by_key(|expiry| expiry.at);
        self.expiries.reset();
        for expiry in first.into_iter().take(MAX_CERTIFICATES) {
            let of_one = self.expiries.with_label_values(&[expiry.certificate.as_str()]);
            of_one.set(expiry.at.unix_timestamp());
        }
    }

    fn measure_lag(&self) {
        let confirmed = *self.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
        self.lag.set(confirmed.map_or(-1.0, |at| at.elapsed().as_secs_f64()));
    }
}

impl Queues {
    fn on(shelf: &mut Shelf) -> Self {
        Self {
            usage_dropped: shelf.counter(
                "gatehouse_usage_requests_dropped_total",
                "Requests that usage does not know of: too much waited to be shipped.",
            ),
            usage_callers_dropped: shelf.counter(
                "gatehouse_usage_callers_dropped_total",
                "Requests that usage knows without their caller: too much waited to be shipped.",
            ),
            usage_waiting: shelf.gauge(
                "gatehouse_usage_rows_waiting",
                "Rows of usage that are not shipped yet.",
            ),
            mirrors_dropped: shelf.counter(
                "gatehouse_mirrors_dropped_total",
                "Copies of requests for mirrors that were not sent.",
            ),
            access_log_dropped: shelf.counter(
                "gatehouse_access_log_dropped_total",
                "Lines of the access log that were lost because its place was slow or failed.",
            ),
            spans: traces::Counts {
                exported: shelf.counter("gatehouse_trace_spans_exported_total", "Spans that the receiver took."),
                dropped: shelf.counter(
                    "gatehouse_trace_spans_dropped_total",
                    "Spans that were lost because the receiver was slow or failed.",
                ),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_metric_is_in_the_manual_and_nothing_else() {
        let manual = include_str!("../../../../docs/metrics.md");
        let row = |line: &'static str| line.strip_prefix("| `").and_then(|rest| rest.split_once('`'));
        let told: BTreeSet<&str> = manual.lines().filter_map(row).map(|(name, _)| name).collect();
        let metrics = Metrics::default();
        let kept: BTreeSet<&str> = metrics.names().iter().map(String::as_str).collect();
        assert_eq!(told, kept);
    }

    #[test]
    fn names_say_their_units() {
        for name in Metrics::default().names() {
            let plain = name.trim_end_matches("_total");
            assert!(
                !plain.ends_with("_ms") && !plain.ends_with("_us") && !plain.ends_with("_kb"),
                "{name}"
            );
        }
    }
}
