//! A service in the form in which requests use it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use model::id::ServiceId;
use model::service::{ProxyProtocol, Retry, Scheme, Tls as TlsSpec};

use crate::tls::{Outward, Unusable};
use crate::upstream::client::{Failure, Fault, Tls, TlsSettings, Version};
use crate::upstream::{Mirror, Pool};

/// A service, ready to be called.
#[derive(Debug)]
pub struct Service {
    /// Its id.
    pub id: ServiceId,
    /// Its name.
    pub name: String,
    /// Whether connections to its targets are plain or encrypted.
    pub scheme: Scheme,
    /// Whether they are told the client's address.
    pub proxy_protocol: ProxyProtocol,
    /// What stands before the path that is forwarded; empty when nothing does.
    pub base_path: String,
    /// The `Host` that targets see, with a port when it is not the scheme's.
    pub host: String,
    /// The name that a target must prove with TLS.
    pub server_name: String,
    /// How targets prove who they are, and the gateway to them.
    pub tls: TlsSpec,
    /// What these settings name; the error says what is missing.
    pub(crate) outward: Result<Outward, Unusable>,
    /// Which HTTP is spoken to targets.
    pub(crate) version: Version,
    /// TLS for that, and for requests that only HTTP/1.1 can carry; made when they are needed first.
    pub(crate) handshakes: Handshakes,
    /// Time to open a connection.
    pub connect_timeout: Duration,
    /// Time to the response header.
    pub response_timeout: Duration,
    /// Longest silence.
    pub idle_timeout: Duration,
    /// Time for all attempts together.
    pub timeout: Option<Duration>,
    /// When requests are tried again.
    pub retry: Retry,
    /// Which requests are copied to another service.
    pub mirror: Option<Mirror>,
    /// Its targets.
    pub pool: Arc<Pool>,
}

/// TLS by the version of HTTP that it is for.
#[derive(Debug, Default)]
pub(crate) struct Handshakes {
    usual: OnceLock<Result<Tls, String>>,
    http1: OnceLock<Result<Tls, String>>,
}

impl Service {
    /// TLS to its targets for a version of HTTP; none when they are spoken to in the clear.
    pub(crate) fn tls(&self, version: Version) -> Result<Option<&Tls>, Fault> {
        if self.scheme == Scheme::Http {
            return Ok(None);
        }
        let made = if version == self.version {
            &self.handshakes.usual
        } else {
            &self.handshakes.http1
        };
        let make = || {
            let outward = self.outward.clone().map_err(|unusable| unusable.message)?;
            let settings = TlsSettings {
                authorities: outward.authorities,
                client: outward.client,
                name: &self.server_name,
                verify: self.tls.tls_verify,
                protocols: version.protocols(),
            };
            Tls::new(&settings).map_err(|problem| problem.to_string())
        };
        match made.get_or_init(make) {
            Ok(tls) => Ok(Some(tls)),
            // The settings are at fault, not the target.
            Err(problem) => Err(Fault {
                blameless: true,
                ..Fault::unsent(Failure::Tls, problem.clone())
            }),
        }
    }
}
