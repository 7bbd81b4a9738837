//! How many retries a service may have: a share of its requests, and a few in any case.
//!
//! Without a budget, retries multiply the load on targets just when they have too much of it.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use model::service::Retry;

use super::ticks;

/// The seconds over which requests and retries are counted.
const SECONDS: usize = 10;
const SECOND: u64 = 1_000_000_000;

/// The budget of one service.
#[derive(Debug, Default)]
pub(super) struct Budget(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    percent: u64,
    minimum: u64,
    seconds: [Second; SECONDS],
}

#[derive(Debug, Default, Clone, Copy)]
struct Second {
    number: u64,
    requests: u64,
    retries: u64,
}

impl Budget {
    /// Sets the bounds; what was counted stays.
    pub(super) fn configure(&self, retry: &Retry) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.percent = u64::from(retry.retry_budget_percent);
        counts.minimum = u64::from(retry.retry_budget_min_per_second);
    }

    /// A request came.
    pub(super) fn request(&self, now: Instant) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.second(now).requests += 1;
    }

    /// Takes one retry out of the budget, if there is one.
    pub(super) fn take(&self, now: Instant) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = counts.second(now).number;
        let recent = counts
            .seconds
            .iter()
            .filter(|second| second.number + SECONDS as u64 > number);
        let (requests, retries) = recent.fold((0, 0), |(requests, retries), second| {
            (requests + second.requests, retries + second.retries)
        });
        let allowed = requests * counts.percent / 100 + counts.minimum * SECONDS as u64;
        if retries >= allowed {
            return false;
        }
        counts.second(now).retries += 1;
        true
    }
}

impl Counts {
    fn second(&mut self, now: Instant) -> &mut Second {
        let number = ticks::of(now) / SECOND;
        let second = &mut self.seconds[(number % SECONDS as u64) as usize];
        if second.number != number {
            *second = Second {
                number,
                ..Second::default()
            };
        }
        second
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn budget(percent: u8, minimum: u16) -> Budget {
        let budget = Budget::default();
        budget.configure(&Retry {
            retry_budget_percent: percent,
            retry_budget_min_per_second: minimum,
            ..Retry::default()
        });
        budget
    }

    fn taken(budget: &Budget, now: Instant) -> usize {
        (0..100_000).take_while(|_| budget.take(now)).count()
    }

    #[test]
    fn retries_are_a_share_of_the_requests_of_ten_seconds_and_a_few_more() {
        let table = [
            (20, 0, 1_000, 200),
            (20, 10, 1_000, 300),
            (20, 10, 0, 100),
            (0, 0, 1_000, 0),
        ];
        for (percent, minimum, requests, expected) in table {
            let (budget, now) = (budget(percent, minimum), Instant::now());
            (0..requests).for_each(|_| budget.request(now));
            assert_eq!(
                taken(&budget, now),
                expected,
                "{percent} % and {minimum}/s of {requests}"
            );
        }
    }

    #[test]
    fn what_was_spent_comes_back_after_ten_seconds() {
        let (budget, now) = (budget(0, 1), Instant::now());
        assert_eq!(taken(&budget, now), 10);
        assert_eq!(taken(&budget, now + Duration::from_secs(5)), 0);
        assert_eq!(taken(&budget, now + Duration::from_secs(11)), 10);
    }
}
