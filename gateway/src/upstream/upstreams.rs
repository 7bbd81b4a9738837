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
use super::pool::{Glance, Pool};
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

    /// The pools there are. Whoever looks at them longer does not hold up a change of the configuration.
    fn pools(&self) -> Vec<Arc<Pool>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.pools.values().map(|(_, pool)| pool.clone()).collect()
    }

    /// What is known of the targets of each upstream of the configuration; the breaker is that of the service that
    /// trusts a target least.
    pub fn states(&self, now: Instant, at: Timestamp) -> BTreeMap<UpstreamId, Vec<TargetState>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let of_upstream = |(key, pool): &(GroupKey, Arc<Pool>)| match key {
            GroupKey::Upstream(id) => Some((*id, pool.clone())),
            GroupKey::Address(_) => None,
        };
        let pools: Vec<(UpstreamId, Arc<Pool>)> = state.pools.values().filter_map(of_upstream).collect();
        drop(state);
        let mut all: BTreeMap<UpstreamId, Vec<TargetState>> = BTreeMap::new();
        for (id, pool) in pools {
            let Some(known) = all.get_mut(&id) else {
                all.insert(id, pool.states(now, at));
                continue;
            };
            // Pools of one upstream differ in nothing else.
            for (known, other) in known.iter_mut().zip(pool.glance()) {
                known.breaker = known.breaker.max(other.breaker);
            }
        }
        all
    }

    /// Every endpoint of every service, as metrics show it; `idle` says how many connections to an address wait.
    pub(crate) fn gauges(&self, now: Instant, idle: HashMap<SocketAddr, usize>) -> impl Iterator<Item = Gauge> {
        self.pools().into_iter().flat_map(move |pool| {
            let gauge = |glance: Glance| Gauge {
                service: pool.service.clone(),
                target: glance.endpoint.socket.to_string(),
                healthy: matches!(
                    glance.endpoint.condition(glance.drains, now),
                    TargetHealth::Healthy | TargetHealth::Unknown
                ),
                breaker: match glance.breaker {
                    BreakerState::Closed => Breaker::Closed,
                    BreakerState::HalfOpen => Breaker::HalfOpen,
                    BreakerState::Open => Breaker::Open,
                },
                idle: idle.get(&glance.endpoint.socket).copied().unwrap_or_default(),
                active: glance.endpoint.in_flight() as usize,
            };
            pool.glance().into_iter().map(gauge).collect::<Vec<_>>()
        })
    }

    /// How many addresses of each upstream of the configuration are in which health.
    pub(super) fn counts(&self, now: Instant) -> Vec<(String, TargetHealth, i64)> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let of_configuration = |(key, group): (&GroupKey, &Arc<Group>)| {
            let configured = matches!(key, GroupKey::Upstream(_));
            configured.then(|| group.clone())
        };
        let groups: Vec<Arc<Group>> = state.groups.iter().filter_map(of_configuration).collect();
        drop(state);
        let of_group = |group: Arc<Group>| {
            let mut counts: HashMap<TargetHealth, i64> = HashMap::new();
            for member in &group.members.load().list {
                *counts.entry(member.endpoint.condition(member.drains, now)).or_default() += 1;
            }
            let name = group.settings.load().name.clone();
            counts
                .into_iter()
                .map(move |(health, count)| (name.clone(), health, count))
        };
        groups.into_iter().flat_map(of_group).collect()
    }

    /// How often each change happened to targets since the start.
    pub fn changes(&self) -> Vec<(TargetChange, u64)> {
        self.changes.all().collect()
    }
}
