//! What is counted of requests, by route.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use http::Method;
use model::reason::Reason;
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

use super::shelf::Shelf;
use super::stream::{StreamFamilies, StreamMetrics};
use crate::telemetry::methods;
use crate::telemetry::outcome::Outcome;

/// Routes with series of their own; the others share one.
const MAX_ROUTES: usize = 1_000;
/// The name under which they are counted.
const OTHER: &str = "other";
/// Classes of statuses.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The families that routes have series of.
#[derive(Debug, Clone)]
struct Families {
    requests: IntCounterVec,
    refusals: IntCounterVec,
    seconds: HistogramVec,
    received: IntCounterVec,
    sent: IntCounterVec,
    upstream: UpstreamFamilies,
    streams: StreamFamilies,
}

#[derive(Debug, Clone)]
struct UpstreamFamilies {
    seconds: HistogramVec,
    retries: IntCounterVec,
    connects: IntCounterVec,
    reuses: IntCounterVec,
}

/// Hands out the metrics of routes, of so many at most.
#[derive(Debug)]
pub struct Routes {
    families: Families,
    known: Mutex<HashMap<(String, String), Arc<RouteMetrics>>>,
    /// Requests for which no route was found.
    unmatched: RouteMetrics,
    other: Arc<RouteMetrics>,
}

/// The counters of one route, found once and kept with it.
#[derive(Debug)]
pub struct RouteMetrics {
    families: Families,
    route: String,
    service: String,
    requests: [[OnceLock<IntCounter>; CLASSES.len()]; methods::LABELS.len()],
    refusals: [OnceLock<IntCounter>; Reason::ALL.len()],
    seconds: OnceLock<Histogram>,
    received: OnceLock<IntCounter>,
    sent: OnceLock<IntCounter>,
    upstream: OnceLock<UpstreamMetrics>,
    streams: OnceLock<StreamMetrics>,
}

#[derive(Debug)]
struct UpstreamMetrics {
    seconds: Histogram,
    retries: IntCounter,
    connects: IntCounter,
    reuses: IntCounter,
}

impl Routes {
    pub(super) fn on(shelf: &mut Shelf) -> Self {
        let families = Families::on(shelf);
        Self {
            unmatched: RouteMetrics::new(&families, "", ""),
            other: Arc::new(RouteMetrics::new(&families, OTHER, OTHER)),
            known: Mutex::default(),
            families,
        }
    }

    /// The metrics of requests for which no route was found.
    pub(crate) fn unmatched(&self) -> &RouteMetrics {
        &self.unmatched
    }

    /// The metrics of a route, which keeps them. When there are too many, those that no route keeps any more are
    /// forgotten; when that does not help, it shares one with others.
    pub fn of(&self, route: &str, service: &str) -> Arc<RouteMetrics> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (route.to_owned(), service.to_owned());
        if let Some(metrics) = known.get(&key) {
            return metrics.clone();
        }
        if known.len() >= MAX_ROUTES {
            forget_unused(&mut known);
        }
        if known.len() >= MAX_ROUTES {
            return self.other.clone();
        }
        let metrics = Arc::new(RouteMetrics::new(&self.families, route, service));
        known.insert(key, metrics.clone());
        metrics
    }
}

/// Removes the series of routes that nobody keeps, and of services that no route leads to any more.
fn forget_unused(known: &mut HashMap<(String, String), Arc<RouteMetrics>>) {
    let gone: Vec<_> = known.extract_if(|_, metrics| Arc::strong_count(metrics) == 1).collect();
    let services: HashSet<&str> = known.keys().map(|(_, service)| service.as_str()).collect();
    for (_, metrics) in gone {
        metrics.forget();
        if !services.contains(metrics.service.as_str()) {
            metrics.forget_service();
        }
    }
}

impl Families {
    fn on(shelf: &mut Shelf) -> Self {
        let by_route = ["route", "service"];
        Self {
            requests: shelf.counters(
                "gatehouse_requests_total",
                "Requests by route, service, method and status class.",
                &["route", "service", "method", "status"],
            ),
            refusals: shelf.counters(
                "gatehouse_refusals_total",
                "Requests that the gateway answered itself, by route, service and reason.",
                &["route", "service", "reason"],
            ),
            seconds: shelf.histograms(
                "gatehouse_request_seconds",
                "Time from request header to last byte, in seconds.",
                &by_route,
            ),
            received: shelf.counters(
                "gatehouse_received_bytes_total",
                "Bytes of request bodies that clients sent.",
                &by_route,
            ),
            sent: shelf.counters(
                "gatehouse_sent_bytes_total",
                "Bytes of response bodies that clients were sent.",
                &by_route,
            ),
            upstream: UpstreamFamilies {
                seconds: shelf.histograms(
                    "gatehouse_upstream_seconds",
                    "Time until the service's header, in seconds.",
                    &["service"],
                ),
                retries: shelf.counters(
                    "gatehouse_upstream_retries_total",
                    "Attempts after the first one.",
                    &["service"],
                ),
                connects: shelf.counters(
                    "gatehouse_upstream_connects_total",
                    "Connections to services that were opened for a request.",
                    &["service"],
                ),
                reuses: shelf.counters(
                    "gatehouse_upstream_reuses_total",
                    "Idle connections to services that a request used again.",
                    &["service"],
                ),
            },
            streams: StreamFamilies::on(shelf),
        }
    }
}

impl RouteMetrics {
    fn new(families: &Families, route: &str, service: &str) -> Self {
        Self {
            families: families.clone(),
            route: route.to_owned(),
            service: service.to_owned(),
            requests: Default::default(),
            refusals: [const { OnceLock::new() }; Reason::ALL.len()],
            seconds: OnceLock::new(),
            received: OnceLock::new(),
            sent: OnceLock::new(),
            upstream: OnceLock::new(),
            streams: OnceLock::new(),
        }
    }

