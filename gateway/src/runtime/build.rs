//! Makes snapshots: from the one before and what changed since.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use model::Kind;
use model::id::{PluginId, RouteId, ServiceId};
use model::plugin::{PluginSpec, Scope};
use model::route::RouteSpec;
use model::service::{HttpVersion, Scheme, ServiceSpec};
use model::snapshot::Entry;
use plugins::{Registry, Services};
use uuid::Uuid;

use super::chain::{Chain, Link};
use super::state::{State, Touched};
use super::{Route, Runtime, Service};
use crate::router::Router;
use crate::upstream::client::Version;
use crate::upstream::{Endpoint, Pool};

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
    pools: HashMap<String, Arc<Pool>>,
    current: Option<Arc<Runtime>>,
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
        Self {
            state: State::empty(secret),
            registry,
            services,
            filters: HashMap::new(),
            pools: HashMap::new(),
            current: None,
            unreadable: BTreeMap::new(),
            uncompilable: Vec::new(),
        }
    }

    /// What cannot be used as of the last snapshot.
    pub fn problems(&self) -> Vec<Problem> {
        let unreadable = self.unreadable.iter().map(|((kind, id), message)| Problem {
            kind: *kind,
            id: *id,
            message: message.clone(),
        });
        unreadable.chain(self.uncompilable.iter().cloned()).collect()
    }

    /// The snapshot of `revision`, whose entries are those before and these.
    pub fn apply(&mut self, revision: i64, entries: &[Entry]) -> Arc<Runtime> {
        let mut routing = self.current.is_none();
        for entry in entries {
            let key = (entry.kind, entry.id);
            match self.state.set(entry) {
                Ok(touched) => {
                    self.unreadable.remove(&key);
                    routing |= touched == Touched::Routing;
                }
                Err(message) => {
                    self.unreadable.insert(key, message);
                }
            }
        }
        let runtime = match self.current.take() {
            Some(current) if !routing => self.with_callers(current, revision),
            _ => self.compile(revision),
        };
        let runtime = Arc::new(runtime);
        self.current = Some(runtime.clone());
        runtime
    }

    /// Only consumers and credentials changed: everything else is taken over.
    fn with_callers(&mut self, current: Arc<Runtime>, revision: i64) -> Runtime {
        let known = self.state.known.clone();
        Runtime {
            revision,
            router: current.router.clone(),
            routes: current.routes.clone(),
            known,
            consumer_chains: current.consumer_chains.clone(),
            group_chains: current.group_chains.clone(),
        }
    }

    fn compile(&mut self, revision: i64) -> Runtime {
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
                    self.registry,
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
            routes,
            known: self.state.known.clone(),
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
        let mut pools = HashMap::new();
        let mut services = HashMap::new();
        for (id, spec) in self.state.services.iter().filter(|(_, spec)| spec.enabled) {
            let (key, endpoints, name) = self.targets_of(spec);
            // A pool whose targets are as before keeps its place in their order.
            let kept = self
                .pools
                .get(&key)
                .filter(|pool| pool.endpoints() == endpoints)
                .cloned();
            let pool = kept.unwrap_or_else(|| Arc::new(Pool::new(endpoints)));
            pools.insert(key, pool.clone());
            services.insert(*id, Arc::new(compile_service(*id, spec, &name, pool)));
        }
        self.pools = pools;
        services
    }

    /// The targets of a service, what their pool is known by, and the host name that they see.
    fn targets_of(&self, spec: &ServiceSpec) -> (String, Vec<Endpoint>, String) {
        if let Some(url) = &spec.url {
            let host = url.host_str().unwrap_or_default();
            let port = spec.port();
            return (
                url.to_string(),
                vec![Endpoint::new(&format!("{host}:{port}"), 1)],
                host.to_owned(),
            );
        }
        let Some(id) = spec.upstream else {
            return (String::new(), Vec::new(), String::new());
        };
        let upstream = self.state.upstreams.get(&id).filter(|upstream| upstream.enabled);
        let name = spec
            .host
            .clone()
            .or_else(|| upstream.map(|upstream| upstream.name.to_string()))
            .unwrap_or_default();
        let serving = self
            .state
            .targets
            .values()
            .filter(|target| upstream.is_some() && target.upstream == id && target.enabled && target.weight > 0);
        let endpoints = serving
            .map(|target| Endpoint::new(target.address.as_str(), target.weight))
            .collect();
        (id.to_string(), endpoints, name)
    }
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

fn compile_service(id: ServiceId, spec: &ServiceSpec, name: &str, pool: Arc<Pool>) -> Service {
    let port = spec
        .url
        .as_ref()
        .and_then(url::Url::port)
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let server_name = spec.tls.tls_server_name.as_deref().unwrap_or(name);
    let milliseconds = |value: u32| Duration::from_millis(u64::from(value));
    Service {
        id,
        name: spec.name.to_string(),
        protocol: spec.protocol(),
        scheme: spec.scheme(),
        http_version: spec.http_version,
        proxy_protocol: spec.proxy_protocol,
        base_path: crate::path::canonical_base(spec.base_path()),
        host: format!("{name}{port}"),
        server_name: server_name.trim_start_matches('[').trim_end_matches(']').to_owned(),
        version: version(spec),
        tls: OnceLock::new(),
        connect_timeout: milliseconds(spec.connect_timeout_ms),
        response_timeout: milliseconds(spec.response_timeout_ms),
        idle_timeout: milliseconds(spec.idle_timeout_ms),
        timeout: spec.timeout_ms.map(milliseconds),
        retries: spec.retry.retries,
        retry: spec.retry.clone(),
        proof: spec.tls.clone(),
        mirror: spec.mirror.clone(),
        pool,
    }
}

/// Which HTTP targets are spoken to in; gRPC is nothing without HTTP/2.
fn version(spec: &ServiceSpec) -> Version {
    match (spec.http_version, spec.scheme()) {
        _ if spec.protocol().is_grpc() => Version::Http2,
        (HttpVersion::Two, _) => Version::Http2,
        (HttpVersion::Auto, Scheme::Https) => Version::Negotiated,
        (HttpVersion::One, _) | (HttpVersion::Auto, Scheme::Http) => Version::Http1,
    }
}

fn compile_route(id: RouteId, spec: &RouteSpec, service: Arc<Service>, chain: Chain, registry: &Registry) -> Route {
    let authenticates = |link: &Link| registry.find(link.plugin).is_some_and(|plugin| plugin.authenticates);
    Route {
        id,
        name: spec.name.to_string(),
        strip_path: spec.strip_path,
        preserve_host: spec.preserve_host,
        merge_slashes: spec.merge_slashes,
        body_limit: spec
            .body_limit()
            .map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
        service,
        authenticates: chain.links().iter().any(authenticates),
        chain,
    }
}
