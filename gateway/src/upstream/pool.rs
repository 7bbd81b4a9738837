//! The targets of one service: which gets the next request, and what its answer tells.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use model::clock::Timestamp;
use model::service::Retry;
use model::upstream::{Algorithm, BreakerState, TargetChange, TargetEvent, TargetHealth, TargetState};

use super::breaker::{Breaker, Entry, Turn};
use super::budget::Budget;
use super::choice::Choice;
use super::endpoint::{Endpoint, TargetKey};
use super::group::{Group, Moment, Settings};
use super::health::{Ending, Failure};
use super::members::Members;
use super::sticky;

/// How often a pick is repeated when another request took the probe that it was for.
const ROUNDS: usize = 3;

/// The way of one service to its upstream.
#[derive(Debug)]
pub struct Pool {
    pub(super) service: String,
    pub(super) group: Arc<Group>,
    breakers: ArcSwap<Breakers>,
    budget: Budget,
    renewing: Mutex<()>,
}

/// The breakers of the members, as of one generation of them.
#[derive(Debug, Default)]
struct Breakers {
    generation: u64,
    list: Vec<Arc<Breaker>>,
    keys: Vec<TargetKey>,
}

/// A target that was picked; it counts as in flight until this is dropped.
#[derive(Debug)]
pub struct Picked {
    /// The target.
    pub endpoint: Arc<Endpoint>,
    pool: Arc<Pool>,
    breaker: Arc<Breaker>,
    settings: Arc<Settings>,
    entry: Entry,
    cookie: Option<String>,
}

/// What is seen of an endpoint at a glance.
#[derive(Debug)]
pub(super) struct Glance {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) drains: bool,
    pub(super) breaker: BreakerState,
}

impl Pool {
    pub(super) fn new(service: String, group: Arc<Group>) -> Self {
        Self {
            service,
            group,
            breakers: ArcSwap::default(),
            budget: Budget::default(),
            renewing: Mutex::default(),
        }
    }

    pub(super) fn configure(&self, retry: &Retry) {
        self.budget.configure(retry);
    }

    /// Picks a target; none when there is none, or when the breakers of all are open. Targets that were tried already
    /// are picked again only when there is no other. The first pick of a request counts it for the retry budget.
    pub fn pick(self: &Arc<Self>, choice: &Choice<'_>, now: Instant) -> Option<Picked> {
        if choice.tried.is_empty() {
            self.budget.request(now);
        }
        let settings = self.group.settings.load_full();
        let members = self.group.members.load();
        let breakers = self.breakers_of(&members);
        let moment = Moment {
            settings: &settings,
            members: &members,
            now,
        };
        let panics = self.group.panics(&moment);
        let may = |index: usize| {
            let endpoint = &members.list[index].endpoint;
            members.weight_of(index) > 0
                && (panics || endpoint.health.is_available(now))
                && breakers.list[index].admits(now)
        };
        let fresh = |index: usize| !choice.tried.contains(&members.list[index].endpoint.key) && may(index);
        for _ in 0..ROUNDS {
            let choose = |allowed: &dyn Fn(usize) -> bool| self.group.choose(&moment, choice, allowed);
            let index = choose(&fresh).or_else(|| if choice.tried.is_empty() { None } else { choose(&may) })?;
            let breaker = &breakers.list[index];
            let entry = breaker.enter(now);
            if entry == Entry::Refused {
                continue;
            }
            let endpoint = members.list[index].endpoint.clone();
            endpoint.enter();
            return Some(Picked {
                endpoint,
                pool: self.clone(),
                breaker: breaker.clone(),
                entry,
                cookie: new_cookie(&settings, &members, choice, index),
                settings,
            });
        }
        None
    }

    /// Waits, when there is no target yet, until their names were looked up for the first time. After that names are
    /// looked up beside the requests, and this returns at once.
    pub async fn ready(&self, within: Duration) {
        if self.group.members.load().list.is_empty() {
            self.group.answered(within).await;
        }
    }

    /// Whether it has no target only because those that it has may not be reached.
    pub fn is_forbidden(&self) -> bool {
        self.group.members.load().list.is_empty() && !self.group.refused().is_empty()
    }

    /// Takes a retry out of the service's budget; false when it is used up, and then there must be none.
    pub fn retry_allowed(&self, now: Instant) -> bool {
        self.budget.take(now)
    }

