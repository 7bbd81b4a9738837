//! TLS for checks: what targets must prove, and what is shown to them.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::client::{TlsSettings, client_config, identity};

/// How checks of an upstream are made over TLS.
#[derive(Debug, Clone)]
pub(crate) struct CheckTls {
    /// The name that targets must prove; none is each target's own.
    name: Option<String>,
    /// The error says which of the settings cannot be used.
    config: Result<Arc<ClientConfig>, String>,
    /// Tells settings apart.
    identity: u128,
}

impl CheckTls {
    /// By these settings; an empty name stands for each target's own.
    pub(crate) fn new(settings: &TlsSettings<'_>) -> Self {
        let config = client_config(settings).map(Arc::new);
        Self {
            name: (!settings.name.is_empty()).then(|| settings.name.to_owned()),
            config: config.map_err(|error| format!("the certificate or key for checks cannot be used: {error}")),
            identity: identity(settings),
        }
    }

    /// Not at all, because something that the settings name is missing.
    pub(crate) fn unusable(problem: String) -> Self {
        Self {
            name: None,
            config: Err(problem),
            identity: 0,
        }
    }

    /// Why no check can be made; no target is to blame for that.
    pub(super) fn problem(&self) -> Option<&str> {
        self.config.as_ref().err().map(String::as_str)
    }

    /// What shakes hands with a target, and the name that it must prove; `host` is its own.
    pub(super) fn to(&self, host: &str) -> Result<(TlsConnector, ServerName<'static>), String> {
        let config = self.config.clone()?;
        let name = self.name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| format!("`{name}` is no name that a certificate can prove"))?;
        Ok((TlsConnector::from(config), name))
    }
}

impl PartialEq for CheckTls {
    fn eq(&self, other: &Self) -> bool {
        let parts = |tls: &Self| (tls.identity, tls.problem().map(str::to_owned));
        parts(self) == parts(other)
    }
}
