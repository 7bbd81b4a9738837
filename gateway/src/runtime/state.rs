//! The rows as they were last read, by kind.

use std::collections::BTreeMap;

use model::Kind;
use model::id::{PluginId, RouteId, ServiceId, TargetId, UpstreamId};
use model::plugin::PluginSpec;
use model::route::RouteSpec;
use model::service::{ServiceSpec, Tls};
use model::upstream::{ActiveHealth, TargetSpec, UpstreamSpec};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::Row;
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

/// Which part of a snapshot a row touches.
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

    /// Takes one row over. When its body cannot be read, what was there before stays.
    pub(super) fn set(&mut self, row: &Row<'_>) -> Result<Touched, String> {
        match row.kind {
            Kind::Service => set(&mut self.services, row)?,
            Kind::Route => set(&mut self.routes, row)?,
            Kind::Upstream => set(&mut self.upstreams, row)?,
            Kind::Target => set(&mut self.targets, row)?,
            Kind::Plugin => set(&mut self.plugins, row)?,
            Kind::Certificate | Kind::Sni | Kind::CaCertificate => {
                match row.kind {
                    Kind::Certificate => set(&mut self.tls.certificates, row)?,
                    Kind::Sni => set(&mut self.tls.snis, row)?,
                    _ => set(&mut self.tls.authorities, row)?,
                }
                return Ok(Touched::Tls);
            }
            Kind::Consumer => {
                self.known.set_consumer(row.id.into(), read(row)?);
                return Ok(Touched::Callers);
            }
            Kind::Credential => {
                self.known.set_credential(row.id.into(), read(row)?)?;
                return Ok(Touched::Callers);
            }
            other => return Err(format!("this program does not know what a {other} is for")),
        }
        Ok(Touched::Routing)
    }
}

fn set<I: Ord + From<Uuid>, S: DeserializeOwned>(map: &mut BTreeMap<I, S>, row: &Row<'_>) -> Result<(), String> {
    match read(row)? {
        Some(spec) => map.insert(row.id.into(), spec),
        None => map.remove(&row.id.into()),
    };
    Ok(())
}

fn read<S: DeserializeOwned>(row: &Row<'_>) -> Result<Option<S>, String> {
    let Some(body) = row.body else { return Ok(None) };
    serde_json::from_slice(body)
        .map(Some)
        .map_err(|error| format!("cannot be read: {error}"))
}
