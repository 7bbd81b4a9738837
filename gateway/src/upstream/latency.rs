//! How long a target takes lately: a peak is believed at once, an improvement only with time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::ticks;

/// The time in which an old measurement loses most of its weight, in seconds.
const DECAY: f64 = 10.0;
/// What a target is thought to take before it answered, in microseconds.
const UNKNOWN: f64 = 30_000.0;

/// A moving average. Two answers at the same time may overwrite each other, which an average can bear.
#[derive(Debug, Default)]
pub(super) struct Latency {
    /// Microseconds, as the bits of a float.
    average: AtomicU64,
    at: AtomicU64,
}

impl Latency {
    /// An answer took so long.
    pub(super) fn observe(&self, latency: Duration, now: Instant) {
        let measured = latency.as_secs_f64() * 1e6;
        let average = f64::from_bits(self.average.load(Ordering::Relaxed));
        let weight = self.weight(now);
        let next = if measured > average || self.at.load(Ordering::Relaxed) == 0 {
            measured
        } else {
            average * weight + measured * (1.0 - weight)
        };
        self.average.store(next.to_bits(), Ordering::Relaxed);
        self.at.store(ticks::of(now), Ordering::Relaxed);
    }

    /// What it is now, in microseconds: without answers it sinks, so that a slow target gets another chance.
    pub(super) fn expected(&self, now: Instant) -> f64 {
        if self.at.load(Ordering::Relaxed) == 0 {
            return UNKNOWN;
        }
        (f64::from_bits(self.average.load(Ordering::Relaxed)) * self.weight(now)).max(1.0)
    }

    /// The average as of the last answer, in microseconds.
    pub(super) fn average(&self) -> Option<u64> {
        let known = self.at.load(Ordering::Relaxed) > 0;
        let average = f64::from_bits(self.average.load(Ordering::Relaxed));
        let average = Duration::try_from_secs_f64(average / 1e6).unwrap_or_default();
        known.then(|| u64::try_from(average.as_micros()).unwrap_or(u64::MAX))
    }

    fn weight(&self, now: Instant) -> f64 {
        let age = Duration::from_nanos(ticks::of(now).saturating_sub(self.at.load(Ordering::Relaxed)));
        (-age.as_secs_f64() / DECAY).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_counts_at_once_and_fades_with_time() {
        let (latency, now) = (Latency::default(), Instant::now());
        assert_eq!((latency.average(), latency.expected(now)), (None, UNKNOWN));
        latency.observe(Duration::from_millis(10), now);
        latency.observe(Duration::from_millis(100), now + Duration::from_secs(1));
        assert_eq!(latency.average(), Some(100_000));
        let later = now + Duration::from_secs(11);
        assert!((36_000.0..37_500.0).contains(&latency.expected(later)));
        latency.observe(Duration::from_millis(10), later);
        let average = latency.average().expect("known");
        assert!((40_000..46_000).contains(&average), "{average}");
    }
}
