//! What happens when memory runs short: clients are let go before the system ends the gateway.
//!
//! The allocator keeps much of what is given back to it, so that the use of memory may never fall again. Nothing here lasts
//! for that alone: what was done is done again only when the use has grown since, and a bound rises as long as it does not.

mod mark;
mod memory;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::listener::Connections;
use crate::telemetry::Telemetry;
use mark::{Mark, share};
use memory::Memory;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// The share of memory in use, in percent, from which idle connections are closed.
const TIGHT: u64 = 85;
/// The share from which clients are fewer than before.
const FULL: u64 = 95;
/// The share from which their number does not rise again.
const BRIM: u64 = 98;
/// Connections and requests that are taken on in any case: what they need is little, and a gateway that takes on nothing
/// would not find out that it could.
const FEWEST: Load = Load {
    connections: 100,
    requests: 50,
};
/// How many looks long there may be no more than before, until it is tried whether an eighth more can be.
const TRYING: u32 = 8;
/// How many looks long connections are not kept.
const LETTING_GO: u32 = 8;

/// What may be taken on: anything, or less than there was when memory ran out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pressure(Arc<Bounds>);

#[derive(Debug)]
struct Bounds {
    connections: AtomicUsize,
    requests: AtomicI64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: Load::ANY.connections.into(),
            requests: Load::ANY.requests.into(),
        }
    }
}

impl Pressure {
    /// How many connections there may be.
    pub(crate) fn connections(&self) -> usize {
        self.0.connections.load(Ordering::Relaxed)
    }

    /// How many requests may be under way.
    pub(crate) fn requests(&self) -> i64 {
        self.0.requests.load(Ordering::Relaxed)
    }

    fn bound(&self, most: Load) {
        self.0.connections.store(most.connections, Ordering::Relaxed);
        self.0.requests.store(most.requests, Ordering::Relaxed);
    }

    /// Lets there be an eighth more.
    fn rise(&self) {
        let (connections, requests) = (self.connections(), self.requests());
        self.bound(Load {
            connections: connections.saturating_add(connections / 8),
            requests: requests.saturating_add(requests / 8),
        });
    }
}

/// What the gateway is busy with.
#[derive(Debug, Clone, Copy)]
struct Load {
    connections: usize,
    requests: i64,
}

impl Load {
    /// More than there can be.
    const ANY: Self = Self {
        connections: usize::MAX,
        requests: i64::MAX,
    };

    /// Half of it, but not less than is always taken on.
    fn halved(self) -> Self {
        Self {
            connections: (self.connections / 2).max(FEWEST.connections),
            requests: (self.requests / 2).max(FEWEST.requests),
        }
    }
}

/// Looks at the memory, and acts.
#[derive(Debug)]
pub(crate) struct Watcher {
    leave: watch::Sender<bool>,
    pressure: Pressure,
    tight: Mark,
    full: Mark,
    letting_go: u32,
    /// Looks since the bound last changed.
    bound_for: u32,
}

impl Watcher {
    /// With what tells connections that they should go: because memory is short, or because the gateway stops.
    pub(crate) fn of(pressure: Pressure) -> (Self, watch::Receiver<bool>) {
        let (leave, leaving) = watch::channel(false);
        let watcher = Self {
            leave,
            pressure,
            tight: Mark::at(TIGHT),
            full: Mark::at(FULL),
            letting_go: 0,
            bound_for: 0,
        };
        (watcher, leaving)
    }

