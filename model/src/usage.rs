//! Usage: what gateways count and ship.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::{ConsumerId, CredentialId, GatewayId, RouteId, ServiceId};
use crate::reason::Reason;

/// The width of one usage bucket, in seconds.
pub const BUCKET_SECONDS: i64 = 10;

/// Upper bounds of the latency histogram, in milliseconds; a last bucket takes the rest.
pub const LATENCY_BOUNDS_MS: [u32; 15] = [1, 2, 5, 10, 20, 35, 50, 75, 100, 200, 350, 500, 1_000, 2_500, 10_000];

/// The number of latency buckets.
pub const LATENCY_BUCKETS: usize = LATENCY_BOUNDS_MS.len() + 1;

/// What requests are told apart by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UsageKey {
    /// The start of the bucket, in seconds since the Unix epoch.
    pub bucket: i64,
    /// The route, when one matched.
    pub route: Option<RouteId>,
    /// Its service.
    pub service: Option<ServiceId>,
    /// Who called.
    pub consumer: Option<ConsumerId>,
    /// With which credential.
    pub credential: Option<CredentialId>,
    /// The status that the client saw.
    pub status: u16,
    /// Why the gateway answered itself, when it did.
    pub reason: Option<Reason>,
}

/// What is counted for one key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageCounts {
    /// Requests.
    pub requests: u64,
    /// Sum of the time from first byte in to last byte out, in microseconds.
    pub latency_us: u64,
    /// Part of that time spent waiting for the service, in microseconds.
    pub upstream_us: u64,
    /// Requests by latency, see [`LATENCY_BOUNDS_MS`].
    pub histogram: [u64; LATENCY_BUCKETS],
}

impl UsageCounts {
    /// Counts one request.
    pub fn record(&mut self, latency_us: u64, upstream_us: u64) {
        self.requests += 1;
        self.latency_us += latency_us;
        self.upstream_us += upstream_us;
        self.histogram[latency_bucket(latency_us)] += 1;
    }

    /// Adds what another place counted.
    pub fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.latency_us += other.latency_us;
        self.upstream_us += other.upstream_us;
        for (mine, theirs) in self.histogram.iter_mut().zip(other.histogram) {
            *mine += theirs;
        }
    }
}

/// The bucket that a latency falls into.
pub fn latency_bucket(latency_us: u64) -> usize {
    LATENCY_BOUNDS_MS
        .iter()
        .position(|bound| latency_us <= u64::from(*bound) * 1_000)
        .unwrap_or(LATENCY_BOUNDS_MS.len())
}

/// The latency in milliseconds below which `share` of the requests stayed, interpolated within its bucket.
#[expect(
    clippy::cast_precision_loss,
    reason = "an estimate from buckets, shown with few digits"
)]
pub fn quantile_ms(histogram: &[u64], share: f64) -> Option<f64> {
    let total: u64 = histogram.iter().sum();
    if total == 0 {
        return None;
    }
    let wanted = total as f64 * share;
    let mut seen = 0.0;
    let mut low = 0.0;
    for (index, count) in histogram.iter().enumerate() {
        let high = LATENCY_BOUNDS_MS
            .get(index)
            .map_or(low * 2.0, |bound| f64::from(*bound));
        if *count > 0 && seen + *count as f64 >= wanted {
            return Some(low + (high - low) * ((wanted - seen) / *count as f64));
        }
        seen += *count as f64;
        low = high;
    }
    Some(low)
}

/// A numbered shipment of one gateway process; the number makes a repeated one harmless.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsageBatch {
    /// Which gateway.
    pub gateway: GatewayId,
    /// When its process started: numbers begin again with each process.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: Timestamp,
    /// Counts from 1 within the process.
    pub number: i64,
    /// What was counted.
    pub rows: Vec<(UsageKey, UsageCounts)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_has_a_bucket() {
        assert_eq!(latency_bucket(0), 0);
        assert_eq!(latency_bucket(1_000), 0);
        assert_eq!(latency_bucket(1_001), 1);
        assert_eq!(latency_bucket(u64::MAX), LATENCY_BUCKETS - 1);
    }

    #[test]
    fn a_quantile_lies_within_its_bucket() {
        let mut counts = UsageCounts::default();
        for _ in 0..100 {
            counts.record(15_000, 10_000);
        }
        let median = quantile_ms(&counts.histogram, 0.5).expect("some");
        assert!((10.0..=20.0).contains(&median), "{median}");
        assert_eq!(quantile_ms(&[0; LATENCY_BUCKETS], 0.5), None);
    }
}
