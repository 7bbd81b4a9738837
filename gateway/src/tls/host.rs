//! One name in the handshake: how the server shows itself, and what it asks of clients.

use std::sync::Arc;

use model::ca_certificate::CaCertificateSpec;
use model::certificate::pem;
use model::id::CaCertificateId;
use model::sni::{ClientAuth, MinTls};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{self, Ticketer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};

use super::keys::Keys;

/// What is asked of clients.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Rules {
    pub(super) client_auth: ClientAuth,
    pub(super) authorities: Vec<CaCertificateId>,
    pub(super) min_tls: MinTls,
}

impl Rules {
    /// Whether a connection that was opened under these rules may not carry requests under others.
    pub(super) fn authenticate_as(&self, other: &Self) -> bool {
        self.client_auth == other.client_auth
            && (self.client_auth == ClientAuth::Off || self.authorities == other.authorities)
    }
}

/// One name, ready for handshakes.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) rules: Rules,
    /// Without one nobody gets in: what is asked of clients cannot be checked.
    config: Result<Arc<ServerConfig>, String>,
}

impl Host {
    /// A name whose clients show what `authorities` signed.
    pub(super) fn new(keys: Arc<Keys>, rules: Rules, authorities: &[CaCertificateSpec]) -> Self {
        let config = configure(keys, &rules, authorities).map(Arc::new);
        Self { rules, config }
    }

    /// A name of which only this is known: that it is one. What it would ask of clients nobody gets around.
    pub(super) fn closed(reason: String) -> Self {
        Self {
            rules: Rules {
                client_auth: ClientAuth::Required,
                ..Rules::default()
            },
            config: Err(reason),
        }
    }

    /// How handshakes for this name go.
    pub(super) fn config(&self) -> Result<Arc<ServerConfig>, String> {
        self.config.clone()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn configure(keys: Arc<Keys>, rules: &Rules, authorities: &[CaCertificateSpec]) -> Result<ServerConfig, String> {
    let versions: &[_] = match rules.min_tls {
        MinTls::Tls12 => &[&TLS13, &TLS12],
        MinTls::Tls13 => &[&TLS13],
    };
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .map_err(|error| error.to_string())?;
    let asks = rules.client_auth != ClientAuth::Off;
    let builder = if asks {
        builder.with_client_cert_verifier(verifier(rules.client_auth, authorities)?)
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder.with_cert_resolver(keys);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if asks {
        // A resumed session would skip the look at the client's certificate, which may have ended or been taken back.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    } else {
        config.ticketer = Ticketer::new().map_err(|error| error.to_string())?;
    }
    Ok(config)
}

fn verifier(client_auth: ClientAuth, authorities: &[CaCertificateSpec]) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let (mut roots, mut lists) = (RootCertStore::empty(), Vec::new());
    for authority in authorities {
        let name = &authority.name;
        for certificate in pem::certificates(&authority.cert)? {
            roots
                .add(certificate)
                .map_err(|error| format!("CA certificate {name} cannot be used: {error}"))?;
        }
        if let Some(list) = &authority.crl {
            lists.push(pem::revocation_list(list).map_err(|message| format!("the list of {name} {message}"))?);
        }
    }
    if roots.is_empty() {
        return Err("none of its CA certificates is on, so nobody gets in".to_owned());
    }
    // Only some authorities have a list: what the others signed counts as not taken back.
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .with_crls(lists)
        .allow_unknown_revocation_status();
    let builder = if client_auth == ClientAuth::Optional {
        builder.allow_unauthenticated()
    } else {
        builder
    };
    builder
        .build()
        .map_err(|error| format!("its CA certificates cannot be used: {error}"))
}
