//! Makes snapshots: from the one before and what changed since.

mod plugins;
mod services;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, OnceLock};

use ::plugins::{Registry, Services};
use model::Kind;
use model::id::{PluginId, RouteId, ServiceId};
use model::plugin::{PluginSpec, Scope};
use model::snapshot::Entry;
use uuid::Uuid;

use super::chain::{Chain, Link};
use super::state::{State, Touched};
use super::{Route, Row, Runtime, Service, Settings};
use crate::challenges::Challenges;
use crate::tls::Expiry;
use crate::upstream::Upstreams;

/// Something of the configuration that cannot be used; everything else is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What kind of object.
    pub kind: Kind,
    /// Which one.
    pub id: Uuid,
    /// Why not.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.kind, self.id, self.message)
    }
}

/// Keeps what snapshots are made of between changes.
pub struct Builder {
    state: State,
    registry: &'static Registry,
    services: Services,
    filters: HashMap<PluginId, (PluginSpec, Link)>,
    /// The plugins of each scope.
    links: HashMap<Scope, Vec<Link>>,
    /// The chains of services, for routes without plugins of their own.
    chains: HashMap<ServiceId, Chain>,
    upstreams: Arc<Upstreams>,
    current: Option<Arc<Runtime>>,
    changed: Changed,
    unreadable: BTreeMap<(Kind, Uuid), String>,
    uncompilable: BTreeMap<(Kind, Uuid), String>,
}

/// What changed since the last snapshot.
#[derive(Debug, Default)]
struct Changed {
    routes: HashSet<RouteId>,
    services: HashSet<ServiceId>,
    /// Upstreams or their targets.
    places: bool,
    plugins: bool,
    tls: bool,
    challenges: bool,
}

/// The routes that have to be put together anew.
#[derive(Debug, Default)]
struct Stale {
    all: bool,
    services: HashSet<ServiceId>,
    routes: HashSet<RouteId>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").finish_non_exhaustive()
    }
}

impl Builder {
    /// An empty configuration under a deployment's secret.
    pub fn new(secret: &[u8; 32], registry: &'static Registry, services: Services) -> Self {
        Self::with_upstreams(secret, registry, services, Arc::new(Upstreams::new(secret)))
    }

    /// An empty configuration that goes on with what is known of upstreams.
    pub fn with_upstreams(
        secret: &[u8; 32],
        registry: &'static Registry,
        services: Services,
        upstreams: Arc<Upstreams>,
    ) -> Self {
        Self {
            state: State::empty(secret),
            registry,
            services,
            filters: HashMap::new(),
            links: HashMap::new(),
            chains: HashMap::new(),
            upstreams,
            current: None,
            changed: Changed::default(),
            unreadable: BTreeMap::new(),
            uncompilable: BTreeMap::new(),
        }
    }

    /// Begins again with an empty configuration; what is known of upstreams stays.
    pub fn forget(&mut self, secret: &[u8; 32]) {
        let upstreams = self.upstreams.clone();
        *self = Self::with_upstreams(secret, self.registry, self.services.clone(), upstreams);
    }

    /// What is known of upstreams; it stays the same from snapshot to snapshot.
    pub fn upstreams(&self) -> &Arc<Upstreams> {
        &self.upstreams
    }

    /// What cannot be used as of the last snapshot.
    pub fn problems(&self) -> Vec<Problem> {
        let known = self.unreadable.iter().chain(&self.uncompilable);
        let known = known.map(|((kind, id), message)| Problem {
            kind: *kind,
            id: *id,
            message: message.clone(),
        });
        let of_tls = self.state.tls.failures().iter().map(|failure| Problem {
            kind: failure.kind,
            id: failure.id,
            message: failure.message.clone(),
        });
        known.chain(of_tls).collect()
    }

    /// When the certificates that are shown end.
    pub(crate) fn expiries(&self) -> Vec<Expiry> {
        self.state.tls.expiries()
    }

    /// The snapshot of `revision`, whose entries are those before and these.
    pub fn apply(&mut self, revision: i64, entries: &[Entry]) -> Arc<Runtime> {
        self.take(entries);
        self.finish(revision)
    }

    /// Takes entries over.
    pub fn take(&mut self, entries: &[Entry]) {
        for entry in entries {
            let body = entry.body.as_ref().map(|body| body.to_string().into_bytes());
            self.set(Row {
                kind: entry.kind,
                id: entry.id,
                body: body.as_deref(),
            });
        }
    }

