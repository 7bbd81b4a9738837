//! The counters of rate limits: in memory, bounded, and outliving changes of configuration.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::rate_limit::LimitBy;
use crate::rate_limit::gcra::{Decision, Moment, Quota};

/// Parts with a lock of their own.
const SHARDS: usize = 64;
/// Counters of one part: about a million in all, some 64 bytes each.
const SHARD_CAPACITY: usize = 16_384;

/// Which counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CounterKey {
    /// The plugin instance.
    pub(crate) instance: Uuid,
    /// What has an allowance of its own.
    pub(crate) by: LimitBy,
    /// The window in seconds, which tells the limits of an instance apart.
    pub(crate) window: u32,
    /// Which consumer, credential, address or route.
    pub(crate) subject: u128,
}

/// All counters of a process.
pub struct Counters {
    shards: Vec<Mutex<Shard>>,
    shard_capacity: usize,
    hasher: RandomState,
    evicted: AtomicU64,
}

#[derive(Default)]
struct Shard {
    whole_at: HashMap<CounterKey, Moment>,
    /// How many were added since those that are whole again were dropped.
    added: usize,
}

impl Default for Counters {
    fn default() -> Self {
        Self::with_shard_capacity(SHARD_CAPACITY)
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counters")
            .field("evicted", &self.evicted())
            .finish_non_exhaustive()
    }
}

impl Counters {
    fn with_shard_capacity(shard_capacity: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            shard_capacity,
            hasher: RandomState::new(),
            evicted: AtomicU64::new(0),
        }
    }

    /// How many counters were dropped before their time because there were too many.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// Decides about one request under several limits: all of them count it, or none does.
    pub(crate) fn decide(&self, limits: &[(CounterKey, Quota)], now: Moment) -> Vec<Decision> {
        let mut wanted: Vec<usize> = limits.iter().map(|(key, _)| self.shard_of(key)).collect();
        let of_limit = wanted.clone();
        // Always in the same order, or two requests could wait for each other.
        wanted.sort_unstable();
        wanted.dedup();
        let mut locked: Vec<(usize, MutexGuard<'_, Shard>)> =
            wanted.into_iter().map(|at| (at, self.lock(at))).collect();
        let shard = |locked: &[(usize, MutexGuard<'_, Shard>)], at: usize| {
            locked.iter().position(|(index, _)| *index == at).unwrap_or_default()
        };
        let decisions: Vec<Decision> = limits
            .iter()
            .zip(&of_limit)
            .map(|((key, quota), at)| {
                let known = locked[shard(&locked, *at)].1.whole_at.get(key).copied();
                quota.decide(known.unwrap_or_default(), now)
            })
            .collect();
        if decisions.iter().all(|decision| decision.admitted) {
            for (((key, _), at), decision) in limits.iter().zip(&of_limit).zip(&decisions) {
                let index = shard(&locked, *at);
                self.store(&mut locked[index].1, *key, decision.whole_at, now);
            }
        }
        decisions
    }

    fn store(&self, shard: &mut Shard, key: CounterKey, whole_at: Moment, now: Moment) {
        if let Some(known) = shard.whole_at.get_mut(&key) {
            *known = whole_at;
            return;
        }
        // As many additions as there are counters pay for one look at all of them.
        if shard.added >= shard.whole_at.len().max(1_024) {
            shard.whole_at.retain(|_, whole_at| *whole_at > now);
            shard.added = 0;
        }
        if shard.whole_at.len() >= self.shard_capacity
            && let Some(victim) = shard.whole_at.keys().next().copied()
        {
            shard.whole_at.remove(&victim);
            self.evicted.fetch_add(1, Ordering::Relaxed);
        }
        shard.whole_at.insert(key, whole_at);
        shard.added += 1;
    }

    fn shard_of(&self, key: &CounterKey) -> usize {
        usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or_default()
    }

    fn lock(&self, at: usize) -> MutexGuard<'_, Shard> {
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(subject: u128, window: u32) -> CounterKey {
        CounterKey {
            instance: Uuid::nil(),
            by: LimitBy::Ip,
            window,
            subject,
        }
    }

    #[test]
    fn a_request_that_one_limit_refuses_is_not_counted_by_the_others() {
        let counters = Counters::default();
        let (small, large) = ((key(1, 1), Quota::new(1, 1)), (key(1, 60), Quota::new(10, 60)));
        let now = Moment::at(1_000_000_000);
        assert!(
            counters
                .decide(&[small, large], now)
                .iter()
                .all(|decision| decision.admitted)
        );
        for _ in 0..20 {
            let decisions = counters.decide(&[small, large], now);
            assert!(!decisions[0].admitted && decisions[1].admitted);
        }
        assert_eq!(counters.decide(&[large], now)[0].remaining, 8);
    }

    #[test]
    fn exactly_as_many_pass_as_the_limit_says_from_many_threads() {
        let counters = Counters::default();
        let limit = [
            (key(7, 60), Quota::new(500, 60)),
            (key(8, 3_600), Quota::new(5_000, 3_600)),
        ];
        let passed = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let decisions = counters.decide(&limit, Moment::at(1_000_000_000));
                        if decisions.iter().all(|decision| decision.admitted) {
                            passed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(passed.into_inner(), 500);
    }

    #[test]
    fn counters_are_bounded_and_what_is_lost_is_counted() {
        let counters = Counters::with_shard_capacity(100);
        let capacity = SHARDS * 100;
        for subject in 0..capacity as u128 * 2 {
            counters.decide(&[(key(subject, 60), Quota::new(5, 60))], Moment::at(1_000_000_000));
        }
        let kept: usize = (0..SHARDS).map(|at| counters.lock(at).whole_at.len()).sum();
        assert!(kept <= capacity && counters.evicted() > 0);
    }

    #[test]
    fn counters_that_are_whole_again_make_room() {
        let counters = Counters::default();
        for subject in 0..150_000 {
            let now = Moment::at(u64::try_from(subject).expect("small") * 1_000_000_000);
            counters.decide(&[(key(subject, 1), Quota::new(1, 1))], now);
        }
        let kept: usize = (0..SHARDS).map(|at| counters.lock(at).whole_at.len()).sum();
        assert!(kept <= SHARDS * 1_100 && counters.evicted() == 0, "{kept}");
    }
}
