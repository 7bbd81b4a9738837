//! The circuit breaker between one service and one target.
//!
//! Closed, it counts failures. Open, it lets nothing pass until its back-off is over; then one probe decides whether it
//! closes, or opens again for twice as long.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::upstream::{Breaker as Policy, BreakerState};

use super::ticks;

const CLOSED: u8 = 0;
const OPEN: u8 = 1;
const HALF_OPEN: u8 = 2;
/// How long a probe may take before another one is let in.
const PROBE: Duration = Duration::from_secs(30);
/// The parts of the window of the success rate.
const PARTS: usize = 10;

/// How a request gets past a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// As every other one.
    Pass,
    /// As the one that decides: with this number, until another one is let in.
    Probe(u64),
    /// Not at all.
    Refused,
}

/// A change of a breaker's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It opened for so long.
    Opened(Duration),
    /// It closed.
    Closed,
}

/// One breaker.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    phase: AtomicU8,
    /// When the back-off is over, and then when the probe should have told something.
    until: AtomicU64,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    failures: u16,
    openings: u32,
    /// The number of the last probe.
    probe: u64,
    window: [Part; PARTS],
}

#[derive(Debug, Default, Clone, Copy)]
struct Part {
    number: u64,
    good: u32,
    all: u32,
}

impl Breaker {
    /// Where it stands.
    pub(super) fn state(&self) -> BreakerState {
        match self.phase.load(Ordering::Acquire) {
            OPEN => BreakerState::Open,
            HALF_OPEN => BreakerState::HalfOpen,
            _ => BreakerState::Closed,
        }
    }

    /// Whether a request could enter.
    pub(super) fn admits(&self, now: Instant) -> bool {
        self.phase.load(Ordering::Acquire) == CLOSED || ticks::of(now) >= self.until.load(Ordering::Acquire)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request enters. Of those that come when the back-off is over, only the first does.
    pub(super) fn enter(&self, now: Instant) -> Entry {
        if self.phase.load(Ordering::Acquire) == CLOSED {
            return Entry::Pass;
        }
        if !self.admits(now) {
            return Entry::Refused;
        }
        let mut counts = self.counts();
        // Another request may have been quicker, and its answer too.
        if self.phase.load(Ordering::Acquire) == CLOSED {
            return Entry::Pass;
        }
        if !self.admits(now) {
            return Entry::Refused;
        }
        self.until.store(ticks::of(now + PROBE), Ordering::Release);
        self.phase.store(HALF_OPEN, Ordering::Release);
        counts.probe += 1;
        Entry::Probe(counts.probe)
    }

    /// Whether an entry is that of the probe that decides now: one that took so long that another one was let in does not.
    fn decides(&self, number: u64, counts: &Counts) -> bool {
        counts.probe == number && self.phase.load(Ordering::Acquire) == HALF_OPEN
    }

    /// A request that entered succeeded.
    pub(super) fn succeeded(&self, entry: Entry, now: Instant, policy: &Policy) -> Option<Turn> {
        let mut counts = self.counts();
        if let Entry::Probe(number) = entry {
            if !self.decides(number, &counts) {
                return None;
            }
            *counts = Counts {
                probe: counts.probe,
                ..Counts::default()
            };
            self.phase.store(CLOSED, Ordering::Release);
            return Some(Turn::Closed);
        }
        counts.failures = 0;
        counts.add(true, now, policy);
        None
    }

    /// A request that entered failed. `random` is 0 to 1 and spreads the back-offs of many gateways.
    pub(super) fn failed(&self, entry: Entry, now: Instant, policy: &Policy, random: f64) -> Option<Turn> {
        let mut counts = self.counts();
        if !policy.enabled {
            self.phase.store(CLOSED, Ordering::Release);
            return None;
        }
        if let Entry::Probe(number) = entry {
            let decides = self.decides(number, &counts);
            return decides.then(|| self.open(&mut counts, now, policy, random));
        }
        if self.phase.load(Ordering::Acquire) != CLOSED {
            return None;
        }
        counts.failures = counts.failures.saturating_add(1);
        counts.add(false, now, policy);
        let too_many = policy.consecutive_failures > 0 && counts.failures >= policy.consecutive_failures;
        if too_many || counts.too_rarely_good(now, policy) {
            return Some(self.open(&mut counts, now, policy, random));
        }
        None
    }

    /// A request that entered ended without telling anything: the next one may probe.
    pub(super) fn abandoned(&self, entry: Entry) {
        let Entry::Probe(number) = entry else { return };
        let counts = self.counts();
        if self.decides(number, &counts) {
            self.until.store(0, Ordering::Release);
            self.phase.store(OPEN, Ordering::Release);
        }
    }

    fn open(&self, counts: &mut Counts, now: Instant, policy: &Policy, random: f64) -> Turn {
        let (first, longest) = (u64::from(policy.backoff_ms), u64::from(policy.max_backoff_ms));
        let doubled = first.saturating_mul(1 << counts.openings.min(30)).min(longest);
        let spread = Duration::from_millis(doubled).mul_f64(0.75 + 0.5 * random);
        let pause = spread.clamp(Duration::from_millis(first), Duration::from_millis(longest.max(first)));
        *counts = Counts {
            openings: counts.openings.saturating_add(1),
            probe: counts.probe,
            ..Counts::default()
        };
        self.until.store(ticks::of(now + pause), Ordering::Release);
        self.phase.store(OPEN, Ordering::Release);
        Turn::Opened(pause)
    }
}

impl Counts {
    fn number(now: Instant, policy: &Policy) -> u64 {
        let part = u64::from(policy.window_ms.max(1)) * 1_000_000 / PARTS as u64;
        ticks::of(now) / part
    }

