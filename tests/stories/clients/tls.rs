//! A client that believes one certificate only, and may show one of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::SOON;

/// A certificate and its key, as PEM.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) cert: String,
    pub(crate) key: String,
}

/// How a client shakes hands.
#[derive(Debug)]
pub(crate) struct Secure<'a> {
    /// Where the gateway listens for TLS.
    pub(crate) address: SocketAddr,
    /// The certificate that is believed.
    pub(crate) believes: &'a str,
    /// The certificate that the client shows.
    pub(crate) shows: Option<&'a Pair>,
}

impl Secure<'_> {
    fn config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let believed = CertificateDer::from_pem_slice(self.believes.as_bytes()).expect("PEM");
        roots.add(believed).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        match self.shows {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let chain = vec![CertificateDer::from_pem_slice(pair.cert.as_bytes()).expect("PEM")];
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("PEM");
                builder.with_client_auth_cert(chain, key).expect("a certificate")
            }
        }
    }

    /// The certificate that the gateway shows for a name, or why none is believed.
    pub(crate) async fn certificate(&self, host: &str) -> io::Result<CertificateDer<'static>> {
        let name = ServerName::try_from(host.to_owned()).expect("a name");
        let connector = TlsConnector::from(Arc::new(self.config()));
        let shake = async {
            let stream = TcpStream::connect(self.address).await?;
            let stream = connector.connect(name, stream).await?;
            let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
            Ok(shown.expect("a certificate").clone().into_owned())
        };
        timeout(SOON, shake).await.expect("an answer in time")
    }

    /// GET over HTTP/1.1; the whole answer as text, or why there is none.
    pub(crate) async fn get(&self, host: &str, target: &str) -> io::Result<String> {
        let name = ServerName::try_from(host.to_owned()).expect("a name");
        let connector = TlsConnector::from(Arc::new(self.config()));
        let talk = async {
            let stream = TcpStream::connect(self.address).await?;
            let mut stream = connector.connect(name, stream).await?;
            let request = format!("GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        timeout(SOON, talk).await.expect("an answer in time")
    }
}
