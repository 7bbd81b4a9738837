//! What is measured of targets, read when somebody asks.

use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounterVec, IntGaugeVec, Opts};

use super::upstreams::Upstreams;

/// Changes of targets, and how many of each upstream are trusted.
pub(crate) struct Measured {
    upstreams: Arc<Upstreams>,
    changes: IntCounterVec,
    targets: IntGaugeVec,
}

impl Measured {
    /// Measures these.
    pub(crate) fn new(upstreams: Arc<Upstreams>) -> prometheus::Result<Self> {
        let changes = Opts::new(
            "gatehouse_upstream_target_changes_total",
            "Changes of trust in targets, by kind.",
        );
        let targets = Opts::new(
            "gatehouse_upstream_targets",
            "Addresses of targets by upstream and health.",
        );
        Ok(Self {
            upstreams,
            changes: IntCounterVec::new(changes, &["change"])?,
            targets: IntGaugeVec::new(targets, &["upstream", "health"])?,
        })
    }
}

impl Collector for Measured {
    fn desc(&self) -> Vec<&Desc> {
        self.changes.desc().into_iter().chain(self.targets.desc()).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        for (change, count) in self.upstreams.changes() {
            let counter = self.changes.with_label_values(&[change.as_str()]);
            counter.inc_by(count.saturating_sub(counter.get()));
        }
        self.targets.reset();
        for (upstream, health, count) in self.upstreams.counts(std::time::Instant::now()) {
            let gauge = self.targets.with_label_values(&[upstream.as_str(), health.as_str()]);
            gauge.add(count);
        }
        self.changes
            .collect()
            .into_iter()
            .chain(self.targets.collect())
            .collect()
    }
}