    /// The endpoints as they are now.
    pub fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        let members = self.group.members.load();
        members.list.iter().map(|member| member.endpoint.clone()).collect()
    }

    /// What is seen of each endpoint without its story.
    pub(super) fn glance(&self) -> Vec<Glance> {
        let members = self.group.members.load();
        let breakers = self.breakers_of(&members);
        let seen = members.list.iter().zip(&breakers.list);
        let glance = seen.map(|(member, breaker)| Glance {
            endpoint: member.endpoint.clone(),
            drains: member.drains,
            breaker: breaker.state(),
        });
        glance.collect()
    }

    /// What is known of each endpoint; `at` is what the clock shows at `now`.
    pub fn states(&self, now: Instant, at: Timestamp) -> Vec<TargetState> {
        let members = self.group.members.load();
        let breakers = self.breakers_of(&members);
        let wall = |then: Instant| at - now.saturating_duration_since(then);
        let states = members.list.iter().zip(&breakers.list).map(|(member, breaker)| {
            let endpoint = &member.endpoint;
            let (since, last_error, events) = endpoint.story();
            let events = events.into_iter().map(|event| TargetEvent {
                at: wall(event.at),
                change: event.change,
                reason: event.reason,
            });
            TargetState {
                target: endpoint.address.clone(),
                address: Some(endpoint.socket.to_string()),
                health: endpoint.condition(member.drains, now),
                breaker: breaker.state(),
                in_flight: endpoint.in_flight(),
                latency_us: endpoint.latency.average(),
                last_error,
                since: wall(since),
                ejections: endpoint.health.ejections(),
                events: events.collect(),
            }
        });
        let missing = self.group.missing().into_iter().map(|target| TargetState {
            target,
            address: None,
            health: TargetHealth::Unknown,
            breaker: BreakerState::Closed,
            in_flight: 0,
            latency_us: None,
            last_error: Some("its name has no address".to_owned()),
            since: at,
            ejections: 0,
            events: Vec::new(),
        });
        let refused = self
            .group
            .refused()
            .into_iter()
            .map(|(target, (socket, why))| TargetState {
                target,
                address: Some(socket.to_string()),
                health: TargetHealth::Unhealthy,
                breaker: BreakerState::Closed,
                in_flight: 0,
                latency_us: None,
                last_error: Some(format!("its address may not be reached: {why}")),
                since: at,
                ejections: 0,
                events: Vec::new(),
            });
        states.chain(missing).chain(refused).collect()
    }

    /// The breakers of these members. Those of endpoints that stay are kept.
    fn breakers_of(&self, members: &Members) -> Arc<Breakers> {
        let known = self.breakers.load();
        if known.generation == members.generation {
            return Arc::clone(&known);
        }
        let _renewing = self.renewing.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.breakers.load_full();
        if known.generation == members.generation {
            return known;
        }
        let kept: HashMap<TargetKey, &Arc<Breaker>> = known.keys.iter().copied().zip(&known.list).collect();
        let keys: Vec<TargetKey> = members.list.iter().map(|member| member.endpoint.key).collect();
        let list = keys
            .iter()
            .map(|key| kept.get(key).map(|breaker| Arc::clone(breaker)).unwrap_or_default());
        let renewed = Arc::new(Breakers {
            generation: members.generation,
            list: list.collect(),
            keys,
        });
        // A request that still sees older members does not undo the change for all others.
        if known.generation < members.generation {
            self.breakers.store(renewed.clone());
        }
        renewed
    }
}

/// The cookie that a client has to be given, when it has another one or none.
fn new_cookie(settings: &Settings, members: &Members, choice: &Choice<'_>, index: usize) -> Option<String> {
    if settings.balance.algorithm != Algorithm::StickyCookie {
        return None;
    }
    let cookie = settings.balance.sticky_cookie.as_ref()?;
    let value = members.cookies.get(index)?;
    let has_it = choice.cookie(&cookie.name) == Some(value);
    (!has_it).then(|| sticky::set_cookie(cookie, value, choice.secure))
}

impl Picked {
    /// The response header came after so long.
    pub fn answered(&mut self, status: u16, latency: Duration, now: Instant) {
        self.endpoint.latency.observe(latency, now);
        if self.settings.health.passive.failure_statuses.contains(&status) {
            self.endpoint.note_error(format!("status {status}"));
            self.fail(Ending::Status(status), now);
        } else {
            self.succeed(now);
        }
    }

    /// The attempt failed.
    pub fn failed(&mut self, kind: Failure, now: Instant) {
        self.endpoint.note_error(kind.as_str().to_owned());
        self.fail(Ending::Failed(kind), now);
    }

    /// The value of `Set-Cookie` that the client has to get with its response, when there is one.
    pub fn set_cookie(&self) -> Option<String> {
        self.cookie.clone()
    }

    fn succeed(&mut self, now: Instant) {
        let entry = std::mem::replace(&mut self.entry, Entry::Pass);
        if self.breaker.succeeded(entry, now, &self.settings.breaker) == Some(Turn::Closed) {
            let reason = format!("a probe of service {} succeeded", self.pool.service);
            self.announce(TargetChange::BreakerClosed, reason, now);
        }
        if let Some(change) = self.endpoint.health.succeeded(now) {
            self.announce(change, "a request succeeded".to_owned(), now);
        }
    }

    fn fail(&mut self, ending: Ending, now: Instant) {
        let entry = std::mem::replace(&mut self.entry, Entry::Pass);
        let why = match ending {
            Ending::Status(status) => format!("status {status}"),
            Ending::Failed(kind) => kind.as_str().to_owned(),
        };
        let random = self.pool.group.random.unit();
        if let Some(Turn::Opened(pause)) = self.breaker.failed(entry, now, &self.settings.breaker, random) {
            let reason = format!(
                "{why}; service {} waits for {} ms",
                self.pool.service,
                pause.as_millis()
            );
            self.announce(TargetChange::BreakerOpened, reason, now);
        }
        let group = &self.pool.group;
        let may_eject = || group.has_another(&self.endpoint, now);
        let ejected = self
            .endpoint
            .health
            .failed(ending, now, &self.settings.health.passive, may_eject);
        if let Some(pause) = ejected {
            let reason = format!("{why}; for {} ms", pause.as_millis());
            self.announce(TargetChange::Ejected, reason, now);
        }
    }

    fn announce(&self, change: TargetChange, reason: String, now: Instant) {
        self.pool.group.announce(&self.endpoint, change, reason, now);
    }
}

impl Drop for Picked {
    fn drop(&mut self) {
        self.endpoint.leave();
        self.breaker.abandoned(self.entry);
    }
}
