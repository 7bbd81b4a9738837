//! Whether one target is trusted: what checks and requests say about it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::upstream::{ActiveHealth, PassiveHealth, TargetChange};

use super::ticks;

/// Why a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// No connection could be made.
    Connect,
    /// TLS could not be agreed on, or the target did not prove its name.
    Tls,
    /// The answer did not begin in time.
    Timeout,
    /// The connection broke.
    Reset,
    /// What came was no valid HTTP.
    BadAnswer,
}

impl Failure {
    /// The word in logs and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::BadAnswer => "bad_answer",
        }
    }
}

/// How a request failed, as far as health is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// With a status that counts as a failure.
    Status(u16),
    /// Without an answer.
    Failed(Failure),
}

/// The health of one target.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// Checks say that it does not serve.
    unhealthy: AtomicBool,
    /// Until when it is ejected; 0 when it is not.
    ejected_until: AtomicU64,
    /// Whether a request or a check ever told something.
    known: AtomicBool,
    /// Whether a failure is counted that a success has to clear.
    failing: AtomicBool,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    statuses: u8,
    timeouts: u8,
    resets: u8,
    good_checks: u8,
    bad_checks: u8,
    /// Ejections that followed each other.
    in_row: u32,
    ejections: u32,
    recovered: Option<Instant>,
}

impl Health {
    /// Whether it is trusted with requests. After an ejection it is: the next request decides.
    pub(super) fn is_available(&self, now: Instant) -> bool {
        !self.unhealthy.load(Ordering::Acquire) && !self.is_ejected(now)
    }

    /// Whether checks fail.
    pub(super) fn is_unhealthy(&self) -> bool {
        self.unhealthy.load(Ordering::Acquire)
    }

    /// Whether it is ejected.
    pub(super) fn is_ejected(&self, now: Instant) -> bool {
        let until = self.ejected_until.load(Ordering::Acquire);
        until != 0 && ticks::of(now) < until
    }

    /// Whether nothing is wrong with it at all.
    pub(super) fn is_plain(&self) -> bool {
        self.ejected_until.load(Ordering::Acquire) == 0 && !self.is_unhealthy()
    }

    /// Whether anything is known.
    pub(super) fn is_known(&self) -> bool {
        self.known.load(Ordering::Relaxed)
    }