    /// What is counted of connections that are passed on unopened.
    pub(crate) fn streams(&self) -> &StreamMetrics {
        self.streams.get_or_init(|| self.families.streams.of(self.labels()))
    }

    /// Counts a request that is over.
    pub(crate) fn record(&self, method: &Method, outcome: &Outcome<'_>) {
        self.requests(method, outcome.status).inc();
        if let Some(reason) = outcome.reason {
            self.refusals(reason).inc();
        }
        let labels = self.labels();
        let seconds = &self.families.seconds;
        self.seconds
            .get_or_init(|| seconds.with_label_values(&labels))
            .observe(outcome.latency.as_secs_f64());
        for (cell, family, bytes) in [
            (&self.received, &self.families.received, outcome.received),
            (&self.sent, &self.families.sent, outcome.sent),
        ] {
            if bytes > 0 {
                cell.get_or_init(|| family.with_label_values(&labels))
                    .inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
            }
        }
        if outcome.tries > 0 {
            self.upstream().record(outcome);
        }
    }

    fn labels(&self) -> [&str; 2] {
        [&self.route, &self.service]
    }

    fn requests(&self, method: &Method, status: u16) -> &IntCounter {
        let method = methods::index(method);
        let class = usize::from(status / 100).clamp(1, CLASSES.len()) - 1;
        self.requests[method][class].get_or_init(|| {
            let labels = [&*self.route, &*self.service, methods::LABELS[method], CLASSES[class]];
            self.families.requests.with_label_values(&labels)
        })
    }

    fn refusals(&self, reason: Reason) -> &IntCounter {
        self.refusals[reason as usize].get_or_init(|| {
            let labels = [&*self.route, &*self.service, reason.code()];
            self.families.refusals.with_label_values(&labels)
        })
    }

    fn upstream(&self) -> &UpstreamMetrics {
        self.upstream.get_or_init(|| {
            let (families, labels) = (&self.families.upstream, [&*self.service]);
            UpstreamMetrics {
                seconds: families.seconds.with_label_values(&labels),
                retries: families.retries.with_label_values(&labels),
                connects: families.connects.with_label_values(&labels),
                reuses: families.reuses.with_label_values(&labels),
            }
        })
    }

    fn forget_service(&self) {
        let (families, labels) = (&self.families.upstream, [&*self.service]);
        let _ = families.seconds.remove_label_values(&labels);
        for family in [&families.retries, &families.connects, &families.reuses] {
            let _ = family.remove_label_values(&labels);
        }
    }

    /// Removes the series of a route that is gone. Those of its service stay: another route may count there.
    fn forget(&self) {
        let (families, labels) = (&self.families, self.labels());
        let [route, service] = labels;
        // What was never counted has nothing to remove.
        for (method, _) in self.requests.iter().enumerate() {
            for class in CLASSES {
                let _ = families
                    .requests
                    .remove_label_values(&[route, service, methods::LABELS[method], class]);
            }
        }
        for reason in Reason::ALL {
            let _ = families.refusals.remove_label_values(&[route, service, reason.code()]);
        }
        let _ = families.seconds.remove_label_values(&labels);
        let _ = families.received.remove_label_values(&labels);
        let _ = families.sent.remove_label_values(&labels);
        families.streams.forget(labels);
    }
}

impl UpstreamMetrics {
    fn record(&self, outcome: &Outcome<'_>) {
        self.seconds.observe(outcome.upstream.as_secs_f64());
        self.retries
            .inc_by(u64::try_from(outcome.tries - 1).unwrap_or(u64::MAX));
        self.connects.inc_by(outcome.exchange.connects.into());
        self.reuses.inc_by(outcome.exchange.reuses.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(routes: &Routes) -> usize {
        use prometheus::core::Collector as _;
        routes
            .families
            .requests
            .collect()
            .first()
            .map_or(0, |family| family.get_metric().len())
    }

    fn record(routes: &Routes, name: &str) -> Arc<RouteMetrics> {
        let metrics = routes.of(name, "s");
        metrics.record(
            &Method::GET,
            &Outcome {
                status: 200,
                ..Outcome::default()
            },
        );
        metrics
    }

    #[test]
    fn a_thousand_routes_have_series_of_their_own_and_the_rest_shares_one() {
        let routes = Routes::on(&mut Shelf::default());
        let kept: Vec<_> = (0..MAX_ROUTES + 500)
            .map(|number| record(&routes, &format!("r{number}")))
            .collect();
        assert_eq!(count(&routes), MAX_ROUTES + 1);
        assert_eq!(routes.of("one-more", "s").route, OTHER);
        drop(kept);
    }

    #[test]
    fn routes_that_are_gone_make_room() {
        let routes = Routes::on(&mut Shelf::default());
        for number in 0..MAX_ROUTES * 3 {
            drop(record(&routes, &format!("r{number}")));
        }
        assert!(count(&routes) <= MAX_ROUTES, "{}", count(&routes));
        assert_eq!(routes.of("one-more", "s").route, "one-more");
    }

    #[test]
    fn methods_and_statuses_have_few_labels() {
        let routes = Routes::on(&mut Shelf::default());
        let metrics = routes.of("r", "s");
        for number in 0..2_000_u16 {
            let method = Method::from_bytes(format!("M{number}").as_bytes()).expect("a token");
            metrics.record(
                &method,
                &Outcome {
                    status: number,
                    ..Outcome::default()
                },
            );
        }
        assert_eq!(count(&routes), CLASSES.len());
    }
}
