//! Stories: the real program, a real Postgres and a real service, through public ports only.
//!
//! Each story has a Gatehouse of its own ([`stack`]) and talks to it as people and programs do ([`clients`], [`browser`]).
//! Nothing here sleeps for luck: a change is waited for by `Prefer: wait`, everything else by [`eventually`].

#![expect(clippy::expect_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "what a failed test shows goes there")]

mod browser;
mod clients;
mod pebble;
mod program;
mod stack;
mod upstream;

mod acme;
mod automation;
mod checks;
mod console;
mod containers;
mod demo;
mod developer;
mod input;
mod live;
mod observability;
mod outage;
mod pages;
mod pictures;
mod plugins;
mod portal;
mod reach;
mod readme;
mod refusals;
mod restart;
mod robustness;
mod routing;
mod shortage;
mod tls;
mod upgrade;
mod usage;

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long something may take that happens at once on a machine with time to spare.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Looks again and again until there is something to see; fails with `what` when the time is over.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < deadline, "{what} did not happen within {SOON:?}");
        sleep(Duration::from_millis(10)).await;
    }
}
