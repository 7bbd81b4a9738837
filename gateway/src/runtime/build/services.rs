//! Compiles services, each with its way to targets.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Kind;
use model::id::ServiceId;
use model::service::ServiceSpec;
use uuid::Uuid;

use super::super::Service;
use super::super::checks::{Trust, server_name};
use super::super::service::Handshakes;
use super::super::state::names_certificates;
use super::Builder;
use crate::tls::{Outward, Unusable};
use crate::upstream::client::Version;
use crate::upstream::{GroupKey, Mirror, Place, Pool, Settings, Target, Wanted};

type Compiled = HashMap<ServiceId, Arc<Service>>;
type Groups = HashMap<GroupKey, (Settings, Vec<Target>)>;
type Problems = Vec<((Kind, Uuid), String)>;

impl Builder {
    /// All services that are on, and which of them are not what they were. One that did not change, and whose upstream
    /// and certificates did not either, is taken over with the connections' secrets that it keeps.
    pub(super) fn compile_services(
        &mut self,
        before: &Compiled,
        changed: &HashSet<ServiceId>,
        certificates: bool,
    ) -> (Compiled, HashSet<ServiceId>) {
        self.uncompilable
            .retain(|(kind, _), _| ![Kind::Service, Kind::Upstream].contains(kind));
        let mut pools = self.pools();
        let mut services = HashMap::with_capacity(pools.len());
        let mut moved = HashSet::new();
        for (id, spec) in self.state.services.iter().filter(|(_, spec)| spec.enabled) {
            let Some(pool) = pools.remove(id) else { continue };
            let host = self.host_of(spec);
            let stays = |known: &&Arc<Service>| {
                !changed.contains(id)
                    && Arc::ptr_eq(&known.pool, &pool)
                    && (spec.upstream.is_none() || known.host == host)
                    && !(certificates && names_certificates(&spec.tls))
            };
            let service = before.get(id).filter(stays).cloned().unwrap_or_else(|| {
                moved.insert(*id);
                let outward = self.state.tls.outward(&spec.tls);
                Arc::new(compile(*id, spec, &host, (pool, outward)))
            });
            if let Some(unusable) = service.outward.as_ref().err().filter(|unusable| !unusable.chosen) {
                self.uncompilable
                    .insert((Kind::Service, id.0), unusable.message.clone());
            }
            services.insert(*id, service);
        }
        moved.extend(before.keys().filter(|id| !services.contains_key(id)));
        self.chains.retain(|id, _| services.contains_key(id));
        (services, moved)
    }

    /// The pool of each service that is on.
    fn pools(&mut self) -> HashMap<ServiceId, Arc<Pool>> {
        let (mut groups, problems) = self.upstream_groups();
        self.uncompilable.extend(problems);
        let mut wanted = Vec::new();
        for (id, spec) in self.state.services.iter().filter(|(_, spec)| spec.enabled) {
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
        self.upstreams.configure(groups, wanted, Instant::now())
    }

    /// The settings and targets of each upstream that serves, and what is wrong with them.
    fn upstream_groups(&self) -> (Groups, Problems) {
        let trust = Trust::of(&self.state, |spec| self.host_of(spec));
        let mut problems = Problems::new();
        let serving = self.state.upstreams.iter().filter(|(_, spec)| spec.enabled);
        let mut groups: Groups = serving
            .map(|(id, spec)| {
                let checks = trust.checks(*id, spec);
                if let Some(unusable) = checks.unusable.filter(|unusable| !unusable.chosen) {
                    let message = format!("its checks cannot be made: {}", unusable.message);
                    problems.push(((Kind::Upstream, id.0), message));
                }
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
        (groups, problems)
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

fn compile(
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
