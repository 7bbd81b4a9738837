//! One address of a target, and what is remembered of it while it is in use.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::upstream::{TargetChange, TargetHealth};

use super::health::Health;
use super::latency::Latency;
use super::ticks;

/// The most events that are remembered of one endpoint.
const EVENTS: usize = 20;
/// The smallest share of a target in its slow start.
const FIRST_SHARE: f64 = 0.05;

static NEXT_KEY: AtomicU64 = AtomicU64::new(1);

/// Tells endpoints apart; the same for as long as the endpoint is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TargetKey(u64);

/// One address of a target.
#[derive(Debug)]
pub struct Endpoint {
    /// Tells it apart.
    pub key: TargetKey,
    /// The target's address as it is configured.
    pub address: String,
    /// Where that is.
    pub socket: SocketAddr,
    in_flight: AtomicU32,
    /// Since when it gets requests (again): a slow start begins there; 0 when it needs none.
    began: AtomicU64,
    pub(super) latency: Latency,
    pub(super) health: Health,
    journal: Mutex<Journal>,
}

/// What happened to an endpoint.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) at: Instant,
    pub(super) change: TargetChange,
    pub(super) reason: String,
}

#[derive(Debug)]
struct Journal {
    since: Instant,
    last_error: Option<String>,
    events: VecDeque<Event>,
}

impl Endpoint {
    /// An endpoint that nothing is known of; `slow` when it has to start slowly.
    pub(super) fn new(address: &str, socket: SocketAddr, slow: bool, now: Instant) -> Self {
        Self {
            key: TargetKey(NEXT_KEY.fetch_add(1, Ordering::Relaxed)),
            address: address.to_owned(),
            socket,
            in_flight: AtomicU32::new(0),
            began: AtomicU64::new(if slow { ticks::of(now) } else { 0 }),
            latency: Latency::default(),
            health: Health::default(),
            journal: Mutex::new(Journal {
                since: now,
                last_error: None,
                events: VecDeque::new(),
            }),
        }
    }

    /// How many requests it is answering.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn enter(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// What part of its weight counts now, above 0 to 1.
    pub(super) fn share(&self, slow_start: Duration, now: Instant) -> f64 {
        let began = self.began.load(Ordering::Relaxed);
        if began == 0 || slow_start.is_zero() {
            return 1.0;
        }
        let age = Duration::from_nanos(ticks::of(now).saturating_sub(began));
        let share = age.as_secs_f64() / slow_start.as_secs_f64();
        if share >= 1.0 {
            self.began.store(0, Ordering::Relaxed);
        }
        share.clamp(FIRST_SHARE, 1.0)
    }

    /// Remembers a change; one that is a recovery starts slowly.
    pub(super) fn note(&self, change: TargetChange, reason: String, now: Instant) {
        if change == TargetChange::Recovered {
            self.began.store(ticks::of(now), Ordering::Relaxed);
        }
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(change, TargetChange::BreakerOpened | TargetChange::BreakerClosed) {
            journal.since = now;
        }
        if journal.events.len() >= EVENTS {
            journal.events.pop_front();
        }
        journal.events.push_back(Event {
            at: now,
            change,
            reason,
        });
    }

    /// Remembers the last failure.
    pub(super) fn note_error(&self, error: String) {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner).last_error = Some(error);
    }

    /// Since when, the last error, and what happened.
    pub(super) fn story(&self) -> (Instant, Option<String>, Vec<Event>) {
        let journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        (
            journal.since,
            journal.last_error.clone(),
            journal.events.iter().cloned().collect(),
        )
    }

    /// Its health in one word.
    pub(super) fn condition(&self, drains: bool, now: Instant) -> TargetHealth {
        if drains {
            TargetHealth::Draining
        } else if self.health.is_unhealthy() {
            TargetHealth::Unhealthy
        } else if self.health.is_ejected(now) {
            TargetHealth::Ejected
        } else if self.health.is_known() {
            TargetHealth::Healthy
        } else {
            TargetHealth::Unknown
        }
    }
}