    /// Looks until the gateway stops, when connections should go for good. The limit is the one that is set, else that of
    /// the control group.
    pub(crate) async fn run(
        mut self,
        limit: Option<u64>,
        telemetry: Arc<Telemetry>,
        connections: Arc<Connections>,
        mut stopping: watch::Receiver<bool>,
    ) {
        tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => {}
            () = self.look_on(Memory::within(limit), &telemetry, &connections) => {}
        }
        self.leave.send_replace(true);
        // A connection would take the end of this for a word to go at once.
        self.leave.closed().await;
    }

    async fn look_on(&mut self, memory: Option<Memory>, telemetry: &Telemetry, connections: &Connections) {
        let Some(memory) = memory else {
            return std::future::pending().await;
        };
        telemetry.memory_limit(memory.limit());
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut complained = false;
        loop {
            looks.tick().await;
            match memory.used() {
                Ok(used) => {
                    telemetry.memory_used(used);
                    let load = Load {
                        connections: connections.count(),
                        requests: telemetry.in_flight(),
                    };
                    self.measured(used, memory.limit(), load);
                }
                Err(error) if !complained => {
                    tracing::warn!(%error, "the use of memory cannot be read: nothing is shed when it runs short");
                    complained = true;
                }
                Err(_) => {}
            }
        }
    }

    fn measured(&mut self, used: u64, limit: u64, load: Load) {
        if self.tight.is_passed_again(used, limit) {
            tracing::warn!(used, limit, "memory is short: idle connections are closed");
            self.leave.send_replace(true);
            self.letting_go = LETTING_GO;
        } else if self.letting_go > 0 {
            self.letting_go -= 1;
            if self.letting_go == 0 {
                self.leave.send_replace(false);
            }
        }
        self.hold(used, limit, load);
    }

    /// Sees to it that there is no more than the memory is enough for.
    fn hold(&mut self, used: u64, limit: u64, load: Load) {
        self.bound_for += 1;
        if self.full.is_passed_again(used, limit) {
            let most = load.halved();
            let Load { connections, requests } = most;
            tracing::warn!(
                used,
                limit,
                connections,
                requests,
                "memory is very short: no more than this is taken on"
            );
            self.pressure.bound(most);
            self.bound_for = 0;
        } else if !self.full.holds() {
            self.pressure.bound(Load::ANY);
        } else if !self.full.is_at_rest(used) || share(used, limit) >= BRIM {
            // What was added last may be what it grows by.
            self.bound_for = 0;
        } else if self.bound_for >= TRYING {
            self.pressure.rise();
            self.bound_for = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY: Load = Load {
        connections: 1_000,
        requests: 200,
    };

    fn watcher() -> (Watcher, watch::Receiver<bool>, Pressure) {
        let pressure = Pressure::default();
        let (watcher, leaving) = Watcher::of(pressure.clone());
        (watcher, leaving, pressure)
    }

    #[test]
    fn idle_connections_go_for_a_while_and_again_when_the_use_has_grown() {
        let (mut watcher, leaving, pressure) = watcher();
        watcher.measured(84, 100, BUSY);
        assert!(!*leaving.borrow());
        for used in [85, 92] {
            watcher.measured(used, 100, BUSY);
            assert!(*leaving.borrow(), "{used}");
            for _ in 0..LETTING_GO {
                watcher.measured(used, 100, BUSY);
            }
            assert!(!*leaving.borrow(), "{used}");
        }
        assert_eq!(pressure.connections(), usize::MAX);
    }

    #[test]
    fn half_of_the_load_is_the_bound_until_there_is_room() {
        let (mut watcher, _leaving, pressure) = watcher();
        let bounds = || (pressure.connections(), pressure.requests());
        watcher.measured(950, 1_000, BUSY);
        assert_eq!(bounds(), (500, 100));
        // It does not shrink because of those who may still be there.
        let fewer = Load {
            connections: 300,
            requests: 120,
        };
        watcher.measured(950, 1_000, fewer);
        assert_eq!(bounds(), (500, 100));
        watcher.measured(980, 1_000, fewer);
        assert_eq!(bounds(), (150, 60));
        watcher.measured(910, 1_000, fewer);
        assert_eq!(bounds(), (150, 60));
        watcher.measured(890, 1_000, fewer);
        assert_eq!(bounds(), (usize::MAX, i64::MAX));
    }

    #[test]
    fn some_are_always_taken_on() {
        let (mut watcher, _leaving, pressure) = watcher();
        let idle = Load {
            connections: 2,
            requests: 0,
        };
        watcher.measured(950, 1_000, idle);
        assert_eq!((pressure.connections(), pressure.requests()), (100, 50));
    }

    #[test]
    fn the_bound_rises_as_long_as_the_use_does_not() {
        let (mut watcher, _leaving, pressure) = watcher();
        let mut looks = |used, count| {
            for _ in 0..count {
                watcher.measured(used, 1_000, BUSY);
            }
            (pressure.connections(), pressure.requests())
        };
        assert_eq!(looks(950, 1), (500, 100));
        assert_eq!(looks(950, TRYING), (562, 112));
        // A little more may be by chance; by this much it grows, but not by as much as would halve the load.
        assert_eq!(looks(959, TRYING), (632, 126));
        assert_eq!(looks(965, 10 * TRYING), (632, 126));
        assert_eq!(looks(950, TRYING), (711, 141));
        assert_eq!(looks(970, 1), (500, 100));
        assert_eq!(looks(991, 1), (500, 100));
        // So near to the limit nothing is tried.
        assert_eq!(looks(991, 10 * TRYING), (500, 100));
        let (connections, requests) = looks(975, 1_000 * TRYING);
        assert!(connections > 1 << 60 && requests > 1 << 60, "{connections} {requests}");
    }
}
