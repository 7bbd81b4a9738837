//! An upstream while it runs: its endpoints, their health, and how requests are shared out among them.
//!
//! It outlives changes of the configuration: endpoints are known by the address of their target and stay what they were.

mod addresses;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use model::upstream::{Algorithm, Balance, Breaker, Health, TargetChange};
use tokio::sync::watch;

use super::balance::{Field, Hashing, Ring, Schedule, choose};
use super::changes::Changes;
use super::check_tls::CheckTls;
use super::choice::Choice;
use super::endpoint::Endpoint;
use super::members::{Member, Members};
use super::place::{Found, Place};
use super::random::Random;
use super::reach::Reach;
use super::sticky::CookieKey;
use addresses::{Known, shares};

/// The most endpoints of one upstream.
const MAX_ENDPOINTS: usize = 10_000;

/// The settings of an upstream.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// What it is called.
    pub name: String,
    /// How requests are shared out.
    pub balance: Balance,
    /// How the health of targets is found out.
    pub health: Health,
    /// How checks are made over TLS, where they are.
    pub(crate) check_tls: Option<CheckTls>,
    /// The share of healthy targets, in percent, below which all are used.
    pub panic_threshold: u8,
    /// When a service stops to ask a target that fails.
    pub breaker: Breaker,
}

/// A target as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its address as people wrote it.
    pub address: String,
    /// Where that is, or by which question it is found.
    pub place: Place,
    /// Its share relative to the others.
    pub weight: u16,
    /// Whether it gets no new requests.
    pub drains: bool,
}

/// One upstream.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) settings: ArcSwap<Settings>,
    pub(super) members: ArcSwap<Members>,
    known: Mutex<Known>,
    /// Whether each name was looked up at least once.
    answered: watch::Sender<bool>,
    turn: AtomicUsize,
    pub(super) random: Random,
    secrets: Secrets,
    /// Members that something is wrong with: without them nobody needs to ask for panic.
    troubled: AtomicUsize,
    changes: Arc<Changes>,
    reach: Arc<Reach>,
}

/// What an upstream is while a request is sent on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment<'a> {
    pub(super) settings: &'a Settings,
    pub(super) members: &'a Members,
    pub(super) now: Instant,
}

/// The keys under which values are hashed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Secrets {
    pub(super) hashing: Hashing,
    pub(super) cookies: CookieKey,
}

impl Group {
    pub(super) fn new(secrets: Secrets, changes: Arc<Changes>, reach: Arc<Reach>) -> Self {
        Self {
            settings: ArcSwap::default(),
            members: ArcSwap::default(),
            known: Mutex::default(),
            answered: watch::Sender::new(true),
            turn: AtomicUsize::new(0),
            random: Random::unlike_others(),
            secrets,
            troubled: AtomicUsize::new(0),
            changes,
            reach,
        }
    }

    /// Takes settings and targets over; what is known of endpoints that stay is kept.
    pub(super) fn configure(&self, settings: Settings, targets: Vec<Target>, now: Instant) {
        let before = self.settings.load_full();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if *before == settings && known.targets == targets {
            return;
        }
        let members = self.members.load_full();
        for member in &members.list {
            if settings.health.active.is_none() {
                member.endpoint.health.forget_checks();
            }
            if !settings.health.passive.enabled {
                member.endpoint.health.forget_requests();
            }
        }
        self.settings.store(Arc::new(settings));
        known
            .found
            .retain(|place, _| targets.iter().any(|target| target.place == *place));
        known
            .refused
            .retain(|place, _| targets.iter().any(|target| target.place == *place));
        known.targets = targets;
        for place in known
            .targets
            .iter()
            .map(|target| target.place.clone())
            .collect::<Vec<_>>()
        {
            if let Place::Socket(socket) = place {
                self.sift(&mut known, &place, &[Found { socket, weight: 1 }]);
            }
        }
        self.rebuild(&known, now);
    }

