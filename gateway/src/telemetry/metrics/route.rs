//! What is counted of requests, by route and by service.
//!
//! The counters of a route lie in one piece, and what most requests touch stands first: where thousands of routes are busy,
//! memory that has to be fetched is what a count costs. `shown.rs` makes of them what Prometheus knows.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use http::Method;
use model::reason::Reason;

use super::buckets::{Buckets, nanoseconds};
use super::shelf::Shelf;
use super::shown::Shown;
use super::stream::{StreamFamilies, StreamMetrics};
use crate::telemetry::methods;
use crate::telemetry::outcome::Outcome;

/// Routes with series of their own; the others share one.
const MAX_ROUTES: usize = 1_000;
/// The name under which they are counted.
const OTHER: &str = "other";
/// Classes of statuses.
pub(super) const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Hands out the metrics of routes, of so many at most.
#[derive(Debug)]
pub struct Routes(Arc<Known>);

/// Everything that counts.
#[derive(Debug)]
pub(super) struct Known {
    streams: StreamFamilies,
    /// Requests for which no route was found.
    unmatched: RouteMetrics,
    other: Arc<RouteMetrics>,
    by_name: RwLock<ByName>,
}

#[derive(Debug, Default)]
struct ByName {
    routes: HashMap<(String, String), Arc<RouteMetrics>>,
    services: HashMap<String, Arc<ServiceMetrics>>,
}

/// The counters of one route, found once and kept with it.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct RouteMetrics {
    /// Time of all requests.
    pub(super) nanoseconds: AtomicU64,
    pub(super) received: AtomicU64,
    pub(super) sent: AtomicU64,
    service: Arc<ServiceMetrics>,
    /// By method and class of the status.
    pub(super) requests: [[AtomicU64; CLASSES.len()]; methods::LABELS.len()],
    pub(super) seconds: Buckets,
    /// Most routes refuse nobody.
    refusals: OnceLock<Box<Refusals>>,
    streams: OnceLock<StreamMetrics>,
    stream_families: StreamFamilies,
    name: String,
}

/// One for each of [`Reason::ALL`].
type Refusals = [AtomicU64; Reason::ALL.len()];

/// The counters of one service, which its routes share.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(super) struct ServiceMetrics {
    /// Time until the header of all answers.
    pub(super) nanoseconds: AtomicU64,
    pub(super) retries: AtomicU64,
    pub(super) connects: AtomicU64,
    pub(super) reuses: AtomicU64,
    pub(super) seconds: Buckets,
    pub(super) name: String,
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

pub(super) fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Routes {
    pub(super) fn on(shelf: &mut Shelf) -> Self {
        let streams = StreamFamilies::on(shelf);
        let mut by_name = ByName::default();
        let mut new = |route: &str, service: &str| RouteMetrics::new(route, by_name.service(service), &streams);
        let (unmatched, other) = (new("", ""), Arc::new(new(OTHER, OTHER)));
        let known = Arc::new(Known {
            unmatched,
            other,
            by_name: RwLock::new(by_name),
            streams,
        });
        Shown::put(shelf, known.clone());
        Self(known)
    }

    /// The metrics of requests for which no route was found.
    pub(crate) fn unmatched(&self) -> &RouteMetrics {
        &self.0.unmatched
    }

    /// The metrics of a route, which keeps them. When there are too many, those that no route keeps any more are
    /// forgotten; when that does not help, it shares one with others.
    pub fn of(&self, route: &str, service: &str) -> Arc<RouteMetrics> {
        let known = &*self.0;
        if (route, service) == (OTHER, OTHER) {
            return known.other.clone();
        }
        let key = (route.to_owned(), service.to_owned());
        let read = known.by_name.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(metrics) = read.routes.get(&key) {
            return metrics.clone();
        }
        drop(read);
        let mut by_name = known.by_name.write().unwrap_or_else(PoisonError::into_inner);
        if by_name.routes.len() >= MAX_ROUTES && !by_name.routes.contains_key(&key) {
            by_name.forget_unused();
        }
        if by_name.routes.len() >= MAX_ROUTES && !by_name.routes.contains_key(&key) {
            return known.other.clone();
        }
        let service = by_name.service(service);
        let new = || Arc::new(RouteMetrics::new(route, service, &known.streams));
        by_name.routes.entry(key).or_insert_with(new).clone()
    }
}

impl Known {
    /// Visits every route and every service.
    pub(super) fn each(&self, mut route: impl FnMut(&RouteMetrics), service: impl FnMut(&ServiceMetrics)) {
        let by_name = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        route(&self.unmatched);
        route(&self.other);
        by_name.routes.values().map(Arc::as_ref).for_each(route);
        by_name.services.values().map(Arc::as_ref).for_each(service);
    }
}

impl ByName {
    fn service(&mut self, name: &str) -> Arc<ServiceMetrics> {
        if let Some(known) = self.services.get(name) {
            return known.clone();
        }
        let new = Arc::new(ServiceMetrics {
            name: name.to_owned(),
            ..ServiceMetrics::default()
        });
        self.services.insert(name.to_owned(), new.clone());
        new
    }

