//! What is known of a connection that is not in any request: its addresses, and what TLS said.

use std::net::SocketAddr;
use std::sync::Arc;

use pingora::protocols::http::ServerSession;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::SslDigest;
use pingora_http::ResponseHeader;
use sha2::{Digest as _, Sha256};
use tokio_rustls::rustls::ServerConnection;
use tokio_rustls::rustls::pki_types::CertificateDer;

use super::transport::Transport;

/// Where a connection comes from and where to, as a PROXY header or else the socket says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Addresses {
    /// The client.
    pub(crate) client: SocketAddr,
    /// What the client connected to.
    pub(crate) local: SocketAddr,
}

/// What TLS said about a connection.
#[derive(Debug, Clone)]
pub(crate) struct TlsFacts {
    /// The name that the client asked for, in lower case.
    pub(crate) server_name: Option<String>,
    /// The client's certificates as verified, its own one first; empty when it sent none.
    pub(crate) client_certificates: Vec<CertificateDer<'static>>,
}

impl TlsFacts {
    fn of(connection: &ServerConnection) -> Self {
        Self {
            server_name: connection.server_name().map(str::to_ascii_lowercase),
            client_certificates: connection.peer_certificates().map(<[_]>::to_vec).unwrap_or_default(),
        }
    }
}

/// What TLS said about the connection of a request; none for a plain one.
pub(crate) fn tls_facts(session: &ServerSession) -> Option<&TlsFacts> {
    let carried = session.digest()?.proxy_digest.as_ref()?;
    carried.user_data.as_ref()?.downcast_ref()
}

/// The forms in which Pingora carries what TLS said from a connection to its requests.
#[derive(Debug, Clone, Default)]
pub(super) struct Digests {
    pub(super) tls: Option<Arc<SslDigest>>,
    /// Pingora lets nobody else fill the extension of an `SslDigest`, but does carry this.
    pub(super) facts: Option<Arc<ProxyDigest>>,
}

impl Digests {
    pub(super) fn of(transport: &Transport) -> Self {
        let Some(connection) = transport.tls() else {
            return Self::default();
        };
        let facts = TlsFacts::of(connection);
        let cipher = connection.negotiated_cipher_suite();
        let cipher = cipher.and_then(|suite| suite.suite().as_str()).unwrap_or_default();
        let version = connection.protocol_version().and_then(|version| version.as_str());
        let own = facts.client_certificates.first();
        let fingerprint = own.map(|certificate| Sha256::digest(certificate).to_vec());
        let digest = SslDigest::new(
            cipher,
            version.unwrap_or_default(),
            None,
            None,
            fingerprint.unwrap_or_default(),
        );
        let carrier = ResponseHeader::build(200, Some(0)).ok();
        let facts = carrier.map(|carrier| Arc::new(ProxyDigest::new(Box::new(carrier), Some(Box::new(facts)))));
        Self {
            tls: Some(Arc::new(digest)),
            facts,
        }
    }
}
