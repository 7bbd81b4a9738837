//! A share of memory at which something has to be done.

/// How far below its share the use has to fall before all is well, in percent of the limit.
const SLACK: u64 = 5;

/// A share, and how much was in use when it last had to be acted.
#[derive(Debug)]
pub(super) struct Mark {
    percent: u64,
    acted_at: Option<u64>,
}

impl Mark {
    pub(super) const fn at(percent: u64) -> Self {
        Self {
            percent,
            acted_at: None,
        }
    }

    /// Whether the use is above it, and by more than a fiftieth above where it was the last time.
    pub(super) fn is_passed_again(&mut self, used: u64, limit: u64) -> bool {
        let share = share(used, limit);
        if share < self.percent - SLACK {
            self.acted_at = None;
        }
        let grown = self.acted_at.is_none_or(|at| used > at + at / 50);
        let passed = share >= self.percent && grown;
        if passed {
            self.acted_at = Some(used);
        }
        passed
    }

    /// Whether the use is about where it was when it last had to be acted, or below.
    pub(super) fn is_at_rest(&self, used: u64) -> bool {
        self.acted_at.is_some_and(|at| used <= at + at / 100)
    }

    /// Whether the use has not fallen well below it since.
    pub(super) const fn holds(&self) -> bool {
        self.acted_at.is_some()
    }
}

/// How much of the limit is in use, in percent.
pub(super) fn share(used: u64, limit: u64) -> u64 {
    used.saturating_mul(100) / limit.max(1)
}
