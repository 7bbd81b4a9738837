//! Counts what happens to targets, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use model::upstream::TargetChange;

/// How often each change happened at this gateway.
#[derive(Debug, Default)]
pub(super) struct Changes([AtomicU64; TargetChange::ALL.len()]);

impl Changes {
    pub(super) fn count(&self, change: TargetChange) {
        if let Some(index) = TargetChange::ALL.iter().position(|known| *known == change) {
            self.0[index].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (TargetChange, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        TargetChange::ALL.into_iter().zip(counts)
    }
}
