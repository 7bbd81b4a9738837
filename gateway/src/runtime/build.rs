//! Makes snapshots: from the one before and what changed since.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use model::Kind;
use model::id::{PluginId, RouteId, ServiceId};
use model::plugin::{PluginSpec, Scope};
use model::route::RouteSpec;
use model::service::ServiceSpec;
use model::snapshot::Entry;
use plugins::{Registry, Services};
use uuid::Uuid;

use super::chain::{Chain, Link};
use super::checks::{Trust, server_name};
use super::service::Handshakes;
use super::state::{State, Touched};
use super::{Route, Row, Runtime, Service};
use crate::router::Router;
use crate::tls::{Expiry, Outward, Store, Unusable};
use crate::upstream::client::Version;
use crate::upstream::{GroupKey, Mirror, Place, Pool, Settings, Split, Target, Upstreams, Wanted};

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
    secret: [u8; 32],
    state: State,
    registry: &'static Registry,
    services: Services,
    filters: HashMap<PluginId, (PluginSpec, Link)>,
    upstreams: Arc<Upstreams>,
    current: Option<Arc<Runtime>>,
    /// Whether rows since the last snapshot touch routing, or certificates.
    routing: bool,
    tls: bool,
    unreadable: BTreeMap<(Kind, Uuid), String>,
    uncompilable: Vec<Problem>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("state", &self.state)
            .finish_non_exhaustive()
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
            secret: *secret,
            state: State::empty(secret),
            registry,
            services,
            filters: HashMap::new(),
            upstreams,
            current: None,
            routing: false,
            tls: false,
            unreadable: BTreeMap::new(),
            uncompilable: Vec::new(),
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
        let unreadable = self.unreadable.iter().map(|((kind, id), message)| Problem {
            kind: *kind,
            id: *id,
            message: message.clone(),
        });
        let of_tls = self.state.tls.failures().iter().map(|failure| Problem {
            kind: failure.kind,
            id: failure.id,
            message: failure.message.clone(),
        });
        unreadable
            .chain(self.uncompilable.iter().cloned())
            .chain(of_tls)
            .collect()
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
        let key = (row.kind, row.id);
        match self.state.set(&row) {
            Ok(touched) => {
                self.unreadable.remove(&key);
                self.routing |= touched == Touched::Routing;
                self.tls |= touched == Touched::Tls;
            }
            Err(message) => {
                self.unreadable.insert(key, message);
            }
        }
    }

    /// The snapshot of `revision`, whose rows are those that were taken over so far.
    pub fn finish(&mut self, revision: i64) -> Arc<Runtime> {
        let first = self.current.is_none();
        let mut routing = std::mem::take(&mut self.routing) || first;
        let tls = std::mem::take(&mut self.tls) || first;
        // Services and checks show certificates too.
        routing |= tls && self.state.names_certificates();
        let current = self.current.take();
        let kept = current.as_ref().map(|current| current.tls.clone()).filter(|_| !tls);
        let tls = kept.unwrap_or_else(|| Arc::new(self.state.tls.compile()));
        let runtime = match current {
            Some(current) if !routing => self.with_callers(&current, revision, tls),
            _ => self.compile(revision, tls),
        };
        let runtime = Arc::new(runtime);
        self.current = Some(runtime.clone());
        runtime
    }

    /// Only consumers, credentials or certificates changed: everything else is taken over.
    fn with_callers(&mut self, current: &Runtime, revision: i64, tls: Arc<Store>) -> Runtime {
        let known = self.state.known.clone();
        Runtime {
            revision,
            router: current.router.clone(),
            services: current.services.clone(),
            routes: current.routes.clone(),
            known,
            tls,
            consumer_chains: current.consumer_chains.clone(),
            group_chains: current.group_chains.clone(),
        }
    }

    fn compile(&mut self, revision: i64, tls: Arc<Store>) -> Runtime {
        self.uncompilable.clear();
        let links = self.compile_plugins();
        let services = self.compile_services();
        let scope = |scope: Scope| links.get(&scope).map(Vec::as_slice).unwrap_or_default();
        let mut routes = HashMap::new();
        for (id, spec) in &self.state.routes {
            let Some(service) = services.get(&spec.service) else {
                continue;
            };
            let scopes = [
                scope(Scope::Route(*id)),
                scope(Scope::Service(spec.service)),
                scope(Scope::Global),
            ];
            routes.insert(
                *id,
                Arc::new(compile_route(
                    *id,
                    spec,
                    service.clone(),
                    Chain::of_scopes(&scopes),
                    (self.registry, &self.secret),
                )),
            );
        }
        let served = self.state.routes.iter().filter(|(id, _)| routes.contains_key(id));
        let (router, problems) = Router::build(served.map(|(id, spec)| (*id, spec)));
        let problem = |(id, message): (RouteId, String)| Problem {
            kind: Kind::Route,
            id: id.0,
            message,
        };
        self.uncompilable.extend(problems.into_iter().map(problem));
        let (mut consumer_chains, mut group_chains) = (HashMap::new(), HashMap::new());
        for (scope, links) in &links {
            match scope {
                Scope::Consumer(id) => drop(consumer_chains.insert(*id, Chain::of_scopes(&[links]))),
                Scope::ConsumerGroup(id) => drop(group_chains.insert(*id, Chain::of_scopes(&[links]))),
                _ => {}
            }
        }
        Runtime {
            revision,
            router: Arc::new(router),
            services: Arc::new(services),
            routes,
            known: self.state.known.clone(),
            tls,
            consumer_chains,
            group_chains,
        }
    }

    /// Compiles the plugins that changed. One that cannot be compiled keeps its last good form.
    fn compile_plugins(&mut self) -> HashMap<Scope, Vec<Link>> {
        self.filters.retain(|id, _| self.state.plugins.contains_key(id));
        let mut links: HashMap<Scope, Vec<Link>> = HashMap::new();
        for (id, spec) in self.state.plugins.iter().filter(|(_, spec)| spec.enabled) {
            let known = self.filters.get(id).filter(|(known, _)| known == spec);
            if known.is_none() {
                match compile_plugin(*id, spec, self.registry, &self.services) {
                    Ok(link) => drop(self.filters.insert(*id, (spec.clone(), link))),
                    Err(message) => self.uncompilable.push(Problem {
                        kind: Kind::Plugin,
                        id: id.0,
                        message,
                    }),
                }
            }
            if let Some((compiled, link)) = self.filters.get(id) {
                links.entry(compiled.scope()).or_default().push(link.clone());
            }
        }
        links
    }

    fn compile_services(&mut self) -> HashMap<ServiceId, Arc<Service>> {
        let mut problems = Vec::new();
        let mut groups = self.upstream_groups(&mut problems);
        let mut wanted = Vec::new();
        let served = || self.state.services.iter().filter(|(_, spec)| spec.enabled);
        for (id, spec) in served() {
            let group = match (&spec.url, spec.upstream) {
                (Some(url), _) => {
                    let address = format!("{}:{}", url.host_str().unwrap_or_default(), spec.port());
                    let key = GroupKey::Address(address.clone());
                    groups.entry(key.clone()).or_insert_with(|| only(&address));
                    key
                }
                (None, Some(upstream)) => {
                    let key = GroupKey::Upstream(upstream);
                    groups.entry(key.clone()).or_default();
                    key
                }
                (None, None) => continue,
            };
            wanted.push(Wanted {
                service: *id,
                name: spec.name.to_string(),
                retry: spec.retry.clone(),
                group,
            });
        }
        let mut pools = self.upstreams.configure(groups, wanted, Instant::now());
        let mut services = HashMap::new();
        for (id, spec) in served() {
            let Some(pool) = pools.remove(id) else { continue };
            let tls = self.state.tls.outward(&spec.tls);
            let unusable = tls.as_ref().err().filter(|unusable| !unusable.chosen);
            problems.extend(unusable.map(|unusable| Problem {
                kind: Kind::Service,
                id: id.0,
                message: unusable.message.clone(),
            }));
            services.insert(
                *id,
                Arc::new(compile_service(*id, spec, &self.host_of(spec), (pool, tls))),
            );
        }
        self.uncompilable.extend(problems);
        services
    }

    /// The settings and targets of each upstream that serves, and what is wrong with them.
    fn upstream_groups(&self, problems: &mut Vec<Problem>) -> HashMap<GroupKey, (Settings, Vec<Target>)> {
        let trust = Trust::of(&self.state, |spec| self.host_of(spec));
        let serving = self.state.upstreams.iter().filter(|(_, spec)| spec.enabled);
        let mut groups: HashMap<GroupKey, (Settings, Vec<Target>)> = serving
            .map(|(id, spec)| {
                let checks = trust.checks(*id, spec);
                problems.extend(
                    checks
                        .unusable
                        .filter(|unusable| !unusable.chosen)
                        .map(|unusable| Problem {
                            kind: Kind::Upstream,
                            id: id.0,
                            message: format!("its checks cannot be made: {}", unusable.message),
                        }),
                );
                let settings = Settings {
                    name: spec.name.to_string(),
                    balance: spec.balance.clone(),
                    health: spec.health.clone(),
                    check_tls: checks.tls,
                    panic_threshold: spec.panic_threshold,
                    breaker: spec.breaker.clone(),
                };
                (GroupKey::Upstream(*id), (settings, Vec::new()))
            })
            .collect();
        for spec in self.state.targets.values().filter(|target| target.enabled) {
            let Some((_, targets)) = groups.get_mut(&GroupKey::Upstream(spec.upstream)) else {
                continue;
            };
            targets.extend(Place::of(spec.address.as_str()).map(|place| Target {
                address: spec.address.as_str().to_owned(),
                place,
                weight: spec.weight,
                drains: spec.drain,
            }));
        }
        groups
    }

    /// The host name that the targets of a service see.
    fn host_of(&self, spec: &ServiceSpec) -> String {
        if let Some(url) = &spec.url {
            return url.host_str().unwrap_or_default().to_owned();
        }
        let upstream = spec
            .upstream
            .and_then(|id| self.state.upstreams.get(&id))
            .filter(|upstream| upstream.enabled);
        let name = || upstream.map(|upstream| upstream.name.to_string());
        spec.host.clone().or_else(name).unwrap_or_default()
    }
}

