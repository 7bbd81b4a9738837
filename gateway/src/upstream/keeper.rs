//! What runs beside the requests: names are looked up, and targets are checked.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::upstream::ActiveHealth;
use tokio::sync::{Semaphore, watch};
use tokio::time::{MissedTickBehavior, interval};

use super::check::{Check, check};
use super::check_tls::CheckTls;
use super::endpoint::{Endpoint, TargetKey};
use super::group::{Group, Settings};
use super::names::Names;
use super::upstreams::Upstreams;

/// How often it is looked which checks are due.
const TICK: Duration = Duration::from_millis(50);
/// Checks at the same time.
const AT_ONCE: usize = 64;
/// A first check comes within this time.
const FIRST: Duration = Duration::from_millis(200);

impl Upstreams {
    /// Looks names up and checks targets until told to stop.
    pub(crate) async fn keep(self: Arc<Self>, names: Names, mut stopping: watch::Receiver<bool>) {
        let work = async { tokio::join!(self.keep_names(&names), self.keep_checks()) };
        tokio::select! {
            _ = work => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
    }

    async fn keep_checks(&self) {
        let mut due: HashMap<TargetKey, Instant> = HashMap::new();
        let at_once = Arc::new(Semaphore::new(AT_ONCE));
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let mut known = std::mem::take(&mut due);
            for group in self.groups() {
                let settings = group.settings.load_full();
                if settings.health.active.is_none() {
                    continue;
                }
                for member in &group.members.load().list {
                    let endpoint = &member.endpoint;
                    let next = next_check(&group, &settings, endpoint, known.remove(&endpoint.key), &at_once);
                    due.insert(endpoint.key, next);
                }
            }
        }
    }
}

/// Checks an endpoint if that is due and there is room; says when the next check is.
fn next_check(
    group: &Arc<Group>,
    settings: &Arc<Settings>,
    endpoint: &Arc<Endpoint>,
    due: Option<Instant>,
    at_once: &Arc<Semaphore>,
) -> Instant {
    let now = Instant::now();
    let Some(active) = &settings.health.active else {
        return now;
    };
    let due = due.unwrap_or_else(|| now + FIRST.mul_f64(group.random.unit()));
    if due > now {
        return due;
    }
    let interval = Duration::from_millis(u64::from(active.interval_ms));
    // All gateways check all targets: a spread keeps them from doing so at the same moment.
    let next = now + interval.mul_f64(0.9 + 0.2 * group.random.unit());
    if let Some(problem) = settings.check_tls.as_ref().and_then(CheckTls::problem) {
        // The settings are at fault, not the target.
        endpoint.note_error(format!("check: {problem}"));
        return next;
    }
    let Ok(permit) = at_once.clone().try_acquire_owned() else {
        return due;
    };
    let (group, settings, endpoint) = (group.clone(), settings.clone(), endpoint.clone());
    tokio::spawn(async move {
        if let Some(active) = &settings.health.active {
            make_check(&group, &settings, &endpoint, active).await;
        }
        drop(permit);
    });
    next
}

async fn make_check(group: &Group, settings: &Settings, endpoint: &Endpoint, active: &ActiveHealth) {
    let name = if endpoint.address.starts_with("srv:") {
        endpoint.socket.to_string()
    } else {
        endpoint.address.clone()
    };
    let checked = check(&Check {
        socket: endpoint.socket,
        name: &name,
        active,
        tls: settings.check_tls.as_ref(),
    })
    .await;
    let now = Instant::now();
    let reason = checked.clone().err().unwrap_or_else(|| "checks succeed".to_owned());
    if let Err(error) = &checked {
        endpoint.note_error(format!("check: {error}"));
    }
    if let Some(change) = endpoint.health.checked(checked.is_ok(), now, active) {
        group.announce(endpoint, change, reason, now);
    }
}
