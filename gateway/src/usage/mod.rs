//! Usage: counted in memory, collected in numbered batches, shipped when the database can be reached.
//!
//! Each thread counts in a table of its own. What they counted is collected in one table, where the requests of one bucket
//! are one row, whether the database answers or not; from there it leaves in batches. Every table has a bound. Beyond it
//! callers are not told apart any more, then requests are lost; both is counted.

mod table;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::clock::Timestamp;
use model::id::GatewayId;
use model::usage::{BUCKET_SECONDS, UsageBatch, UsageKey};

use crate::config::Instance;
use crate::telemetry::{Outcome, Telemetry};
use table::{Table, Taken};

/// The most rows with a caller that one thread counts between two collections.
const MAX_COUNTED: usize = 25_000;
/// The most of them that wait to be shipped: about 60 MB.
const MAX_WAITING: usize = 200_000;
/// The most rows of a batch.
const BATCH: usize = 5_000;
/// Tables for threads to count in; few threads share one.
const TABLES: usize = 8;

/// Counts requests and keeps what is not shipped yet.
#[derive(Debug)]
pub(crate) struct Recorder {
    instance: Instance,
    telemetry: Arc<Telemetry>,
    counted: [Place; TABLES],
    waiting: Mutex<Waiting>,
}

/// Where threads count. No two lie so near that processors take them from each other.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Place(Mutex<Table>);

#[derive(Debug, Default)]
struct Waiting {
    collected: Table,
    /// What is being shipped: under its number it stays as it is until it has arrived.
    batch: Option<Arc<UsageBatch>>,
    last_number: i64,
}

/// The number of this thread's table.
fn place() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % TABLES);
    MINE.with(|mine| *mine)
}

impl Recorder {
    pub(crate) fn new(instance: Instance, telemetry: Arc<Telemetry>) -> Self {
        Self {
            instance,
            telemetry,
            counted: Default::default(),
            waiting: Mutex::default(),
        }
    }

    /// Counts a request that ended at `now`.
    pub(crate) fn record(&self, now: Timestamp, outcome: &Outcome<'_>) {
        let identity = outcome.facts.and_then(|facts| facts.identity.as_ref());
        let key = UsageKey {
            bucket: now.unix_timestamp().div_euclid(BUCKET_SECONDS) * BUCKET_SECONDS,
            route: outcome.route.map(|route| route.id),
            service: outcome.service().map(|service| service.id),
            consumer: identity.map(|identity| identity.consumer.id),
            credential: identity.and_then(|identity| identity.credential),
            status: outcome.status,
            reason: outcome.reason,
        };
        let microseconds = |duration: std::time::Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let (latency, upstream) = (microseconds(outcome.latency), microseconds(outcome.upstream));
        let taken = lock(&self.counted[place()].0).add(key, MAX_COUNTED, |counts| counts.record(latency, upstream));
        self.note(taken, 1);
    }

    /// Takes what was counted so far from the threads.
    pub(crate) fn collect(&self) {
        for place in &self.counted {
            let counted = lock(&place.0).take();
            if counted.is_empty() {
                continue;
            }
            let mut waiting = lock(&self.waiting);
            for (key, counts) in counted.into_rows() {
                let taken = waiting.collected.add(key, MAX_WAITING, |known| known.merge(&counts));
                self.note(taken, counts.requests);
            }
        }
        self.show(&lock(&self.waiting));
    }

    /// The batch to be shipped next, the same one until it has arrived.
    pub(crate) fn batch(&self) -> Option<Arc<UsageBatch>> {
        let mut waiting = lock(&self.waiting);
        if waiting.batch.is_none() {
            let rows = waiting.collected.split_off(BATCH);
            if rows.is_empty() {
                return None;
            }
            waiting.last_number += 1;
            waiting.batch = Some(Arc::new(UsageBatch {
                gateway: GatewayId(self.instance.id),
                started_at: self.instance.started_at,
                number: waiting.last_number,
                rows,
            }));
        }
        waiting.batch.clone()
    }

