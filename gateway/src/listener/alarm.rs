//! A deadline that costs nothing while it is not near.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

/// Wakes a task at a time that moves.
///
/// A timer that was set for an earlier deadline is left to go off and is only then set for the later one, so that
/// deadlines that move with every piece of a body do not touch the timers of the runtime.
#[derive(Debug, Default)]
pub(super) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Ready once the time has come.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() > at {
            timer.as_mut().reset(at);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if Instant::now() >= at {
                return Poll::Ready(());
            }
            timer.as_mut().reset(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_goes_off_at_the_last_time_that_it_was_asked_for() {
        let (start, mut alarm) = (Instant::now(), Alarm::default());
        for seconds in [10, 30, 5, 20] {
            let at = start + Duration::from_secs(seconds);
            assert!(poll_fn(|cx| Poll::Ready(alarm.poll(cx, at).is_pending())).await);
        }
        let at = start + Duration::from_secs(20);
        poll_fn(|cx| alarm.poll(cx, at)).await;
        assert!(Instant::now() >= at);
    }
}
