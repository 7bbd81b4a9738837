//! The counters of rate limits: in memory, bounded, and outliving changes of configuration.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;
use uuid::Uuid;

use crate::rate_limit::LimitBy;
use crate::rate_limit::gcra::{Decision, Moment, Quota};

/// Parts with a lock of their own.
const SHARDS: usize = 64;
/// Counters of one part, as many as fit into a table of 16,384 places: 900,000 in all, in at most 90 MB.
const SHARD_CAPACITY: usize = 14_336;
/// The share of a full part that is dropped at once, so that many additions pay for one look at all counters.
const DROPPED_SHARE: usize = 8;
/// As many limits are decided about without an allocation.
pub(crate) const INLINE: usize = 4;

/// Which counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CounterKey {
    /// The plugin instance.
    pub(crate) instance: Uuid,
    /// What has an allowance of its own.
    pub(crate) by: LimitBy,
    /// The window in seconds, which tells the limits of an instance apart.
    pub(crate) window: u32,
    /// Which consumer, credential, address or route; zero where there is only one.
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

type Locked<'a> = (usize, MutexGuard<'a, Shard>);

impl Shard {
    /// Keeps a counter; the result is how many others had to go before their time.
    fn store(&mut self, key: CounterKey, whole_at: Moment, now: Moment, capacity: usize) -> usize {
        if let Some(known) = self.whole_at.get_mut(&key) {
            *known = whole_at;
            return 0;
        }
        // As many additions as there are counters pay for one look at all of them.
        if self.added >= self.whole_at.len().max(1_024) {
            self.whole_at.retain(|_, whole_at| *whole_at > now);
            self.added = 0;
        }
        let evicted = if self.whole_at.len() >= capacity {
            self.evict()
        } else {
            0
        };
        self.whole_at.insert(key, whole_at);
        self.added += 1;
        evicted
    }

    /// Drops those that would be whole first: they know least, and dropping them gives least away.
    fn evict(&mut self) -> usize {
        let share = (self.whole_at.len() / DROPPED_SHARE).max(1);
        let mut moments: Vec<Moment> = self.whole_at.values().copied().collect();
        let (_, last, _) = moments.select_nth_unstable(share - 1);
        let (last, mut left) = (*last, share);
        self.whole_at.retain(|_, whole_at| {
            let goes = *whole_at <= last && left > 0;
            left -= usize::from(goes);
            !goes
        });
        share - left
    }
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
    pub(crate) fn decide(&self, limits: &[(CounterKey, Quota)], now: Moment) -> SmallVec<[Decision; INLINE]> {
        let mut locked = self.lock_all(limits);
        let mut decisions: SmallVec<[Decision; INLINE]> = limits
            .iter()
            .map(|(key, quota)| {
                let known = self
                    .find_shard(&mut locked, key)
                    .and_then(|shard| shard.whole_at.get(key).copied());
                quota.decide(known.unwrap_or_default(), now)
            })
            .collect();
        let admitted = decisions.iter().all(|decision| decision.admitted);
        for ((key, quota), decision) in limits.iter().zip(&mut decisions) {
            if !admitted {
                *decision = quota.uncounted(*decision, now);
            } else if let Some(shard) = self.find_shard(&mut locked, key) {
                let evicted = shard.store(*key, decision.whole_at, now, self.shard_capacity);
                if evicted > 0 {
                    self.evicted.fetch_add(evicted as u64, Ordering::Relaxed);
                }
            }
        }
        decisions
    }

    /// Locks the parts of these counters, always in the same order, or two requests could wait for each other.
    fn lock_all(&self, limits: &[(CounterKey, Quota)]) -> SmallVec<[Locked<'_>; INLINE]> {
        let mut wanted: SmallVec<[usize; INLINE]> = limits.iter().map(|(key, _)| self.shard_of(key)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted.into_iter().map(|at| (at, self.lock(at))).collect()
    }

    fn find_shard<'a>(&self, locked: &'a mut [Locked<'_>], key: &CounterKey) -> Option<&'a mut Shard> {
        let wanted = self.shard_of(key);
        locked
            .iter_mut()
            .find(|(at, _)| *at == wanted)
            .map(|(_, shard)| &mut **shard)
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
        assert_eq!(
            counters.decide(&[small, large], now)[1].remaining,
            9,
            "what is left is not what would be left"
        );
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
        assert!(kept <= capacity && kept >= capacity / 2, "{kept}");
        assert_eq!(
            usize::try_from(counters.evicted()).expect("small") + kept,
            capacity * 2,
            "every one is either kept or counted as lost"
        );
    }

    #[test]
    fn a_flood_of_new_callers_does_not_free_one_that_used_up_its_allowance() {
        let counters = Counters::with_shard_capacity(100);
        let quota = Quota::new(10, 3_600);
        let greedy: Vec<_> = (0..200).map(|nth| [(key(u128::MAX - nth, 3_600), quota)]).collect();
        let now = Moment::at(1_000_000_000);
        for caller in greedy.iter().cycle().take(200 * 10) {
            counters.decide(caller, now);
        }
        for subject in 0..SHARDS as u128 * 1_000 {
            counters.decide(&[(key(subject, 3_600), quota)], now);
        }
        assert!(counters.evicted() > 0);
        assert!(greedy.iter().all(|caller| !counters.decide(caller, now)[0].admitted));
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
