//! The rows as they were last read, by kind.

use std::collections::BTreeMap;

use model::Kind;
use model::id::{PluginId, RouteId, ServiceId, TargetId, UpstreamId};
use model::plugin::PluginSpec;
use model::route::RouteSpec;
use model::service::{ServiceSpec, Tls};
use model::snapshot::Entry;
use model::upstream::{ActiveHealth, TargetSpec, UpstreamSpec};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::directory::Known;
use crate::tls;

/// Everything that a snapshot is built from; ordered, so that equal rows build equal snapshots.
#[derive(Debug)]
pub(super) struct State {
    pub(super) services: BTreeMap<ServiceId, ServiceSpec>,
    pub(super) routes: BTreeMap<RouteId, RouteSpec>,
    pub(super) upstreams: BTreeMap<UpstreamId, UpstreamSpec>,
    pub(super) targets: BTreeMap<TargetId, TargetSpec>,
    pub(super) plugins: BTreeMap<PluginId, PluginSpec>,
    pub(super) known: Known,
    pub(super) tls: tls::Compiler,
}

/// Which part of a snapshot an entry touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Touched {
    Routing,
    Callers,
    Tls,
}

impl State {
    pub(super) fn empty(secret: &[u8; 32]) -> Self {
        Self {
            services: BTreeMap::new(),
            routes: BTreeMap::new(),
            upstreams: BTreeMap::new(),
            targets: BTreeMap::new(),
            plugins: BTreeMap::new(),
            known: Known::nobody(secret),
            tls: tls::Compiler::new(secret),
        }
    }

    /// Whether services or checks depend on certificates.
    pub(super) fn names_certificates(&self) -> bool {
        let names = |tls: &Tls| !tls.ca_certificates.is_empty() || tls.client_certificate.is_some();
        let checks = |spec: &UpstreamSpec| spec.health.active.as_ref().and_then(ActiveHealth::tls);
        self.services.values().any(|spec| names(&spec.tls))
            || self.upstreams.values().filter_map(checks).any(|tls| names(&tls))
    }

    /// Takes one entry over. When its body cannot be read, what was there before stays.
    pub(super) fn set(&mut self, entry: &Entry) -> Result<Touched, String> {
        match entry.kind {
            Kind::Service => set(&mut self.services, entry)?,
            Kind::Route => set(&mut self.routes, entry)?,
            Kind::Upstream => set(&mut self.upstreams, entry)?,
            Kind::Target => set(&mut self.targets, entry)?,
            Kind::Plugin => set(&mut self.plugins, entry)?,
            Kind::Certificate | Kind::Sni | Kind::CaCertificate => {
                match entry.kind {
                    Kind::Certificate => set(&mut self.tls.certificates, entry)?,
                    Kind::Sni => set(&mut self.tls.snis, entry)?,
                    _ => set(&mut self.tls.authorities, entry)?,
                }
                return Ok(Touched::Tls);
            }
            Kind::Consumer => {
                self.known.set_consumer(entry.id.into(), read(entry)?);
                return Ok(Touched::Callers);
            }
            Kind::Credential => {
                self.known.set_credential(entry.id.into(), read(entry)?)?;
                return Ok(Touched::Callers);
            }
            other => return Err(format!("this program does not know what a {other} is for")),
        }
        Ok(Touched::Routing)
    }
}

fn set<I: Ord + From<Uuid>, S: DeserializeOwned>(map: &mut BTreeMap<I, S>, entry: &Entry) -> Result<(), String> {
    match read(entry)? {
        Some(spec) => map.insert(entry.id.into(), spec),
        None => map.remove(&entry.id.into()),
    };
    Ok(())
}

fn read<S: DeserializeOwned>(entry: &Entry) -> Result<Option<S>, String> {
    let Some(body) = &entry.body else { return Ok(None) };
    S::deserialize(body)
        .map(Some)
        .map_err(|error| format!("cannot be read: {error}"))
}