    fn rebuild(&self, known: &Known, now: Instant) {
        let before = self.members.load_full();
        let settings = self.settings.load();
        let slow = !before.list.is_empty();
        let kept: HashMap<(&str, SocketAddr), &Arc<Endpoint>> = before
            .list
            .iter()
            .map(|member| {
                (
                    (member.endpoint.address.as_str(), member.endpoint.socket),
                    &member.endpoint,
                )
            })
            .collect();
        let mut list = Vec::new();
        let reachable =
            |target: &&Target| !matches!(target.place, Place::Socket(_)) || !known.refused.contains_key(&target.place);
        for target in known.targets.iter().filter(reachable) {
            for (socket, weight) in shares(target, known.found.get(&target.place)) {
                let endpoint = kept
                    .get(&(target.address.as_str(), socket))
                    .map(|endpoint| Arc::clone(endpoint));
                list.push(Member {
                    endpoint: endpoint.unwrap_or_else(|| Arc::new(Endpoint::new(&target.address, socket, slow, now))),
                    weight,
                    drains: target.drains,
                });
            }
        }
        list.truncate(MAX_ENDPOINTS);
        let members = self.prepare(&settings.balance, before.generation + 1, list);
        self.members.store(Arc::new(members));
        self.look_for_trouble();
        let looked_up =
            |target: &Target| matches!(target.place, Place::Socket(_)) || known.found.contains_key(&target.place);
        self.answered.send_replace(known.targets.iter().all(looked_up));
    }

    fn prepare(&self, balance: &Balance, generation: u64, list: Vec<Member>) -> Members {
        let counted: Vec<u32> = list
            .iter()
            .map(|member| if member.drains { 0 } else { member.weight })
            .collect();
        let name = |member: &Member| format!("{}|{}", member.endpoint.address, member.endpoint.socket);
        let ring = (balance.algorithm == Algorithm::ConsistentHash).then(|| {
            Ring::of(
                &self.secrets.hashing,
                list.iter().map(|member| (name(member), member.weight)),
            )
        });
        let cookies: Vec<String> = match balance.algorithm {
            Algorithm::StickyCookie => list
                .iter()
                .map(|member| self.secrets.cookies.value(&name(member)))
                .collect(),
            _ => Vec::new(),
        };
        Members {
            generation,
            weight: counted.iter().map(|weight| u64::from(*weight)).sum(),
            schedule: Schedule::of(&counted),
            ring,
            by_cookie: cookies
                .iter()
                .enumerate()
                .map(|(index, value)| (value.clone(), index))
                .collect(),
            cookies,
            list,
        }
    }

    /// The member that gets a request, of those that `allowed` lets.
    pub(super) fn choose(
        &self,
        moment: &Moment<'_>,
        choice: &Choice<'_>,
        allowed: &dyn Fn(usize) -> bool,
    ) -> Option<usize> {
        let Moment { settings, members, now } = *moment;
        let slow_start = Duration::from_millis(u64::from(settings.balance.slow_start_ms));
        let share = |index: usize| members.list[index].endpoint.share(slow_start, now);
        let field = Field {
            members,
            eligible: allowed,
            share: &share,
            turn: &self.turn,
            random: &self.random,
            hashing: &self.secrets.hashing,
            now,
        };
        choose(&settings.balance, choice, &field)
    }

    /// Whether so few targets are healthy that health is not believed any more.
    pub(super) fn panics(&self, moment: &Moment<'_>) -> bool {
        let Moment { settings, members, now } = *moment;
        if self.troubled.load(Ordering::Acquire) == 0 {
            return false;
        }
        let available = |index: &usize| members.list[*index].endpoint.health.is_available(now);
        let healthy: u64 = (0..members.list.len())
            .filter(available)
            .map(|index| u64::from(members.weight_of(index)))
            .sum();
        healthy * 100 < members.weight * u64::from(settings.panic_threshold)
    }

    /// Whether another target than this one is there and healthy: the last one is never ejected.
    pub(super) fn has_another(&self, endpoint: &Endpoint, now: Instant) -> bool {
        let members = self.members.load();
        (0..members.list.len()).any(|index| {
            let other = &members.list[index].endpoint;
            members.weight_of(index) > 0 && other.key != endpoint.key && other.health.is_available(now)
        })
    }

    /// Remembers, counts and logs a change.
    pub(super) fn announce(&self, endpoint: &Endpoint, change: TargetChange, reason: String, now: Instant) {
        let settings = self.settings.load();
        self.changes.count(change);
        let (upstream, target, address) = (settings.name.as_str(), endpoint.address.as_str(), endpoint.socket);
        let event = change.as_str();
        match change {
            TargetChange::Recovered | TargetChange::BreakerClosed => {
                tracing::info!(upstream.name = upstream, target.name = target, target.address = %address, target.event = event, reason, "a target is trusted again");
            }
            _ => {
                tracing::warn!(upstream.name = upstream, target.name = target, target.address = %address, target.event = event, reason, "a target is not trusted");
            }
        }
        endpoint.note(change, reason, now);
        self.look_for_trouble();
    }

    fn look_for_trouble(&self) {
        let members = self.members.load();
        let troubled = members
            .list
            .iter()
            .filter(|member| !member.endpoint.health.is_plain())
            .count();
        self.troubled.store(troubled, Ordering::Release);
    }
}
