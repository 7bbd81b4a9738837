//! Points in time that fit into an atomic.

use std::sync::LazyLock;
use std::time::Instant;

static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds since this program began to count, at least 1: 0 can mean "never".
pub(super) fn of(at: Instant) -> u64 {
    u64::try_from(at.saturating_duration_since(*EPOCH).as_nanos()).map_or(u64::MAX, |ticks| ticks.saturating_add(1))
}
