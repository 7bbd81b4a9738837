//! What a route is by itself, whatever service and plugins it is put together with.

use model::id::{RouteId, ServiceId};
use model::route::{AccessLog, RouteSpec, Timeouts};

use crate::router::Rule;
use crate::upstream::Split;

/// The settings of a route, and when it is taken.
#[derive(Debug)]
pub struct Settings {
    /// Its id.
    pub id: RouteId,
    /// Its name.
    pub name: String,
    /// The service that it names.
    pub leads_to: ServiceId,
    /// Whether it matches traffic.
    pub enabled: bool,
    /// Whether the matched part of the path is removed.
    pub strip_path: bool,
    /// Whether the service sees the client's `Host`.
    pub preserve_host: bool,
    /// Whether `//` counts as `/`.
    pub merge_slashes: bool,
    /// Times that it sets in place of the service's.
    pub timeouts: Timeouts,
    /// The longest request body, in bytes; none is without bound.
    pub body_limit: Option<u64>,
    /// Which of its requests are logged.
    pub access_log: AccessLog,
    /// The share of its requests that are traced, in place of the gateway's.
    pub trace_sampling: Option<f64>,
    /// Chooses one of several services for each request.
    pub split: Option<Box<Split>>,
    /// What it asks for.
    pub rule: Rule,
}

impl Settings {
    /// Makes what requests need of a spec, under a deployment's secret; the error says why it cannot be looked for.
    pub fn compile(id: RouteId, spec: &RouteSpec, secret: &[u8; 32]) -> Result<Self, String> {
        Ok(Self {
            id,
            name: spec.name.to_string(),
            leads_to: spec.service,
            enabled: spec.enabled,
            strip_path: spec.strip_path,
            preserve_host: spec.preserve_host,
            merge_slashes: spec.merge_slashes,
            timeouts: spec.timeouts(),
            body_limit: spec.body_limit(),
            access_log: spec.access_log,
            trace_sampling: spec.trace_sampling,
            split: spec.split.as_ref().map(|split| Box::new(Split::new(split, secret))),
            rule: Rule::compile(id, spec)?,
        })
    }
}
