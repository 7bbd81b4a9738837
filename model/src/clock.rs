//! Time as a parameter: code that needs "now" takes a clock, tests give it one that they move.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;

/// A point in time; always UTC.
pub type Timestamp = OffsetDateTime;

/// Something that knows the time.
pub trait Clock: Send + Sync + 'static {
    /// The wall-clock time now.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine, to the microsecond: that is what the database keeps, so an object that was just made looks
/// as it does when it is read again.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        let now = OffsetDateTime::from(SystemTime::now());
        now.replace_microsecond(now.microsecond()).unwrap_or(now)
    }
}

/// A clock that moves only when told to, for tests.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at `start`, to the millisecond.
    pub fn at(start: Timestamp) -> Self {
        Self(AtomicI64::new(milliseconds(start)))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0
            .fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        let since_epoch = time::Duration::milliseconds(self.0.load(Ordering::SeqCst));
        OffsetDateTime::UNIX_EPOCH + since_epoch
    }
}

/// Milliseconds since the Unix epoch.
pub fn milliseconds(at: Timestamp) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}
