//! What happens when memory runs short: clients are let go before the system ends the gateway.
//!
//! The allocator keeps much of what is given back to it, so that the use of memory may never fall again. Nothing here lasts
//! for that alone: what was done is done again only when the use has grown since.

mod mark;
mod memory;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::listener::Connections;
use crate::telemetry::Telemetry;
use mark::Mark;
use memory::Memory;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// The share of memory in use, in percent, from which idle connections are closed.
const TIGHT: u64 = 85;
/// The share from which clients are fewer than before.
const FULL: u64 = 95;
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
            connections: usize::MAX.into(),
            requests: i64::MAX.into(),
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

    fn bound(&self, connections: usize, requests: i64) {
        self.0.connections.store(connections, Ordering::Relaxed);
        self.0.requests.store(requests, Ordering::Relaxed);
    }
}

/// What the gateway is busy with.
#[derive(Debug, Clone, Copy)]
struct Load {
    connections: usize,
    requests: i64,
}

/// Looks at the memory, and acts.
#[derive(Debug)]
pub(crate) struct Watcher {
    leave: watch::Sender<bool>,
    pressure: Pressure,
    tight: Mark,
    full: Mark,
    letting_go: u32,
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
        if self.full.is_passed_again(used, limit) {
            let (connections, requests) = ((load.connections / 2).max(1), (load.requests / 2).max(1));
            tracing::warn!(
                used,
                limit,
                connections,
                requests,
                "memory is very short: no more than this is taken on"
            );
            self.pressure.bound(connections, requests);
        } else if !self.full.holds() {
            self.pressure.bound(usize::MAX, i64::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY: Load = Load {
        connections: 100,
        requests: 10,
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
        watcher.measured(95, 100, BUSY);
        assert_eq!(bounds(), (50, 5));
        // It does not shrink because of those who may still be there.
        let fewer = Load {
            connections: 20,
            requests: 1,
        };
        watcher.measured(95, 100, fewer);
        assert_eq!(bounds(), (50, 5));
        watcher.measured(98, 100, fewer);
        assert_eq!(bounds(), (10, 1));
        watcher.measured(91, 100, fewer);
        assert_eq!(bounds(), (10, 1));
        watcher.measured(89, 100, fewer);
        assert_eq!(bounds(), (usize::MAX, i64::MAX));
    }
}
