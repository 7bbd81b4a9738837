//! Rows of usage by what requests are told apart by.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use model::usage::{UsageCounts, UsageKey};

/// Rows by ids that nobody chooses: a quick hash will do.
#[derive(Debug, Default)]
pub(super) struct Table(HashMap<UsageKey, UsageCounts, RandomState>);

/// What became of what was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It counts where it belongs.
    Whole,
    /// It counts under no caller: there are too many.
    WithoutCaller,
    /// It counts nowhere.
    Lost,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts under a key. Once there are `most` rows, what is new counts under no caller, for which there is room for a
    /// quarter more.
    pub(super) fn add(&mut self, mut key: UsageKey, most: usize, count: impl FnOnce(&mut UsageCounts)) -> Taken {
        let mut taken = Taken::Whole;
        if self.0.len() >= most && !self.0.contains_key(&key) {
            if key.consumer.is_some() || key.credential.is_some() {
                (key.consumer, key.credential) = (None, None);
                taken = Taken::WithoutCaller;
            }
            if self.0.len() >= most + most / 4 && !self.0.contains_key(&key) {
                return Taken::Lost;
            }
        }
        count(self.0.entry(key).or_default());
        taken
    }

    /// Everything that is in it; the room that it took is there for what comes next, which is likely to be as much.
    pub(super) fn take(&mut self) -> Self {
        let next = HashMap::with_capacity_and_hasher(self.0.len(), RandomState::default());
        Self(std::mem::replace(&mut self.0, next))
    }

    pub(super) fn into_rows(self) -> impl Iterator<Item = (UsageKey, UsageCounts)> {
        self.0.into_iter()
    }

    /// Removes so many rows, or all there are.
    pub(super) fn split_off(&mut self, most: usize) -> Vec<(UsageKey, UsageCounts)> {
        if self.0.len() <= most {
            return std::mem::take(&mut self.0).into_iter().collect();
        }
        self.0.extract_if(|_, _| true).take(most).collect()
    }
}

#[cfg(test)]
mod tests {
    use model::id::ConsumerId;
    use uuid::Uuid;

    use super::*;

    fn key(bucket: i64, consumer: Option<u128>) -> UsageKey {
        UsageKey {
            bucket,
            route: None,
            service: None,
            consumer: consumer.map(|number| ConsumerId(Uuid::from_u128(number))),
            credential: None,
            status: 200,
            reason: None,
        }
    }

    #[test]
    fn beyond_its_bound_a_table_knows_no_new_callers_and_then_nothing_new() {
        let mut table = Table::default();
        let mut add = |bucket, consumer| table.add(key(bucket, consumer), 4, |counts| counts.record(1, 1));
        for consumer in 0..4 {
            assert_eq!(add(0, Some(consumer)), Taken::Whole);
        }
        assert_eq!(add(0, Some(4)), Taken::WithoutCaller);
        assert_eq!(add(0, Some(5)), Taken::WithoutCaller, "the row of nobody is known");
        assert_eq!(add(1, Some(5)), Taken::Lost);
        assert_eq!(add(1, None), Taken::Lost);
        assert_eq!(add(0, Some(3)), Taken::Whole, "one that is known");
        assert_eq!(table.len(), 5);
        let requests: u64 = table.into_rows().map(|(_, counts)| counts.requests).sum();
        assert_eq!(requests, 7);
    }
}
