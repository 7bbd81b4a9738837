//! The counters of routes and services as Prometheus knows them, made when somebody asks.

use std::collections::HashMap;
use std::sync::Arc;

use model::reason::Reason;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{self, Metric, MetricFamily, MetricType};

use super::route::{CLASSES, Known, RouteMetrics, ServiceMetrics, get};
use super::shelf::Shelf;
use crate::telemetry::methods;

/// Shows every route and service that counts.
#[derive(Debug)]
pub(super) struct Shown {
    known: Arc<Known>,
    requests: Desc,
    refusals: Desc,
    seconds: Desc,
    received: Desc,
    sent: Desc,
    upstream_seconds: Desc,
    retries: Desc,
    connects: Desc,
    reuses: Desc,
}

impl Shown {
    pub(super) fn put(shelf: &mut Shelf, known: Arc<Known>) {
        let by_route = ["route", "service"];
        shelf.register(Self {
            known,
            requests: describe(
                "gatehouse_requests_total",
                "Requests by route, service, method and status class.",
                &["method", "route", "service", "status"],
            ),
            refusals: describe(
                "gatehouse_refusals_total",
                "Requests that the gateway answered itself, by route, service and reason.",
                &["reason", "route", "service"],
            ),
            seconds: describe(
                "gatehouse_request_seconds",
                "Time from request header to last byte, in seconds.",
                &by_route,
            ),
            received: describe(
                "gatehouse_received_bytes_total",
                "Bytes of request bodies that clients sent.",
                &by_route,
            ),
            sent: describe(
                "gatehouse_sent_bytes_total",
                "Bytes of response bodies that clients were sent.",
                &by_route,
            ),
            upstream_seconds: describe(
                "gatehouse_upstream_seconds",
                "Time until the service's header, in seconds.",
                &["service"],
            ),
            retries: describe(
                "gatehouse_upstream_retries_total",
                "Attempts after the first one.",
                &["service"],
            ),
            connects: describe(
                "gatehouse_upstream_connects_total",
                "Connections to services that were opened for a request.",
                &["service"],
            ),
            reuses: describe(
                "gatehouse_upstream_reuses_total",
                "Idle connections to services that a request used again.",
                &["service"],
            ),
        });
    }
}

/// A family whose labels are given in the order of the alphabet, in which they are shown.
#[expect(clippy::expect_used, reason = "names and labels are constants of this file")]
fn describe(name: &str, help: &str, labels: &[&str]) -> Desc {
    let labels = labels.iter().map(|&label| label.to_owned()).collect();
    Desc::new(name.to_owned(), help.to_owned(), labels, HashMap::new()).expect("a valid metric")
}

impl Collector for Shown {
    fn desc(&self) -> Vec<&Desc> {
        vec![
            &self.requests,
            &self.refusals,
            &self.seconds,
            &self.received,
            &self.sent,
            &self.upstream_seconds,
            &self.retries,
            &self.connects,
            &self.reuses,
        ]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut metrics: [Vec<Metric>; 9] = Default::default();
        let [requests, refusals, seconds, received, sent, of_services @ ..] = &mut metrics;
        self.known.each(
            |route| {
                self.requests(route, requests);
                self.refusals(route, refusals);
                let labels = route.labels();
                let times = route.seconds.shown(&route.nanoseconds);
                seconds.extend(times.map(|times| histogram(&self.seconds, &labels, times)));
                for (desc, metrics, bytes) in [
                    (&self.received, &mut *received, &route.received),
                    (&self.sent, &mut *sent, &route.sent),
                ] {
                    let bytes = get(bytes);
                    if bytes > 0 {
                        metrics.push(counter(desc, &labels, bytes));
                    }
                }
            },
            |service| self.service(service, of_services),
        );
        let families = self.desc().into_iter().zip(metrics);
        families.map(|(desc, metrics)| family(desc, metrics)).collect()
    }
}

impl Shown {
    fn requests(&self, route: &RouteMetrics, metrics: &mut Vec<Metric>) {
        let [name, service] = route.labels();
        for (method, of_method) in methods::LABELS.iter().zip(&route.requests) {
            for (class, count) in CLASSES.iter().zip(of_method) {
                let count = get(count);
                if count > 0 {
                    metrics.push(counter(&self.requests, &[method, name, service, class], count));
                }
            }
        }
    }

    fn refusals(&self, route: &RouteMetrics, metrics: &mut Vec<Metric>) {
        let [name, service] = route.labels();
        for &reason in Reason::ALL {
            let count = route.refused(reason);
            if count > 0 {
                metrics.push(counter(&self.refusals, &[reason.code(), name, service], count));
            }
        }
    }

    /// What is shown of a service, once a request was tried there.
    fn service(&self, service: &ServiceMetrics, [seconds, retries, connects, reuses]: &mut [Vec<Metric>; 4]) {
        let labels = [service.name.as_str()];
        let Some(times) = service.seconds.shown(&service.nanoseconds) else {
            return;
        };
        seconds.push(histogram(&self.upstream_seconds, &labels, times));
        for (desc, metrics, count) in [
            (&self.retries, retries, &service.retries),
            (&self.connects, connects, &service.connects),
            (&self.reuses, reuses, &service.reuses),
        ] {
            metrics.push(counter(desc, &labels, get(count)));
        }
    }
}

fn metric(desc: &Desc, values: &[&str]) -> Metric {
    let labels = desc.variable_labels.iter().zip(values).map(|(name, value)| {
        let mut label = proto::LabelPair::default();
        label.set_name(name.clone());
        label.set_value((*value).to_owned());
        label
    });
    Metric::from_label(labels.collect())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Prometheus knows floating numbers only; they are exact up to 2^53"
)]
fn counter(desc: &Desc, values: &[&str], count: u64) -> Metric {
    let mut shown = metric(desc, values);
    let mut counter = proto::Counter::default();
    counter.set_value(count as f64);
    shown.set_counter(counter);
    shown
}

fn histogram(desc: &Desc, values: &[&str], histogram: proto::Histogram) -> Metric {
    let mut shown = metric(desc, values);
    shown.set_histogram(histogram);
    shown
}

fn family(desc: &Desc, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(desc.fq_name.clone());
    family.set_help(desc.help.clone());
    family.set_field_type(if desc.fq_name.ends_with("_seconds") {
        MetricType::HISTOGRAM
    } else {
        MetricType::COUNTER
    });
    family.set_metric(metrics);
    family
}