    /// How often it was ejected.
    pub(super) fn ejections(&self) -> u32 {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).ejections
    }

    /// A request succeeded. A target that was ejected recovers by it.
    pub(super) fn succeeded(&self, now: Instant) -> Option<TargetChange> {
        self.known.store(true, Ordering::Relaxed);
        let ejected = self.ejected_until.load(Ordering::Acquire) != 0;
        if !ejected && !self.failing.load(Ordering::Acquire) {
            return None;
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        (counts.statuses, counts.timeouts, counts.resets) = (0, 0, 0);
        self.failing.store(false, Ordering::Release);
        let was = self.ejected_until.swap(0, Ordering::AcqRel);
        (was != 0).then(|| {
            counts.recovered = Some(now);
            TargetChange::Recovered
        })
    }

    /// A request failed. `may_eject` is asked only when the target would be: the last one is not.
    pub(super) fn failed(
        &self,
        ending: Ending,
        now: Instant,
        policy: &PassiveHealth,
        may_eject: impl FnOnce() -> bool,
    ) -> Option<Duration> {
        self.known.store(true, Ordering::Relaxed);
        if !policy.enabled || self.is_ejected(now) {
            return None;
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        self.failing.store(true, Ordering::Release);
        let half_open = self.ejected_until.load(Ordering::Acquire) != 0;
        if !(counts.reaches(ending, policy) || half_open) || !may_eject() {
            return None;
        }
        let pause = counts.eject(now, policy);
        self.ejected_until.store(ticks::of(now + pause), Ordering::Release);
        Some(pause)
    }

    /// A check ended.
    pub(super) fn checked(&self, good: bool, now: Instant, policy: &ActiveHealth) -> Option<TargetChange> {
        let first = !self.known.swap(true, Ordering::Relaxed);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if good {
            counts.bad_checks = 0;
            counts.good_checks = counts.good_checks.saturating_add(1);
            let enough = counts.good_checks >= policy.healthy_threshold;
            let recovers = enough && self.unhealthy.swap(false, Ordering::AcqRel);
            if recovers {
                counts.recovered = Some(now);
            }
            return recovers.then_some(TargetChange::Recovered);
        }
        counts.good_checks = 0;
        counts.bad_checks = counts.bad_checks.saturating_add(1);
        // Of a target that nothing is known of yet, the first answer is believed.
        let enough = first || counts.bad_checks >= policy.unhealthy_threshold;
        let falls = enough && !self.unhealthy.swap(true, Ordering::AcqRel);
        falls.then_some(TargetChange::Unhealthy)
    }

    /// Nobody checks it any more: then checks say nothing against it.
    pub(super) fn forget_checks(&self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        (counts.good_checks, counts.bad_checks) = (0, 0);
        self.unhealthy.store(false, Ordering::Release);
    }

    /// Requests are not watched any more: then none speaks against it.
    pub(super) fn forget_requests(&self) {
        self.ejected_until.store(0, Ordering::Release);
    }
}

impl Counts {
    /// Counts a failure; true when there were enough in a row.
    fn reaches(&mut self, ending: Ending, policy: &PassiveHealth) -> bool {
        let (count, threshold) = match ending {
            Ending::Status(_) => (&mut self.statuses, policy.status_failures),
            Ending::Failed(Failure::Timeout) => (&mut self.timeouts, policy.timeouts),
            Ending::Failed(_) => (&mut self.resets, policy.resets),
        };
        *count = count.saturating_add(1);
        threshold > 0 && *count >= threshold
    }

    fn eject(&mut self, now: Instant, policy: &PassiveHealth) -> Duration {
        let (first, longest) = (u64::from(policy.ejection_ms), u64::from(policy.max_ejection_ms));
        // Who served well for long enough begins anew.
        let longest_pause = Duration::from_millis(longest);
        if self
            .recovered
            .is_some_and(|at| now.saturating_duration_since(at) > longest_pause)
        {
            self.in_row = 0;
        }
        self.in_row = self.in_row.saturating_add(1);
        self.ejections = self.ejections.saturating_add(1);
        (self.statuses, self.timeouts, self.resets) = (0, 0, 0);
        Duration::from_millis(first.saturating_mul(u64::from(self.in_row)).min(longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn fail(health: &Health, ending: Ending, now: Instant) -> Option<Duration> {
        health.failed(ending, now, &PassiveHealth::default(), || true)
    }

    #[test]
    fn each_kind_of_failure_has_its_own_count_and_a_success_clears_them() {
        let table = [
            (Ending::Status(503), 5),
            (Ending::Failed(Failure::Timeout), 5),
            (Ending::Failed(Failure::Reset), 3),
            (Ending::Failed(Failure::Connect), 3),
        ];
        for (ending, threshold) in table {
            let (health, now) = (Health::default(), Instant::now());
            for _ in 1..threshold {
                assert_eq!(fail(&health, ending, now), None, "{ending:?}");
            }
            assert_eq!(health.succeeded(now), None);
            for _ in 1..threshold {
                assert_eq!(fail(&health, ending, now), None, "{ending:?}");
            }
            assert_eq!(fail(&health, ending, now), Some(10 * SECOND), "{ending:?}");
            assert!(!health.is_available(now) && health.is_available(now + 10 * SECOND));
        }
    }

    #[test]
    fn after_an_ejection_the_next_request_decides() {
        let (health, mut now) = (Health::default(), Instant::now());
        for seconds in [10, 20, 30] {
            let mut pause = None;
            while pause.is_none() {
                pause = fail(&health, Ending::Failed(Failure::Connect), now);
            }
            assert_eq!(pause, Some(seconds * SECOND));
            now += seconds * SECOND;
            assert!(health.is_available(now), "half open");
        }
        assert_eq!(health.succeeded(now), Some(TargetChange::Recovered));
        assert!(health.is_plain());
        assert_eq!(
            fail(&health, Ending::Failed(Failure::Connect), now),
            None,
            "the count begins anew"
        );
    }

    #[test]
    fn the_longest_ejection_is_bounded_and_long_service_forgives() {
        let (health, mut now) = (Health::default(), Instant::now());
        let eject = |now: Instant| loop {
            if let Some(pause) = fail(&health, Ending::Failed(Failure::Reset), now) {
                return pause;
            }
        };
        let mut pause = Duration::ZERO;
        for _ in 0..40 {
            pause = eject(now);
            now += pause;
        }
        assert_eq!(pause, 300 * SECOND);
        health.succeeded(now);
        assert_eq!(eject(now + 301 * SECOND), 10 * SECOND);
    }

    #[test]
    fn nothing_ejects_a_target_that_may_not_be() {
        let (health, now) = (Health::default(), Instant::now());
        for _ in 0..100 {
            let ejected = health.failed(Ending::Status(502), now, &PassiveHealth::default(), || false);
            assert_eq!(ejected, None);
        }
        let off = PassiveHealth {
            enabled: false,
            ..PassiveHealth::default()
        };
        assert_eq!(health.failed(Ending::Status(502), now, &off, || true), None);
    }

    #[test]
    fn checks_need_their_thresholds_but_the_first_of_all_is_believed() {
        let (policy, now) = (ActiveHealth::default(), Instant::now());
        let health = Health::default();
        assert_eq!(health.checked(false, now, &policy), Some(TargetChange::Unhealthy));
        assert!(!health.is_available(now));
        assert_eq!(health.checked(true, now, &policy), None);
        assert_eq!(health.checked(true, now, &policy), Some(TargetChange::Recovered));
        assert_eq!(health.checked(false, now, &policy), None);
        assert_eq!(health.checked(false, now, &policy), None);
        assert_eq!(health.checked(true, now, &policy), None, "a good one between");
        for _ in 0..2 {
            assert_eq!(health.checked(false, now, &policy), None);
        }
        assert_eq!(health.checked(false, now, &policy), Some(TargetChange::Unhealthy));
        health.forget_checks();
        assert!(health.is_available(now));
    }
}