/// The upstream of a service with a URL: its one address, under the usual settings.
fn only(address: &str) -> (Settings, Vec<Target>) {
    let settings = Settings {
        name: address.to_owned(),
        panic_threshold: 50,
        ..Settings::default()
    };
    let target = Place::of(address).map(|place| Target {
        address: address.to_owned(),
        place,
        weight: 1,
        drains: false,
    });
    (settings, target.into_iter().collect())
}

fn compile_plugin(id: PluginId, spec: &PluginSpec, registry: &Registry, services: &Services) -> Result<Link, String> {
    let plugin = registry
        .find(&spec.plugin)
        .ok_or_else(|| format!("this program has no plugin `{}`", spec.plugin))?;
    let filter = plugin.compile(&spec.config, id, services)?;
    Ok(Link {
        instance: id,
        plugin: plugin.name,
        phase: plugin.phase,
        position: spec.position,
        combine: plugin.combine,
        filter: filter.into(),
    })
}

fn compile_service(
    id: ServiceId,
    spec: &ServiceSpec,
    name: &str,
    (pool, outward): (Arc<Pool>, Result<Outward, Unusable>),
) -> Service {
    let port = spec
        .url
        .as_ref()
        .and_then(url::Url::port)
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let milliseconds = |value: u32| Duration::from_millis(u64::from(value));
    Service {
        id,
        name: spec.name.to_string(),
        scheme: spec.scheme(),
        proxy_protocol: spec.proxy_protocol,
        base_path: crate::path::canonical_base(spec.base_path()),
        host: format!("{name}{port}"),
        server_name: server_name(&spec.tls, name),
        tls: spec.tls.clone(),
        version: Version::of(spec.protocol(), spec.http_version),
        outward,
        handshakes: Handshakes::default(),
        connect_timeout: milliseconds(spec.connect_timeout_ms),
        response_timeout: milliseconds(spec.response_timeout_ms),
        idle_timeout: milliseconds(spec.idle_timeout_ms),
        timeout: spec.timeout_ms.map(milliseconds),
        retry: spec.retry.clone(),
        mirror: spec.mirror.as_ref().map(Mirror::new),
        pool,
    }
}

fn compile_route(
    id: RouteId,
    spec: &RouteSpec,
    service: Arc<Service>,
    chain: Chain,
    (registry, secret): (&Registry, &[u8; 32]),
) -> Route {
    let authenticates = |link: &Link| registry.find(link.plugin).is_some_and(|plugin| plugin.authenticates);
    Route {
        id,
        name: spec.name.to_string(),
        strip_path: spec.strip_path,
        preserve_host: spec.preserve_host,
        merge_slashes: spec.merge_slashes,
        timeouts: spec.timeouts(),
        body_limit: spec.body_limit(),
        access_log: spec.access_log,
        trace_sampling: spec.trace_sampling,
        split: spec.split.as_ref().map(|split| Split::new(split, secret)),
        service,
        authenticates: chain.links().iter().any(authenticates),
        metrics: OnceLock::new(),
        chain,
    }
}
