//! A histogram of times that lies in one piece, without a lock and without pointers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus::proto;

/// The bounds, in microseconds: those of usage histograms and a few more at both ends.
const BOUNDS: [u32; 15] = [
    500, 1_000, 2_000, 5_000, 10_000, 20_000, 35_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000,
];

/// Nanoseconds, as far as they can be counted.
pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// How many times there were up to each bound and above the one before; those above the last bound come last. Their sum is
/// kept by whoever counts, among what else it touches.
#[derive(Debug, Default)]
pub(super) struct Buckets([AtomicU64; BOUNDS.len() + 1]);

impl Buckets {
    /// Counts a time.
    pub(super) fn count(&self, nanoseconds: u64) {
        let place = BOUNDS.partition_point(|bound| u64::from(*bound) * 1_000 < nanoseconds);
        self.0[place].fetch_add(1, Ordering::Relaxed);
    }

    /// What Prometheus is shown; nothing before the first time. While requests are counted the sum may be one of them
    /// ahead or behind.
    pub(super) fn shown(&self, nanoseconds: &AtomicU64) -> Option<proto::Histogram> {
        let mut count = 0;
        let mut up_to = |bucket: &AtomicU64| {
            count += bucket.load(Ordering::Relaxed);
            count
        };
        let (bounded, above) = self.0.split_at(BOUNDS.len());
        let buckets = bounded.iter().zip(BOUNDS).map(|(bucket, bound)| {
            let mut shown = proto::Bucket::default();
            shown.set_cumulative_count(up_to(bucket));
            shown.set_upper_bound(f64::from(bound) / 1e6);
            shown
        });
        let mut histogram = proto::Histogram::default();
        histogram.set_bucket(buckets.collect());
        for bucket in above {
            up_to(bucket);
        }
        histogram.set_sample_count(count);
        let sum = Duration::from_nanos(nanoseconds.load(Ordering::Relaxed));
        histogram.set_sample_sum(sum.as_secs_f64());
        (count > 0).then_some(histogram)
    }
}

#[cfg(test)]
mod tests {
    use prometheus::core::Metric as _;
    use prometheus::{Histogram, HistogramOpts};

    use super::*;

    #[test]
    fn it_shows_what_a_histogram_of_prometheus_does() {
        let bounds = BOUNDS.map(|bound| f64::from(bound) / 1e6);
        let known = Histogram::with_opts(HistogramOpts::new("n", "h").buckets(bounds.to_vec())).expect("valid");
        let (buckets, sum) = (Buckets::default(), AtomicU64::new(0));
        assert_eq!(buckets.shown(&sum), None);
        let at_bounds = BOUNDS.map(|bound| u64::from(bound) * 1_000);
        let times = at_bounds.iter().flat_map(|bound| [bound - 1, *bound, bound + 1]);
        for time in times.chain([0, 60_000_000_000]) {
            known.observe(Duration::from_nanos(time).as_secs_f64());
            buckets.count(time);
            sum.fetch_add(time, Ordering::Relaxed);
        }
        let (known, mut shown) = (known.metric(), buckets.shown(&sum).expect("something"));
        // Floating numbers add up to nearly the same.
        let sums = (shown.get_sample_sum(), known.get_histogram().get_sample_sum());
        assert!((sums.0 - sums.1).abs() < 1e-9, "{sums:?}");
        shown.set_sample_sum(sums.1);
        assert_eq!(&shown, known.get_histogram());
    }
}
