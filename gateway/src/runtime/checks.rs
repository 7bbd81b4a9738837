//! Whom the checks of an upstream believe over TLS, and what they show.

use std::collections::HashMap;

use model::id::UpstreamId;
use model::service::{Scheme, ServiceSpec, Tls};
use model::upstream::{CheckKind, UpstreamSpec};

use super::state::State;
use crate::tls::Unusable;
use crate::upstream::CheckTls;
use crate::upstream::client::TlsSettings;

/// What the services on each upstream ask of its targets over TLS; none where they do not agree.
pub(super) struct Trust<'a> {
    state: &'a State,
    of_services: HashMap<UpstreamId, Option<(&'a Tls, String)>>,
}

/// TLS for the checks of one upstream, and what is wrong with the settings that it has for that itself.
pub(super) struct Checks {
    pub(super) tls: Option<CheckTls>,
    pub(super) unusable: Option<Unusable>,
}

impl<'a> Trust<'a> {
    /// As the services of this state say; `host_of` is the host that the targets of one see.
    pub(super) fn of(state: &'a State, host_of: impl Fn(&ServiceSpec) -> String) -> Self {
        let mut of_services: HashMap<UpstreamId, Option<(&Tls, String)>> = HashMap::new();
        for spec in state.services.values().filter(|spec| spec.enabled) {
            let Some(upstream) = spec.upstream.filter(|_| spec.scheme() == Scheme::Https) else {
                continue;
            };
            let name = server_name(&spec.tls, &host_of(spec));
            let known = of_services
                .entry(upstream)
                .or_insert_with(|| Some((&spec.tls, name.clone())));
            if known.as_ref().is_some_and(|known| *known != (&spec.tls, name)) {
                *known = None;
            }
        }
        Self { state, of_services }
    }

    /// For an upstream's checks: by their own settings if they have some, else by those of the services, else as the system
    /// believes.
    pub(super) fn checks(&self, id: UpstreamId, spec: &UpstreamSpec) -> Checks {
        let checks = |tls, unusable| Checks { tls, unusable };
        let Some(active) = spec.health.active.as_ref().filter(|active| active.kind.is_encrypted()) else {
            return checks(None, None);
        };
        let own = active.tls();
        let of_services = self.of_services.get(&id).and_then(Option::as_ref);
        let (name, tls) = match (&own, of_services) {
            (Some(own), _) => (own.tls_server_name.clone().unwrap_or_default(), own.clone()),
            (None, Some((tls, name))) if active.host.is_none() => (name.clone(), (*tls).clone()),
            (None, Some((tls, _))) => (String::new(), (*tls).clone()),
            (None, None) => (
                String::new(),
                Tls {
                    tls_verify: true,
                    tls_server_name: None,
                    ca_certificates: Vec::new(),
                    client_certificate: None,
                },
            ),
        };
        let protocols: &[&[u8]] = match active.kind {
            CheckKind::Grpcs => &[b"h2"],
            _ => &[b"http/1.1"],
        };
        match self.state.tls.outward(&tls) {
            Ok(outward) => {
                let settings = TlsSettings {
                    name: &name,
                    verify: tls.tls_verify,
                    authorities: outward.authorities,
                    client: outward.client,
                    protocols,
                };
                checks(Some(CheckTls::new(&settings)), None)
            }
            // Services tell of what they lack themselves.
            Err(unusable) => checks(
                Some(CheckTls::unusable(unusable.message.clone())),
                own.is_some().then_some(unusable),
            ),
        }
    }
}

/// The name that the targets of a service must prove.
pub(super) fn server_name(tls: &Tls, host: &str) -> String {
    let name = tls.tls_server_name.as_deref().unwrap_or(host);
    name.trim_start_matches('[').trim_end_matches(']').to_owned()
}
