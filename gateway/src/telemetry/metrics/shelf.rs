//! Makes metrics and keeps their names.

use prometheus::core::Collector;
use prometheus::{Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// A registry that remembers what is in it, also while it has no value.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    registry: Registry,
    names: Vec<String>,
}

impl Shelf {
    pub(super) fn into_parts(self) -> (Registry, Vec<String>) {
        (self.registry, self.names)
    }

    fn put<C: Collector + Clone + 'static>(&mut self, collector: prometheus::Result<C>) -> C {
        #[expect(
            clippy::expect_used,
            reason = "names, labels and buckets are constants of this module, each registered once"
        )]
        let collector = collector.expect("a valid metric");
        self.register(collector.clone());
        collector
    }

    pub(super) fn register<C: Collector + 'static>(&mut self, collector: C) {
        self.names
            .extend(collector.desc().iter().map(|described| described.fq_name.clone()));
        if let Err(error) = self.registry.register(Box::new(collector)) {
            tracing::error!(%error, "a metric is not registered");
        }
    }

    pub(super) fn counter(&mut self, name: &str, help: &str) -> IntCounter {
        self.put(IntCounter::new(name, help))
    }

    pub(super) fn counters(&mut self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.put(IntCounterVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str) -> IntGauge {
        self.put(IntGauge::new(name, help))
    }

    pub(super) fn gauges(&mut self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.put(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn float_gauge(&mut self, name: &str, help: &str) -> Gauge {
        self.put(Gauge::new(name, help))
    }

    pub(super) fn histogram(&mut self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        self.put(Histogram::with_opts(
            HistogramOpts::new(name, help).buckets(buckets.to_vec()),
        ))
    }

    /// Processor, memory and open files of this process; only Linux tells them.
    pub(super) fn process(&mut self) {
        #[cfg(target_os = "linux")]
        self.register(prometheus::process_collector::ProcessCollector::for_self());
    }
}
