//! The generic cell rate algorithm (ITU-T I.371): one number for each counter says when its allowance is whole again.

use std::fmt;

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;
/// Binary digits of a [`Moment`] below the nanosecond. What a request costs is rounded down to them; over a whole
/// allowance of at most 2³² requests that adds up to less than the cost of one, so counts are exact.
const FRACTION: u32 = 40;

/// A time since the epoch, finer than nanoseconds.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u128);

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ns", self.0 >> FRACTION)
    }
}

impl Moment {
    /// So many nanoseconds since the epoch.
    pub(crate) fn at(nanoseconds: u64) -> Self {
        Self(u128::from(nanoseconds) << FRACTION)
    }
}

/// So many requests in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    window: u128,
    cost: u128,
}

/// What a limit says about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Whether it may pass.
    pub(crate) admitted: bool,
    /// What is stored when it passes: when the allowance will be whole again.
    pub(crate) whole_at: Moment,
    /// How many more may pass right after it.
    pub(crate) remaining: u64,
    /// Until the next one may pass, in nanoseconds, rounded up; zero when one may right away.
    pub(crate) retry_after: u64,
    /// Until the allowance is whole again, in nanoseconds, rounded up.
    pub(crate) reset_after: u64,
}

impl Quota {
    pub(crate) fn new(requests: u32, window_seconds: u32) -> Self {
        let window = u128::from(u64::from(window_seconds.max(1)) * SECOND) << FRACTION;
        Self {
            window,
            cost: window / u128::from(requests.max(1)),
        }
    }

    /// Decides at `now` about a counter whose allowance is whole at `whole_at`.
    pub(crate) fn decide(self, whole_at: Moment, now: Moment) -> Decision {
        // A clock that was set back must not lock anybody out for longer than a window.
        let used = whole_at.0.saturating_sub(now.0).min(self.window);
        let admitted = used + self.cost <= self.window;
        self.decision(admitted, if admitted { used + self.cost } else { used }, now)
    }

    /// What is left when a request that this limit would admit is not counted, because another limit refused it.
    pub(crate) fn uncounted(self, decision: Decision, now: Moment) -> Decision {
        if !decision.admitted {
            return decision;
        }
        self.decision(true, decision.whole_at.0 - now.0 - self.cost, now)
    }

    fn decision(self, admitted: bool, used: u128, now: Moment) -> Decision {
        let free = self.window - used;
        Decision {
            admitted,
            whole_at: Moment(now.0 + used),
            remaining: u64::try_from(free / self.cost).unwrap_or(u64::MAX),
            retry_after: nanoseconds(self.cost.saturating_sub(free)),
            reset_after: nanoseconds(used),
        }
    }
}

fn nanoseconds(duration: u128) -> u64 {
    u64::try_from(duration.div_ceil(1 << FRACTION)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A bucket that leaks, in exact units: a nanosecond leaks `requests` of them, a request adds a window.
    struct Bucket {
        requests: u128,
        window: u128,
        full: u128,
        at: u64,
    }

    impl Bucket {
        fn admits(&mut self, now: u64) -> bool {
            self.full = self.full.saturating_sub(u128::from(now - self.at) * self.requests);
            self.at = now;
            let admitted = self.full + self.window <= self.window * self.requests;
            if admitted {
                self.full += self.window;
            }
            admitted
        }
    }

    proptest! {
        #[test]
        fn it_admits_what_a_leaking_bucket_admits(
            requests in 1_u32..50,
            window in 1_u32..100,
            pauses in prop::collection::vec(0_u64..3_000_000_000, 1..200),
        ) {
            let quota = Quota::new(requests, window);
            let exact_window = u128::from(window) * u128::from(SECOND);
            let mut bucket = Bucket { requests: requests.into(), window: exact_window, full: 0, at: SECOND };
            let (mut now, mut whole_at) = (SECOND, Moment::default());
            for pause in pauses {
                now += pause;
                let decision = quota.decide(whole_at, Moment::at(now));
                prop_assert_eq!(decision.admitted, bucket.admits(now));
                if decision.admitted {
                    whole_at = decision.whole_at;
                }
            }
        }

        #[test]
        fn a_request_that_is_not_counted_costs_nothing(requests in 1_u32..2_000, window in 1_u32..10_000, used in 0_u64..9_000) {
            let (quota, now) = (Quota::new(requests, window), Moment::at(SECOND));
            let whole_at = Moment::at(SECOND + used.min(u64::from(window)) * SECOND);
            let decision = quota.decide(whole_at, now);
            let uncounted = quota.uncounted(decision, now);
            prop_assert_eq!(uncounted.whole_at, whole_at);
            prop_assert_eq!(uncounted.remaining, decision.remaining + u64::from(decision.admitted));
        }

        #[test]
        fn a_whole_allowance_passes_at_once_and_not_one_more(requests in 1_u32..2_000, window in 1_u32..2_678_400) {
            let (quota, now) = (Quota::new(requests, window), Moment::at(5 * SECOND));
            let mut whole_at = Moment::default();
            for left in (0..u64::from(requests)).rev() {
                let decision = quota.decide(whole_at, now);
                prop_assert!(decision.admitted);
                prop_assert_eq!(decision.remaining, left);
                whole_at = decision.whole_at;
            }
            let refused = quota.decide(whole_at, now);
            prop_assert!(!refused.admitted);
            let later = 5 * SECOND + refused.retry_after;
            prop_assert!(quota.decide(whole_at, Moment::at(later)).admitted);
            prop_assert!(!quota.decide(whole_at, Moment::at(later - 1)).admitted);
        }
    }

    #[test]
    fn a_clock_that_was_set_back_locks_nobody_out_for_long() {
        let decision = Quota::new(10, 60).decide(Moment::at(1_000_000 * SECOND), Moment::at(SECOND));
        assert!(!decision.admitted && decision.retry_after <= 60 * SECOND);
    }
}