    /// Removes routes that nobody keeps, and services that no route leads to any more.
    fn forget_unused(&mut self) {
        let is_gone = |_: &_, metrics: &mut Arc<RouteMetrics>| Arc::strong_count(metrics) == 1;
        for (_, metrics) in self.routes.extract_if(is_gone) {
            metrics.stream_families.forget(metrics.labels());
        }
        self.services.retain(|_, metrics| Arc::strong_count(metrics) > 1);
    }
}

impl RouteMetrics {
    fn new(name: &str, service: Arc<ServiceMetrics>, streams: &StreamFamilies) -> Self {
        Self {
            nanoseconds: AtomicU64::default(),
            received: AtomicU64::default(),
            sent: AtomicU64::default(),
            service,
            requests: Default::default(),
            seconds: Buckets::default(),
            refusals: OnceLock::new(),
            streams: OnceLock::new(),
            stream_families: streams.clone(),
            name: name.to_owned(),
        }
    }

    /// The names of route and service.
    pub(super) fn labels(&self) -> [&str; 2] {
        [&self.name, &self.service.name]
    }

    /// What is counted of connections that are passed on unopened.
    pub(crate) fn streams(&self) -> &StreamMetrics {
        self.streams.get_or_init(|| self.stream_families.of(self.labels()))
    }

    /// Counts a request that is over.
    pub(crate) fn record(&self, method: &Method, outcome: &Outcome<'_>) {
        let class = usize::from(outcome.status / 100).clamp(1, CLASSES.len()) - 1;
        add(&self.requests[methods::index(method)][class], 1);
        if let Some(reason) = outcome.reason {
            let none = || Box::new([const { AtomicU64::new(0) }; Reason::ALL.len()]);
            add(&self.refusals.get_or_init(none)[reason as usize], 1);
        }
        let latency = nanoseconds(outcome.latency);
        self.seconds.count(latency);
        add(&self.nanoseconds, latency);
        for (counter, bytes) in [(&self.received, outcome.received), (&self.sent, outcome.sent)] {
            if bytes > 0 {
                add(counter, bytes as u64);
            }
        }
        if outcome.tries > 0 {
            self.service.record(outcome);
        }
    }

    /// How many requests the gateway answered itself for this reason.
    pub(super) fn refused(&self, reason: Reason) -> u64 {
        let refusals = self.refusals.get();
        refusals.map_or(0, |refusals| get(&refusals[reason as usize]))
    }
}

impl ServiceMetrics {
    fn record(&self, outcome: &Outcome<'_>) {
        let waited = nanoseconds(outcome.upstream);
        self.seconds.count(waited);
        add(&self.nanoseconds, waited);
        for (counter, count) in [
            (&self.retries, outcome.tries as u64 - 1),
            (&self.connects, outcome.exchange.connects.into()),
            (&self.reuses, outcome.exchange.reuses.into()),
        ] {
            if count > 0 {
                add(counter, count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A place for metrics, and how many series of requests are shown there.
    fn routes() -> (Routes, impl Fn() -> usize) {
        let mut shelf = Shelf::default();
        let routes = Routes::on(&mut shelf);
        let (registry, _) = shelf.into_parts();
        let count = move || {
            let families = registry.gather();
            let requests = families
                .iter()
                .find(|family| family.name() == "gatehouse_requests_total");
            requests.map_or(0, |family| family.get_metric().len())
        };
        (routes, count)
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
        let (routes, count) = routes();
        let kept: Vec<_> = (0..MAX_ROUTES + 500)
            .map(|number| record(&routes, &format!("r{number}")))
            .collect();
        assert_eq!(count(), MAX_ROUTES + 1);
        assert_eq!(routes.of("one-more", "s").name, OTHER);
        drop(kept);
    }

    #[test]
    fn routes_that_are_gone_make_room() {
        let (routes, count) = routes();
        for number in 0..MAX_ROUTES * 3 {
            drop(record(&routes, &format!("r{number}")));
        }
        assert!(count() <= MAX_ROUTES, "{}", count());
        assert_eq!(routes.of("one-more", "s").name, "one-more");
    }

    #[test]
    fn methods_and_statuses_have_few_labels() {
        let (routes, count) = routes();
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
        assert_eq!(count(), CLASSES.len());
    }
    #[test]
    fn a_service_is_shown_while_a_route_leads_to_it() {
        let (routes, _) = routes();
        let services = || routes.0.by_name.read().expect("whole").services.len();
        let before = services();
        let kept = routes.of("kept", "kept");
        for number in 0..MAX_ROUTES {
            let name = format!("r{number}");
            routes.of(&name, &name);
        }
        assert_eq!(services(), before + 2, "the one that is kept, and the newest");
        drop(kept);
    }

    #[test]
    fn what_most_requests_touch_lies_together() {
        let first = std::mem::offset_of!(RouteMetrics, requests);
        assert!(
            first + 4 * size_of::<AtomicU64>() <= align_of::<RouteMetrics>(),
            "{first}"
        );
        assert_eq!(align_of::<ServiceMetrics>(), 64);
    }

    #[test]
    fn a_route_that_is_called_like_the_rest_shares_its_series() {
        let (routes, count) = routes();
        record(&routes, OTHER);
        assert!(Arc::ptr_eq(&routes.of(OTHER, OTHER), &routes.0.other));
        routes.of(OTHER, OTHER).record(&Method::GET, &Outcome::default());
        assert_eq!(count(), 2);
    }
}