    /// A batch has arrived.
    pub(crate) fn shipped(&self, number: i64) {
        let mut waiting = lock(&self.waiting);
        waiting.batch = waiting.batch.take().filter(|batch| batch.number != number);
        self.show(&waiting);
    }

    fn note(&self, taken: Taken, requests: u64) {
        match taken {
            Taken::Whole => {}
            Taken::WithoutCaller => self.telemetry.usage_callers_dropped().inc_by(requests),
            Taken::Lost => self.telemetry.usage_dropped().inc_by(requests),
        }
    }

    fn show(&self, waiting: &Waiting) {
        let shipping = waiting.batch.as_ref().map_or(0, |batch| batch.rows.len());
        let rows = waiting.collected.len() + shipping;
        self.telemetry
            .usage_waiting()
            .set(i64::try_from(rows).unwrap_or(i64::MAX));
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

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + time::Duration::seconds(second)
    }

    /// The buckets of a batch with the requests in them.
    fn buckets(batch: &UsageBatch) -> Vec<(i64, u64)> {
        let rows = batch.rows.iter();
        let mut buckets: Vec<_> = rows.map(|(key, counts)| (key.bucket, counts.requests)).collect();
        buckets.sort_unstable();
        buckets
    }

    #[test]
    fn requests_of_one_bucket_are_one_row_and_batches_are_numbered() {
        let recorder = recorder();
        for second in [0, 9, 10] {
            recorder.record(at(second), &outcome(200));
        }
        recorder.collect();
        let batch = recorder.batch().expect("a batch");
        assert_eq!((batch.number, buckets(&batch)), (1, vec![(0, 2), (10, 1)]));
        recorder.record(at(0), &outcome(200));
        recorder.collect();
        assert_eq!(recorder.batch().as_ref(), Some(&batch), "the same until it has arrived");
        recorder.shipped(1);
        let batch = recorder.batch().expect("a batch");
        assert_eq!((batch.number, buckets(&batch)), (2, vec![(0, 1)]));
        recorder.shipped(1);
        assert!(recorder.batch().is_some());
        recorder.shipped(2);
        assert_eq!(recorder.batch(), None);
    }

    #[test]
    fn what_threads_counted_becomes_one_row() {
        let recorder = recorder();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| recorder.record(at(0), &outcome(200)));
            }
        });
        recorder.collect();
        assert_eq!(buckets(&recorder.batch().expect("a batch")), [(0, 3)]);
    }

    #[test]
    fn while_nothing_is_shipped_what_is_collected_stays_small() {
        let recorder = recorder();
        for second in 0..600 {
            recorder.record(at(second), &outcome(200));
            recorder.collect();
        }
        let waiting = lock(&recorder.waiting).collected.len();
        assert_eq!((waiting, recorder.telemetry.usage_waiting().get()), (60, 60));
    }

    #[test]
    fn what_waits_is_bounded_and_the_loss_is_counted() {
        let recorder = recorder();
        // Each second has a bucket of its own, and no row a caller that could be left out.
        let most = i64::try_from(MAX_WAITING + MAX_WAITING / 4).expect("a number");
        for bucket in 0..most + 3 {
            recorder.record(at(bucket * BUCKET_SECONDS), &outcome(200));
            if bucket % 10_000 == 0 {
                recorder.collect();
            }
        }
        recorder.collect();
        assert_eq!(recorder.telemetry.usage_dropped().get(), 3);
        assert_eq!(recorder.telemetry.usage_waiting().get(), most);
        // It leaves in batches, whole.
        let mut rows = 0;
        while let Some(batch) = recorder.batch() {
            assert!(batch.rows.len() <= BATCH);
            rows += batch.rows.len();
            recorder.shipped(batch.number);
        }
        assert_eq!(i64::try_from(rows).ok(), Some(most));
        assert_eq!(recorder.telemetry.usage_waiting().get(), 0);
    }
}
