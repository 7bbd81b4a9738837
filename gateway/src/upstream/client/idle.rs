//! Connections that wait for their next request.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

use super::connect::Key;
use super::h1::Connection;

/// How long a connection waits.
pub(super) const LONGEST: Duration = Duration::from_secs(60);
/// The most that wait for one target, and in all.
const PER_TARGET: usize = 512;
const IN_ALL: usize = 16_384;
const SHARDS: usize = 16;

/// Addresses of services are nobody's to choose who means harm: a quick hash will do.
type Shard = Mutex<HashMap<Key, Vec<Waiting>, RandomState>>;

/// The connections that wait, those used last first.
#[derive(Debug)]
pub(super) struct Idle {
    shards: [Shard; SHARDS],
    hasher: RandomState,
    count: AtomicUsize,
}

#[derive(Debug)]
struct Waiting {
    connection: Connection,
    since: Instant,
}

impl Default for Idle {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::default(),
            count: AtomicUsize::new(0),
        }
    }
}

impl Idle {
    fn shard(&self, key: &Key) -> &Shard {
        let hash = self.hasher.hash_one(key);
        #[expect(clippy::cast_possible_truncation, reason = "any bits of the hash will do")]
        let index = hash as usize % SHARDS;
        &self.shards[index]
    }

    /// The connection that was used last and is still open.
    pub(super) fn take(&self, key: &Key) -> Option<Connection> {
        loop {
            let mut shard = self.shard(key).lock().unwrap_or_else(PoisonError::into_inner);
            let mut waiting = shard.get_mut(key)?.pop()?;
            drop(shard);
            self.count.fetch_sub(1, Ordering::Relaxed);
            if waiting.since.elapsed() < LONGEST && waiting.connection.is_idle() {
                return Some(waiting.connection);
            }
        }
    }

    /// Keeps a connection, unless too many wait already.
    pub(super) fn put(&self, key: Key, connection: Connection) {
        if self.count.load(Ordering::Relaxed) >= IN_ALL {
            return;
        }
        let mut shard = self.shard(&key).lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = shard.entry(key).or_default();
        if waiting.len() < PER_TARGET {
            waiting.push(Waiting {
                connection,
                since: Instant::now(),
            });
            self.count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lets go of those that waited too long or were closed by their service.
    pub(super) fn sweep(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|_, waiting| {
                let before = waiting.len();
                waiting.retain_mut(|one| one.since.elapsed() < LONGEST && one.connection.is_idle());
                self.count.fetch_sub(before - waiting.len(), Ordering::Relaxed);
                !waiting.is_empty()
            });
        }
    }

    /// How many wait, by the address that they lead to.
    pub(super) fn counts(&self) -> HashMap<SocketAddr, usize> {
        let mut counts = HashMap::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, waiting) in shard.iter() {
                *counts.entry(key.address).or_default() += waiting.len();
            }
        }
        counts
    }
}
