//! Usage: counted in memory, cut into numbered batches, shipped when the database can be reached.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use model::clock::Timestamp;
use model::id::GatewayId;
use model::usage::{BUCKET_SECONDS, UsageBatch, UsageCounts, UsageKey};

use crate::config::Instance;
use crate::telemetry::{Outcome, Telemetry};

/// The most keys between two batches; what comes after counts under no caller.
const MAX_KEYS: usize = 100_000;
/// The most batches that wait: with one every two seconds, twenty minutes.
const MAX_WAITING: usize = 600;

/// Counts by ids that nobody chooses: a quick hash will do.
type Counts = HashMap<UsageKey, UsageCounts, RandomState>;

/// Counts requests and keeps what is not shipped yet.
#[derive(Debug)]
pub(crate) struct Recorder {
    instance: Instance,
    telemetry: Arc<Telemetry>,
    counts: Mutex<Counts>,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    batches: VecDeque<UsageBatch>,
    last_number: i64,
}

impl Recorder {
    pub(crate) fn new(instance: Instance, telemetry: Arc<Telemetry>) -> Self {
        Self {
            instance,
            telemetry,
            counts: Mutex::default(),
            waiting: Mutex::default(),
        }
    }

    /// Counts a request that ended at `now`.
    pub(crate) fn record(&self, now: Timestamp, outcome: &Outcome<'_>) {
        let identity = outcome.facts.and_then(|facts| facts.identity.as_ref());
        let mut key = UsageKey {
            bucket: now.unix_timestamp().div_euclid(BUCKET_SECONDS) * BUCKET_SECONDS,
            route: outcome.route.map(|route| route.id),
            service: outcome.service().map(|service| service.id),
            consumer: identity.map(|identity| identity.consumer.id),
            credential: identity.and_then(|identity| identity.credential),
            status: outcome.status,
            reason: outcome.reason,
        };
        let microseconds = |duration: std::time::Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let mut counts = lock(&self.counts);
        if counts.len() >= MAX_KEYS && !counts.contains_key(&key) {
            (key.consumer, key.credential) = (None, None);
        }
        counts
            .entry(key)
            .or_default()
            .record(microseconds(outcome.latency), microseconds(outcome.upstream));
    }

    /// Cuts what was counted so far into a batch.
    pub(crate) fn cut(&self) {
        let rows: Vec<(UsageKey, UsageCounts)> = std::mem::take(&mut *lock(&self.counts)).into_iter().collect();
        let mut waiting = lock(&self.waiting);
        if !rows.is_empty() {
            waiting.last_number += 1;
            let (gateway, started_at, number) = (
                GatewayId(self.instance.id),
                self.instance.started_at,
                waiting.last_number,
            );
            waiting.batches.push_back(UsageBatch {
                gateway,
                started_at,
                number,
                rows,
            });
        }
        while waiting.batches.len() > MAX_WAITING {
            waiting.batches.pop_front();
            self.telemetry.usage_dropped().inc();
        }
        self.telemetry
            .usage_waiting()
            .set(i64::try_from(waiting.batches.len()).unwrap_or(i64::MAX));
    }

    /// The oldest batch that is not shipped.
    pub(crate) fn oldest(&self) -> Option<UsageBatch> {
        lock(&self.waiting).batches.front().cloned()
    }

    /// A batch has arrived.
    pub(crate) fn shipped(&self, number: i64) {
        let mut waiting = lock(&self.waiting);
        waiting.batches.retain(|batch| batch.number != number);
        self.telemetry
            .usage_waiting()
            .set(i64::try_from(waiting.batches.len()).unwrap_or(i64::MAX));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use uuid::Uuid;

    fn recorder() -> Recorder {
        let instance = Instance {
            id: Uuid::nil(),
            name: "test".into(),
            started_at: Timestamp::UNIX_EPOCH,
        };
        Recorder::new(instance, Arc::new(Telemetry::default()))
    }

    fn outcome(status: u16) -> Outcome<'static> {
        Outcome {
            status,
            latency: Duration::from_millis(5),
            upstream: Duration::from_millis(4),
            tries: 1,
            ..Outcome::default()
        }
    }

    #[test]
    fn requests_of_one_bucket_are_one_row_and_batches_are_numbered() {
        let recorder = recorder();
        for second in [0, 9, 10] {
            recorder.record(Timestamp::UNIX_EPOCH + time::Duration::seconds(second), &outcome(200));
        }
        recorder.cut();
        let batch = recorder.oldest().expect("a batch");
        let mut counts: Vec<(i64, u64)> = batch
            .rows
            .iter()
            .map(|(key, counts)| (key.bucket, counts.requests))
            .collect();
        counts.sort_unstable();
        assert_eq!((batch.number, counts), (1, vec![(0, 2), (10, 1)]));
        recorder.cut();
        recorder.record(Timestamp::UNIX_EPOCH, &outcome(500));
        recorder.cut();
        recorder.shipped(1);
        assert_eq!(recorder.oldest().map(|batch| batch.number), Some(2));
    }

    #[test]
    fn what_waits_is_bounded_and_the_loss_is_counted() {
        let recorder = recorder();
        for _ in 0..MAX_WAITING + 3 {
            recorder.record(Timestamp::UNIX_EPOCH, &outcome(200));
            recorder.cut();
        }
        assert_eq!(recorder.telemetry.usage_dropped().get(), 3);
        assert_eq!(recorder.oldest().map(|batch| batch.number), Some(4));
    }
}
