//! TLS of the front: which certificate answers which name, and what is asked of clients.
//!
//! The store is a part of the snapshot: handshakes take the one of their moment, connections that are open go on as they
//! are. Keys are opened in memory only.

mod compile;
mod host;
mod keys;
mod outward;
mod store;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use model::certificate::Details;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio_rustls::StartHandshake;
use tokio_rustls::server::TlsStream;

use crate::challenges;
use crate::listener::secure::Handshake;
use crate::runtime::Runtime;

pub(crate) use compile::{Compiler, Expiry};
pub(crate) use outward::{Outward, Unusable};
pub use store::Store;

/// Shakes hands with clients by the certificates of the running snapshot.
#[derive(Debug, Clone)]
pub(crate) struct Acceptor {
    current: Arc<ArcSwapOption<Runtime>>,
}

impl Acceptor {
    /// By the certificates of whatever snapshot is current.
    pub(crate) fn new(current: Arc<ArcSwapOption<Runtime>>) -> Self {
        Self { current }
    }
}

#[async_trait]
impl Handshake for Acceptor {
    /// The name that was asked for and the certificates of the client, which were verified, are known to the connection
    /// from then on. An authority that asks whether a name is ours gets its answer, and no connection.
    async fn handshake(&self, greeting: StartHandshake<TcpStream>) -> io::Result<Option<TlsStream<TcpStream>>> {
        let runtime = self.current.load_full();
        let runtime = runtime.ok_or_else(|| io::Error::other("there is no configuration yet"))?;
        if let Some(config) = runtime.challenges.handshake(&greeting.client_hello()) {
            return challenges::show(greeting, config).await.map(|()| None);
        }
        let config = runtime.tls.find(greeting.client_hello().server_name()).config();
        let config = config.map_err(io::Error::other)?;
        drop(runtime);
        greeting.into_stream(config).await.map(Some)
    }
}

/// What the certificate of a client says, when it showed one: only verified ones come this far.
pub fn client_certificate(verified: &[CertificateDer<'_>]) -> Option<Details> {
    Details::of(verified.first()?).ok()
}

/// A certificate that nobody signed, for clients that ask for no known name.
pub(crate) fn self_signed() -> Result<Arc<CertifiedKey>, String> {
    let words = |error: rcgen::Error| format!("no certificate can be made: {error}");
    let key = rcgen::KeyPair::generate().map_err(words)?;
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).map_err(words)?;
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "Gatehouse default certificate");
    let certificate = params.self_signed(&key).map_err(words)?;
    keys::load(&certificate.pem(), &key.serialize_pem())
}
