//! How slowly a client may send and read.

use std::time::Duration;

use tokio::time::Instant;

use super::rule::Rule;

/// How long a head may take from its first byte.
pub(crate) const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a client may be silent in the midst of a body.
const SILENCE: Duration = Duration::from_secs(30);
/// What may be waited for beyond the time that the bytes of a body may take.
const GRACE: Duration = Duration::from_secs(10);
/// Bytes that must come or go in each second, on average.
const RATE: u64 = 1_024;
/// Between two looks at a body that is waited for.
const LOOK: Duration = Duration::from_secs(1);

/// How a body comes.
///
/// What counts is the time that the gateway waits for the client. A service that takes its time is not the client's
/// fault: nobody looks then, and an interval without a look counts as one look at most.
#[derive(Debug, Default)]
pub(crate) struct BodyPace {
    bytes: u64,
    waited: Duration,
    silent: Duration,
    last: Option<Instant>,
}

impl BodyPace {
    /// The client has nothing to read from now; the time of the next look.
    pub(crate) fn waiting(&mut self, now: Instant) -> Result<Instant, Rule> {
        let step = self.step(now);
        self.silent += step;
        self.last = Some(now);
        let allowed = GRACE + Duration::from_secs(self.bytes / RATE);
        let slow = self.waited >= allowed;
        if slow || self.silent >= SILENCE {
            return Err(Rule::BodyTime);
        }
        Ok(now + LOOK)
    }

    /// Bytes came; the time is only asked for when they were waited for.
    pub(crate) fn received(&mut self, count: usize, now: impl FnOnce() -> Instant) {
        if self.last.is_some() {
            self.step(now());
            self.last = None;
            self.silent = Duration::ZERO;
        }
        self.bytes = self.bytes.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// Counts the time since the last look.
    fn step(&mut self, now: Instant) -> Duration {
        let since = self.last.map_or(Duration::ZERO, |last| now.duration_since(last));
        // A timer may be late, but never by as much as this.
        let step = since.min(LOOK + LOOK / 2);
        self.waited += step;
        step
    }
}

/// How an answer goes.
#[derive(Debug, Default)]
pub(crate) struct WritePace {
    /// Since when nothing more could be written, and how many bytes the client had taken then.
    blocked: Option<(Instant, u64)>,
}

impl WritePace {
    /// Nothing can be written now; the time of the next look. `taken` are the bytes that the client has acknowledged in
    /// all.
    pub(crate) fn blocked(&mut self, now: Instant, taken: impl Fn() -> u64) -> Result<Instant, Rule> {
        let (since, before) = *self.blocked.get_or_insert_with(|| (now, taken()));
        if now < since + SILENCE {
            return Ok(since + SILENCE);
        }
        let taken = taken();
        if taken.saturating_sub(before) < SILENCE.as_secs() * RATE {
            return Err(Rule::AnswerTime);
        }
        self.blocked = Some((now, taken));
        Ok(now + SILENCE)
    }

    /// Something was written.
    pub(crate) fn moved(&mut self) {
        self.blocked = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits for a piece of this size, which comes after so long, again and again; the time until that is refused.
    fn drip(piece: usize, every: Duration, total: Duration) -> Option<Duration> {
        let start = Instant::now();
        let (mut pace, mut now) = (BodyPace::default(), start);
        while now - start < total {
            let arrives = now + every;
            while now < arrives {
                match pace.waiting(now) {
                    Ok(look) => now = look.min(arrives),
                    Err(_) => return Some(now - start),
                }
            }
            pace.received(piece, || now);
        }
        None
    }

    #[test]
    fn g_7_a_body_that_drips_is_refused_after_ten_seconds() {
        let hour = Duration::from_secs(3_600);
        assert_eq!(drip(1, Duration::from_secs(1), hour), Some(GRACE));
        assert_eq!(drip(100, Duration::from_secs(1), hour), Some(GRACE));
        assert!(drip(1_000, Duration::from_secs(1), hour).is_some());
        assert_eq!(drip(1_024, Duration::from_secs(1), hour), None);
        assert_eq!(drip(16 * 1024, Duration::from_secs(9), hour), None);
    }

    #[test]
    fn g_7_a_body_that_stops_is_refused_after_thirty_seconds() {
        let mut pace = BodyPace::default();
        let start = Instant::now();
        pace.received(10_000_000, || start);
        let mut now = start;
        while let Ok(look) = pace.waiting(now) {
            now = look;
        }
        assert_eq!(now - start, SILENCE);
    }

    #[test]
    fn time_in_which_nobody_waits_for_the_client_does_not_count() {
        let mut pace = BodyPace::default();
        let mut now = Instant::now();
        for _ in 0..20 {
            assert!(pace.waiting(now).is_ok());
            // The piece came at once, but the service took a minute for the one before.
            now += Duration::from_secs(60);
            pace.received(4_096, || now);
        }
    }

    #[test]
    fn g_7_an_answer_that_is_not_read_ends_the_connection() {
        let start = Instant::now();
        let mut pace = WritePace::default();
        assert_eq!(pace.blocked(start, || 0), Ok(start + SILENCE));
        assert!(pace.blocked(start + Duration::from_secs(29), || 0).is_ok());
        assert_eq!(pace.blocked(start + SILENCE, || 30 * 1_024 - 1), Err(Rule::AnswerTime));
        let mut slow = WritePace::default();
        for look in 0..10_u32 {
            let taken = u64::from(look) * 30 * 1_024;
            assert!(slow.blocked(start + SILENCE * look, || taken).is_ok());
        }
        slow.moved();
        assert!(slow.blocked(start + SILENCE * 20, || 0).is_ok());
    }
}