    /// Takes a row over; it counts from the next snapshot on.
    pub fn set(&mut self, row: Row<'_>) {
        match self.state.set(&row) {
            Ok(touched) => {
                if !self.unreadable.is_empty() {
                    self.unreadable.remove(&(row.kind, row.id));
                }
                let changed = &mut self.changed;
                match touched {
                    Touched::Route => drop(changed.routes.insert(row.id.into())),
                    Touched::Service => drop(changed.services.insert(row.id.into())),
                    Touched::Place => changed.places = true,
                    Touched::Plugin => changed.plugins = true,
                    Touched::Tls => changed.tls = true,
                    Touched::Challenge => changed.challenges = true,
                    Touched::Caller => {}
                }
            }
            Err(message) => {
                // The name may be closed from now on.
                self.changed.tls |= row.kind == Kind::Sni;
                self.unreadable.insert((row.kind, row.id), message);
            }
        }
    }

    /// The snapshot of `revision`, whose rows are those that were taken over so far. What did not change, and does not
    /// depend on what did, is taken over from the one before.
    pub fn finish(&mut self, revision: i64) -> Arc<Runtime> {
        let changed = std::mem::take(&mut self.changed);
        let mut runtime = match self.current.take() {
            Some(current) => Runtime::clone(&current),
            None => Runtime::empty(self.state.known.known(), Arc::new(self.state.tls.compile())),
        };
        if changed.tls {
            runtime.tls = Arc::new(self.state.tls.compile());
        }
        if changed.challenges {
            runtime.challenges = self.compile_challenges();
        }
        let mut stale = Stale {
            routes: changed.routes,
            ..Stale::default()
        };
        // Services and checks show certificates too.
        let certificates = changed.tls && self.state.names_certificates();
        if changed.places || certificates || !changed.services.is_empty() {
            let (services, moved) = self.compile_services(&runtime.services, &changed.services, changed.tls);
            runtime.services = Arc::new(services);
            stale.services = moved;
        }
        if changed.plugins {
            self.compile_plugins(&mut runtime, &mut stale);
        }
        self.put_together(&mut runtime, stale);
        runtime.known = self.state.known.known();
        runtime.revision = revision;
        let runtime = Arc::new(runtime);
        self.current = Some(runtime.clone());
        runtime
    }

    fn compile_challenges(&mut self) -> Arc<Challenges> {
        let (challenges, failures) = Challenges::new(&self.state.challenges);
        self.uncompilable.retain(|(kind, _), _| *kind != Kind::AcmeChallenge);
        let failures = failures.into_iter();
        self.uncompilable
            .extend(failures.map(|(id, message)| ((Kind::AcmeChallenge, id), message)));
        Arc::new(challenges)
    }

    /// Puts routes together with their services and chains, and indexes those that are new.
    fn put_together(&mut self, runtime: &mut Runtime, stale: Stale) {
        let mut ids = stale.routes;
        if stale.all {
            ids.extend(self.state.routes.keys());
        } else if !stale.services.is_empty() {
            let of_services = self.state.routes.iter();
            let of_services = of_services.filter(|(_, settings)| stale.services.contains(&settings.leads_to));
            ids.extend(of_services.map(|(id, _)| id));
        }
        if ids.is_empty() {
            return;
        }
        let router = Arc::make_mut(&mut runtime.router);
        for id in ids {
            let before = runtime.routes.get(&id);
            let settings = self.state.routes.get(&id).filter(|settings| settings.enabled);
            let service = settings.and_then(|settings| runtime.services.get(&settings.leads_to));
            let is_same = |route: &Arc<Route>| settings.is_some_and(|settings| Arc::ptr_eq(&route.settings, settings));
            let stays = service.is_some() && before.is_some_and(is_same);
            if let Some(before) = before.filter(|_| !stays) {
                router.remove(&before.settings.rule);
            }
            let (Some(settings), Some(service)) = (settings, service) else {
                runtime.routes.remove(&id);
                continue;
            };
            if !stays {
                router.insert(&settings.rule);
            }
            let (settings, service) = (settings.clone(), service.clone());
            let chain = self.chain(id, settings.leads_to);
            let route = self.route(settings, service, chain);
            runtime.routes.insert(id, Arc::new(route));
        }
    }

    /// The chain of a route; those of routes without plugins of their own are their service's.
    fn chain(&mut self, route: RouteId, service: ServiceId) -> Chain {
        let links = |scope: Scope| self.links.get(&scope).map(Vec::as_slice).unwrap_or_default();
        let own = links(Scope::Route(route));
        let others = [links(Scope::Service(service)), links(Scope::Global)];
        if !own.is_empty() {
            return Chain::of_scopes(&[own, others[0], others[1]]);
        }
        if let Some(known) = self.chains.get(&service) {
            return known.clone();
        }
        let chain = Chain::of_scopes(&others);
        self.chains.insert(service, chain.clone());
        chain
    }

    fn route(&self, settings: Arc<Settings>, service: Arc<Service>, chain: Chain) -> Route {
        let authenticates = |link: &Link| {
            self.registry
                .find(link.plugin)
                .is_some_and(|plugin| plugin.authenticates)
        };
        Route {
            authenticates: chain.links().iter().any(authenticates),
            settings,
            service,
            chain,
            metrics: OnceLock::new(),
        }
    }
}
