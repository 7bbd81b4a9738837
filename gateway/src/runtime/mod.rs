//! What the gateway runs on: one immutable snapshot of the configuration in a form that is quick to use.
//!
//! A request pins the snapshot from its first byte to its log line. A change makes the next snapshot beside it, from
//! the parts that did not change and those that did.

mod build;
mod chain;
mod checks;
mod directory;
mod forest;
mod row;
mod service;
mod settings;
mod sharded;
mod state;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use model::id::{ConsumerGroupId, ConsumerId, RouteId, ServiceId};
use plugins::Identity;

use crate::challenges::Challenges;
use crate::router::Router;
use crate::telemetry::metrics::RouteMetrics;
use crate::tls::Store;

pub use build::{Builder, Problem};
pub use chain::{Chain, Link};
pub use directory::Known;
pub use row::Row;
pub use service::Service;
pub use settings::Settings;
pub use sharded::Sharded;

/// A route, ready to be followed.
#[derive(Debug)]
pub struct Route {
    /// What it is by itself.
    pub settings: Arc<Settings>,
    /// Where it leads.
    pub service: Arc<Service>,
    /// The plugins of the route, its service and all traffic.
    pub chain: Chain,
    /// Whether a plugin finds out who calls: then subscriptions are checked.
    pub authenticates: bool,
    /// Where its requests are counted, once there was one.
    pub metrics: OnceLock<Arc<RouteMetrics>>,
}

impl Deref for Route {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

/// One snapshot. A clone shares everything with it.
#[derive(Debug, Clone)]
pub struct Runtime {
    /// The revision that it shows.
    pub revision: i64,
    /// Finds routes.
    pub router: Arc<Router>,
    /// The services, for splits and mirrors.
    pub services: Arc<HashMap<ServiceId, Arc<Service>>>,
    /// The routes that it finds.
    pub routes: Sharded<RouteId, Arc<Route>>,
    /// Who is known.
    pub known: Known,
    /// Which certificate answers which name.
    pub tls: Arc<Store>,
    /// What authorities are answered that ask whether names are ours.
    pub challenges: Arc<Challenges>,
    /// The plugins of consumers.
    pub consumer_chains: Arc<HashMap<ConsumerId, Chain>>,
    /// The plugins of consumer groups, among them the limits of plans.
    pub group_chains: Arc<HashMap<ConsumerGroupId, Chain>>,
}

/// What the subscriptions of a caller say about a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// It may be called, under the plans of these groups.
    Granted(Vec<ConsumerGroupId>),
    /// No subscription covers it.
    SubscriptionMissing,
}

impl Runtime {
    /// Nothing but who is known and which certificates there are.
    fn empty(known: Known, tls: Arc<Store>) -> Self {
        Self {
            revision: 0,
            router: Arc::default(),
            services: Arc::default(),
            routes: Sharded::default(),
            known,
            tls,
            challenges: Arc::default(),
            consumer_chains: Arc::default(),
            group_chains: Arc::default(),
        }
    }

    /// Whether a caller may call a service. Consumers that administrators made may call every one.
    pub fn access(&self, identity: Option<&Identity>, service: ServiceId) -> Access {
        let Some(grants) = identity.and_then(|identity| identity.consumer.row.grants.as_ref()) else {
            return Access::Granted(Vec::new());
        };
        let covering = grants.iter().filter(|grant| grant.services.contains(&service));
        let groups: Vec<ConsumerGroupId> = covering.map(|grant| grant.group).collect();
        if groups.is_empty() {
            Access::SubscriptionMissing
        } else {
            Access::Granted(groups)
        }
    }

    /// The chain that a known caller runs through on a route: the route's with those of the caller merged in.
    pub fn chain_for(&self, route: &Route, identity: Option<&Identity>, groups: &[ConsumerGroupId]) -> Chain {
        let consumer = identity.and_then(|identity| self.consumer_chains.get(&identity.consumer.id));
        let groups: Vec<&Chain> = groups.iter().filter_map(|group| self.group_chains.get(group)).collect();
        if consumer.is_none() && groups.is_empty() {
            return route.chain.clone();
        }
        route.chain.with_callers(consumer, &groups)
    }
}
