//! The rows as they were last read, by kind.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use model::Kind;
use model::acme_challenge::ChallengeSpec;
use model::id::{PluginId, RouteId, ServiceId, TargetId, UpstreamId};
use model::plugin::PluginSpec;
use model::route::RouteSpec;
use model::service::{ServiceSpec, Tls};
use model::upstream::{ActiveHealth, TargetSpec, UpstreamSpec};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::directory::Roll;
use super::{Row, Settings};
use crate::tls;

/// Everything that a snapshot is built from.
#[derive(Debug)]
pub(super) struct State {
    secret: [u8; 32],
    pub(super) services: BTreeMap<ServiceId, ServiceSpec>,
    pub(super) routes: HashMap<RouteId, Arc<Settings>>,
    pub(super) upstreams: BTreeMap<UpstreamId, UpstreamSpec>,
    pub(super) targets: BTreeMap<TargetId, TargetSpec>,
    pub(super) plugins: BTreeMap<PluginId, PluginSpec>,
    pub(super) known: Roll,
    pub(super) tls: tls::Compiler,
    pub(super) challenges: BTreeMap<Uuid, ChallengeSpec>,
}

/// Which part of a snapshot a row touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Touched {
    Route,
    Service,
    Place,
    Plugin,
    Caller,
    Tls,
    Challenge,
}

impl State {
    pub(super) fn empty(secret: &[u8; 32]) -> Self {
        Self {
            services: BTreeMap::new(),
            secret: *secret,
            routes: HashMap::new(),
            upstreams: BTreeMap::new(),
            targets: BTreeMap::new(),
            plugins: BTreeMap::new(),
            known: Roll::nobody(secret),
            tls: tls::Compiler::new(secret),
            challenges: BTreeMap::new(),
        }
    }

    /// Whether services or checks depend on certificates.
    pub(super) fn names_certificates(&self) -> bool {
        let checks = |spec: &UpstreamSpec| spec.health.active.as_ref().and_then(ActiveHealth::tls);
        self.services.values().any(|spec| names_certificates(&spec.tls))
            || self
                .upstreams
                .values()
                .filter_map(checks)
                .any(|tls| names_certificates(&tls))
    }

    /// Takes one row over. When its body cannot be read, what was there before stays.
    pub(super) fn set(&mut self, row: &Row<'_>) -> Result<Touched, String> {
        match row.kind {
            Kind::Route => self.set_route(row)?,
            Kind::Service => set(&mut self.services, row)?,
            Kind::Upstream => set(&mut self.upstreams, row)?,
            Kind::Target => set(&mut self.targets, row)?,
            Kind::Plugin => set(&mut self.plugins, row)?,
            Kind::Certificate => set(&mut self.tls.certificates, row)?,
            Kind::Sni => self.set_sni(row)?,
            Kind::CaCertificate => set(&mut self.tls.authorities, row)?,
            Kind::Consumer => self.known.set_consumer(row.id.into(), read(row)?),
            Kind::Credential => self.known.set_credential(row.id.into(), read(row)?.as_ref())?,
            Kind::AcmeChallenge => set(&mut self.challenges, row)?,
            other => return Err(format!("this program does not know what a {other} is for")),
        }
        Ok(match row.kind {
            Kind::Route => Touched::Route,
            Kind::Service => Touched::Service,
            Kind::Plugin => Touched::Plugin,
            Kind::Consumer | Kind::Credential => Touched::Caller,
            Kind::Upstream | Kind::Target => Touched::Place,
            Kind::AcmeChallenge => Touched::Challenge,
            _ => Touched::Tls,
        })
    }

    fn set_sni(&mut self, row: &Row<'_>) -> Result<(), String> {
        let id = row.id.into();
        let close = |reason| self.tls.close_sni(id, row.body.unwrap_or_default(), reason);
        let spec = read(row).map_err(close)?;
        self.tls.set_sni(id, spec);
        Ok(())
    }

    /// What cannot be compiled is an error, and the form before it stays, unless the route is to be off.
    fn set_route(&mut self, row: &Row<'_>) -> Result<(), String> {
        let (id, spec) = (row.id.into(), read::<RouteSpec>(row)?);
        let settings = match spec {
            Some(spec) => match Settings::compile(id, &spec, &self.secret) {
                Err(message) if spec.enabled => return Err(message),
                settings => settings.ok(),
            },
            None => None,
        };
        match settings {
            Some(settings) => self.routes.insert(id, Arc::new(settings)),
            None => self.routes.remove(&id),
        };
        Ok(())
    }
}

/// Whether settings depend on certificates.
pub(super) fn names_certificates(tls: &Tls) -> bool {
    !tls.ca_certificates.is_empty() || tls.client_certificate.is_some()
}

fn set<I: Ord + From<Uuid>, S: DeserializeOwned>(map: &mut BTreeMap<I, S>, row: &Row<'_>) -> Result<(), String> {
    match read(row)? {
        Some(spec) => map.insert(row.id.into(), spec),
        None => map.remove(&row.id.into()),
    };
    Ok(())
}

fn read<'a, S: Deserialize<'a>>(row: &Row<'a>) -> Result<Option<S>, String> {
    let Some(body) = row.body else { return Ok(None) };
    serde_json::from_slice(body)
        .map(Some)
        .map_err(|error| format!("cannot be read: {error}"))
}
