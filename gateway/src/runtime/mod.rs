//! What the gateway runs on: one immutable snapshot of the configuration in a form that is quick to use.
//!
//! A request pins the snapshot from its first byte to its log line. A change makes the next snapshot beside it, from
//! the parts that did not change and those that did.

mod build;
mod chain;
mod directory;
mod shards;
mod state;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use model::id::{ConsumerGroupId, ConsumerId, RouteId, ServiceId};
use model::service::{HttpVersion, Mirror, ProxyProtocol, Retry, Scheme, ServiceProtocol};
use plugins::Identity;

use crate::router::Router;
use crate::upstream::Pool;
use crate::upstream::client::{Failure, Fault, Tls, TlsSettings, Version};

pub use build::{Builder, Problem};
pub use chain::{Chain, Link};
pub use directory::Known;

/// A service, ready to be called.
#[derive(Debug)]
pub struct Service {
    /// Its id.
    pub id: ServiceId,
    /// Its name.
    pub name: String,
    /// What its targets speak.
    pub protocol: ServiceProtocol,
    /// Whether connections to them are plain or encrypted.
    pub scheme: Scheme,
    /// The version of HTTP that they are spoken to in.
    pub http_version: HttpVersion,
    /// Whether they are told the client's address.
    pub proxy_protocol: ProxyProtocol,
    /// What stands before the path that is forwarded; empty when nothing does.
    pub base_path: String,
    /// The `Host` that targets see, with a port when it is not the scheme's.
    pub host: String,
    /// The name that a target must prove with TLS.
    pub server_name: String,
    /// Which HTTP is spoken to targets.
    pub(crate) version: Version,
    /// How they are spoken to over TLS; made when it is needed first.
    pub(crate) tls: OnceLock<Result<Tls, String>>,
    /// Time to open a connection.
    pub connect_timeout: Duration,
    /// Time to the response header.
    pub response_timeout: Duration,
    /// Longest silence.
    pub idle_timeout: Duration,
    /// Time for all attempts together.
    pub timeout: Option<Duration>,
    /// Attempts after a failed connection.
    pub retries: u8,
    /// When requests are tried again.
    pub retry: Retry,
    /// How targets prove who they are, and the gateway to them.
    pub proof: model::service::Tls,
    /// The service that gets copies of requests.
    pub mirror: Option<Mirror>,
    /// Its targets.
    pub pool: Arc<Pool>,
}

impl Service {
    /// TLS to its targets; none when they are spoken to in the clear.
    pub(crate) fn tls(&self) -> Result<Option<&Tls>, Fault> {
        if self.scheme == Scheme::Http {
            return Ok(None);
        }
        let made = self.tls.get_or_init(|| {
            let settings = TlsSettings {
                name: &self.server_name,
                verify: self.proof.tls_verify,
                protocols: self.version.protocols(),
                ..TlsSettings::default()
            };
            Tls::new(settings).map_err(|problem| problem.to_string())
        });
        match made {
            Ok(tls) => Ok(Some(tls)),
            Err(problem) => Err(Fault::unsent(Failure::Tls, problem.clone())),
        }
    }
}

/// A route, ready to be followed.
#[derive(Debug)]
pub struct Route {
    /// Its id.
    pub id: RouteId,
    /// Its name.
    pub name: String,
    /// Whether the matched part of the path is removed.
    pub strip_path: bool,
    /// Whether the service sees the client's `Host`.
    pub preserve_host: bool,
    /// Whether `//` counts as `/`.
    pub merge_slashes: bool,
    /// The most bytes of a request's body.
    pub body_limit: usize,
    /// Where it leads.
    pub service: Arc<Service>,
    /// The plugins of the route, its service and all traffic.
    pub chain: Chain,
    /// Whether a plugin finds out who calls: then subscriptions are checked.
    pub authenticates: bool,
}

/// One snapshot.
#[derive(Debug)]
pub struct Runtime {
    /// The revision that it shows.
    pub revision: i64,
    /// Finds routes.
    pub router: Arc<Router>,
    /// The routes that it finds.
    pub routes: HashMap<RouteId, Arc<Route>>,
    /// Who is known.
    pub known: Known,
    /// The plugins of consumers.
    pub consumer_chains: HashMap<ConsumerId, Chain>,
    /// The plugins of consumer groups, among them the limits of plans.
    pub group_chains: HashMap<ConsumerGroupId, Chain>,
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
