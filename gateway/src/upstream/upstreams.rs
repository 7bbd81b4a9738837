//! All upstreams of a gateway. What is known of them stays while the configuration changes around them.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use model::clock::Timestamp;
use model::id::{ServiceId, UpstreamId};
use model::service::Retry;
use model::upstream::{BreakerState, TargetChange, TargetHealth, TargetState};

use super::balance::Hashing;
use super::changes::Changes;
use super::group::{Group, Secrets, Settings, Target};
use super::pool::Pool;
use super::reach::Reach;
use super::sticky::{CookieKey, digest};
use crate::telemetry::metrics::{Breaker, TargetState as Gauge};

/// Which upstream: one of the configuration, or the one address of a service with a URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GroupKey {
    /// An upstream of the configuration.
    Upstream(UpstreamId),
    /// `host:port`.
    Address(String),
}

/// A service that wants a pool.
#[derive(Debug)]
pub struct Wanted {
    /// Its id.
    pub service: ServiceId,
    /// Its name.
    pub name: String,
    /// When its requests are tried again.
    pub retry: Retry,
    /// Which upstream it leads to.
    pub group: GroupKey,
}

/// All upstreams of a gateway.
#[derive(Debug)]
pub struct Upstreams {
    secrets: Secrets,
    state: Mutex<State>,
    changes: Arc<Changes>,
    reach: Arc<Reach>,
    renewed: tokio::sync::Notify,
}

#[derive(Debug, Default)]
struct State {
    groups: HashMap<GroupKey, Arc<Group>>,
    pools: HashMap<ServiceId, (GroupKey, Arc<Pool>)>,
}

impl Upstreams {
    /// None yet, under a deployment's secret; targets may have the usual addresses.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self::within(secret, Reach::default())
    }

    /// None yet, under a deployment's secret, with a rule for the addresses of targets.
    pub fn within(secret: &[u8; 32], reach: Reach) -> Self {
        let mut hashing = [0; 16];
        hashing.copy_from_slice(&digest(secret, b"gatehouse upstream hashing")[..16]);
        Self {
            secrets: Secrets {
                hashing: Hashing(hashing),
                cookies: CookieKey(digest(secret, b"gatehouse upstream cookies")),
            },
            state: Mutex::default(),
            changes: Arc::default(),
            reach: Arc::new(reach),
            renewed: tokio::sync::Notify::new(),
        }
    }

    /// Takes a configuration over: these are all groups and all services. Gives each service its pool.
    pub fn configure(
        &self,
        groups: HashMap<GroupKey, (Settings, Vec<Target>)>,
        wanted: Vec<Wanted>,
        now: Instant,
    ) -> HashMap<ServiceId, Arc<Pool>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = std::mem::take(&mut state.groups);
        for (key, (settings, targets)) in groups {
            let group = known.remove(&key);
            let group =
                group.unwrap_or_else(|| Arc::new(Group::new(self.secrets, self.changes.clone(), self.reach.clone())));
            group.configure(settings, targets, now);
            state.groups.insert(key, group);
        }
        let mut known = std::mem::take(&mut state.pools);
        let mut pools = HashMap::with_capacity(wanted.len());
        for wanted in wanted {
            let Some(group) = state.groups.get(&wanted.group).cloned() else {
                continue;
            };
            let kept = known.remove(&wanted.service).filter(|(key, pool)| {
                *key == wanted.group && pool.service == wanted.name && Arc::ptr_eq(&pool.group, &group)
            });
            let pool = kept.map_or_else(|| Arc::new(Pool::new(wanted.name, group)), |(_, pool)| pool);
            pool.configure(&wanted.retry);
            pools.insert(wanted.service, pool.clone());
            state.pools.insert(wanted.service, (wanted.group, pool));
        }
        drop(state);
        self.renewed.notify_one();
        pools
    }

    /// Waits until there may be names that nobody looked up yet.
    pub(super) async fn renewed(&self) {
        self.renewed.notified().await;
    }

    /// The groups there are.
    pub(super) fn groups(&self) -> Vec<Arc<Group>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.groups.values().cloned().collect()
    }

    /// What is known of the targets of each upstream of the configuration; the breaker is that of the service that
    /// trusts a target least.
    pub fn states(&self, now: Instant, at: Timestamp) -> BTreeMap<UpstreamId, Vec<TargetState>> {
        let mut all: BTreeMap<UpstreamId, Vec<TargetState>> = BTreeMap::new();
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, pool) in state.pools.values() {
            let GroupKey::Upstream(id) = key else { continue };
            let states = pool.states(now, at);
            let Some(known) = all.get_mut(id) else {
                all.insert(*id, states);
                continue;
            };
            for (known, other) in known.iter_mut().zip(states) {
                known.breaker = known.breaker.max(other.breaker);
            }
        }
        all
    }

    /// Every endpoint of every service, as metrics show it; `idle` says how many connections to an address wait.
    pub(crate) fn gauges(&self, now: Instant, idle: impl Fn(SocketAddr) -> usize) -> Vec<Gauge> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let pools: Vec<Arc<Pool>> = state.pools.values().map(|(_, pool)| pool.clone()).collect();
        drop(state);
        let of_pool = |pool: &Arc<Pool>| {
            let states = pool.states(now, Timestamp::UNIX_EPOCH);
            let states = states.into_iter().zip(pool.endpoints());
            let gauges = states.map(|(state, endpoint)| Gauge {
                service: pool.service.clone(),
                target: endpoint.socket.to_string(),
                healthy: matches!(state.health, TargetHealth::Healthy | TargetHealth::Unknown),
                breaker: match state.breaker {
                    BreakerState::Closed => Breaker::Closed,
                    BreakerState::HalfOpen => Breaker::HalfOpen,
                    BreakerState::Open => Breaker::Open,
                },
                idle: idle(endpoint.socket),
                active: state.in_flight as usize,
            });
            gauges.collect::<Vec<_>>()
        };
        pools.iter().flat_map(of_pool).collect()
    }

    /// How many addresses of each upstream of the configuration are in which health.
    pub(super) fn counts(&self, now: Instant) -> Vec<(String, TargetHealth, i64)> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let configured = state
            .groups
            .iter()
            .filter(|(key, _)| matches!(key, GroupKey::Upstream(_)));
        let mut counts = Vec::new();
        for (_, group) in configured {
            let name = group.settings.load().name.clone();
            let members = group.members.load();
            let health = members
                .list
                .iter()
                .map(|member| member.endpoint.condition(member.drains, now));
            counts.extend(health.map(|health| (name.clone(), health, 1)));
        }
        counts
    }

    /// How often each change happened to targets since the start.
    pub fn changes(&self) -> Vec<(TargetChange, u64)> {
        self.changes.all().collect()
    }
}