    fn add(&mut self, good: bool, now: Instant, policy: &Policy) {
        let number = Self::number(now, policy);
        let part = &mut self.window[usize::try_from(number % PARTS as u64).unwrap_or_default()];
        if part.number != number {
            *part = Part {
                number,
                ..Part::default()
            };
        }
        part.good += u32::from(good);
        part.all += 1;
    }

    fn too_rarely_good(&self, now: Instant, policy: &Policy) -> bool {
        let number = Self::number(now, policy);
        let recent = self.window.iter().filter(|part| part.number + PARTS as u64 > number);
        let (good, all) = recent.fold((0_u32, 0_u32), |(good, all), part| (good + part.good, all + part.all));
        all >= policy.min_requests && f64::from(good) < policy.success_rate * f64::from(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(breaker: &Breaker, now: Instant) -> Option<Turn> {
        let entry = breaker.enter(now);
        assert_ne!(entry, Entry::Refused);
        breaker.failed(entry, now, &Policy::default(), 0.5)
    }

    #[test]
    fn seven_failures_in_a_row_open_it_and_a_success_between_does_not() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..6 {
            assert_eq!(fail(&breaker, now), None);
        }
        assert_eq!(breaker.succeeded(breaker.enter(now), now, &Policy::default()), None);
        for _ in 0..6 {
            assert_eq!(fail(&breaker, now), None);
        }
        assert_eq!(fail(&breaker, now), Some(Turn::Opened(Duration::from_secs(1))));
        assert_eq!(
            (breaker.state(), breaker.enter(now)),
            (BreakerState::Open, Entry::Refused)
        );
    }

    #[test]
    fn one_probe_decides_and_each_failure_doubles_the_back_off_up_to_a_minute() {
        let (breaker, mut now) = (Breaker::default(), Instant::now());
        for _ in 0..7 {
            fail(&breaker, now);
        }
        for seconds in [2, 4, 8, 16, 32, 60, 60] {
            now += Duration::from_secs(60);
            let probe = breaker.enter(now);
            assert!(matches!(probe, Entry::Probe(_)), "{probe:?}");
            assert_eq!(breaker.enter(now), Entry::Refused, "one probe only");
            let turn = breaker.failed(probe, now, &Policy::default(), 0.5);
            assert_eq!(turn, Some(Turn::Opened(Duration::from_secs(seconds))));
            assert!(!breaker.admits(now + Duration::from_millis(seconds * 1_000 - 1)));
        }
        now += Duration::from_secs(60);
        let probe = breaker.enter(now);
        assert_eq!(breaker.succeeded(probe, now, &Policy::default()), Some(Turn::Closed));
        assert_eq!(
            (breaker.state(), breaker.enter(now)),
            (BreakerState::Closed, Entry::Pass)
        );
    }

    #[test]
    fn a_probe_that_is_given_up_leaves_its_place_to_the_next() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..7 {
            fail(&breaker, now);
        }
        let later = now + Duration::from_secs(2);
        let probe = breaker.enter(later);
        breaker.abandoned(probe);
        assert!(matches!(breaker.enter(later), Entry::Probe(_)));
    }

    #[test]
    fn a_probe_in_whose_place_another_one_came_decides_nothing_any_more() {
        let policy = Policy::default();
        let late = |end: fn(&Breaker, Entry, Instant, &Policy)| {
            let (breaker, now) = (Breaker::default(), Instant::now());
            for _ in 0..7 {
                fail(&breaker, now);
            }
            let now = now + Duration::from_secs(2);
            let first = breaker.enter(now);
            let now = now + PROBE;
            let second = breaker.enter(now);
            assert!(matches!(second, Entry::Probe(_)), "{second:?}");
            end(&breaker, first, now, &policy);
            let undecided = (breaker.state(), breaker.enter(now));
            assert_eq!(undecided, (BreakerState::HalfOpen, Entry::Refused));
            assert_eq!(breaker.succeeded(second, now, &policy), Some(Turn::Closed));
            end(&breaker, first, now, &policy);
            assert_eq!(
                (breaker.state(), breaker.enter(now)),
                (BreakerState::Closed, Entry::Pass)
            );
        };
        late(|breaker, entry, now, policy| assert_eq!(breaker.succeeded(entry, now, policy), None));
        late(|breaker, entry, now, policy| assert_eq!(breaker.failed(entry, now, policy, 0.5), None));
        late(|breaker, entry, _, _| breaker.abandoned(entry));
    }

    #[test]
    fn it_opens_below_the_success_rate_only_with_enough_requests_within_the_window() {
        let policy = Policy {
            consecutive_failures: 0,
            ..Policy::default()
        };
        let pattern = |count: usize, pause: Duration| {
            let (breaker, mut now) = (Breaker::default(), Instant::now());
            let mut opened = None;
            for number in 0..count {
                let entry = breaker.enter(now);
                let turn = if number % 3 == 0 {
                    breaker.failed(entry, now, &policy, 0.0)
                } else {
                    breaker.succeeded(entry, now, &policy)
                };
                opened = opened.or(turn.map(|_| number));
                now += pause;
            }
            opened
        };
        assert_eq!(pattern(19, Duration::ZERO), None, "too few");
        assert_eq!(pattern(30, Duration::ZERO), Some(21), "two of three succeed");
        assert_eq!(pattern(200, Duration::from_secs(1)), None, "ten in a window");
    }

    #[test]
    fn a_breaker_that_is_off_never_opens() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        let policy = Policy {
            enabled: false,
            ..Policy::default()
        };
        for _ in 0..100 {
            assert_eq!(breaker.failed(breaker.enter(now), now, &policy, 0.5), None);
        }
    }
}
