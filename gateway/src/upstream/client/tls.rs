//! How a service proves who it is, and the gateway to it.

use std::sync::{Arc, LazyLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha2::{Digest as _, Sha256};

/// Why connections to a service cannot be made over TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsProblem {
    /// The name is neither a host name nor an address.
    #[error("`{0}` is no name that a certificate can prove")]
    Name(String),
    /// A certificate or key is not usable.
    #[error("the certificate or key for the service cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// What a service must prove and what is proved to it.
#[derive(Debug, Default)]
pub(crate) struct TlsSettings<'a> {
    /// The name that its certificate must be for.
    pub(crate) name: &'a str,
    /// Whether it must prove anything at all.
    pub(crate) verify: bool,
    /// Who may vouch for it; the system's authorities when there are none.
    pub(crate) authorities: Vec<CertificateDer<'static>>,
    /// The certificate that the gateway shows, with its key.
    pub(crate) client: Option<Arc<CertifiedKey>>,
    /// The protocols that are offered, best first.
    pub(crate) protocols: &'a [&'a [u8]],
}

/// TLS to one service, ready for connections.
#[derive(Debug, Clone)]
pub(crate) struct Tls {
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
    /// Differs whenever a connection under other settings must not be used.
    pub(super) identity: u128,
}

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(ring::default_provider()));

/// The authorities that the system trusts, read once.
static SYSTEM: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::warn!(%error, "some of the system's certificate authorities cannot be read");
    }
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        tracing::warn!("the system trusts no certificate authority: services over TLS need `ca_certificates`");
    }
    Arc::new(roots)
});

impl Tls {
    /// Prepares connections.
    pub(crate) fn new(settings: &TlsSettings<'_>) -> Result<Self, TlsProblem> {
        let name =
            ServerName::try_from(settings.name.to_owned()).map_err(|_| TlsProblem::Name(settings.name.to_owned()))?;
        Ok(Self {
            config: Arc::new(client_config(settings)?),
            name,
            identity: identity(settings),
        })
    }
}

/// What connections begin with, whatever name is to be proved.
pub(in crate::upstream) fn client_config(settings: &TlsSettings<'_>) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(PROVIDER.clone()).with_safe_default_protocol_versions()?;
    let builder = if settings.verify {
        builder.with_root_certificates(authorities(&settings.authorities)?)
    } else {
        let verifier = Arc::new(Anybody(PROVIDER.clone()));
        builder.dangerous().with_custom_certificate_verifier(verifier)
    };
    let mut config = match &settings.client {
        Some(pair) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair.clone()))),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = settings.protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

fn authorities(given: &[CertificateDer<'static>]) -> Result<Arc<RootCertStore>, rustls::Error> {
    if given.is_empty() {
        return Ok(SYSTEM.clone());
    }
    let mut roots = RootCertStore::empty();
    for certificate in given {
        roots.add(certificate.clone())?;
    }
    Ok(Arc::new(roots))
}

/// A number that tells settings apart, for connections that wait.
pub(in crate::upstream) fn identity(settings: &TlsSettings<'_>) -> u128 {
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    add(settings.name.as_bytes());
    add(&[u8::from(settings.verify)]);
    for protocol in settings.protocols {
        add(protocol);
    }
    add(b"authorities");
    for certificate in &settings.authorities {
        add(certificate);
    }
    add(b"client");
    if let Some(pair) = &settings.client {
        // Whoever has the certificate has one key for it.
        for certificate in &pair.cert {
            add(certificate);
        }
    }
    let digest = hash.finalize();
    let mut number = [0; 16];
    number.copy_from_slice(&digest[..16]);
    u128::from_be_bytes(number)
}

/// Believes every certificate: what `tls_verify: false` asks for.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
    use rustls::ServerConfig;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::upstream::client::{Client, Dial, Failure, Fault, Version};
    use rustls::pki_types::PrivateKeyDer;

    fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
    }

    /// A service with a certificate for `db.example` that is good until this year.
    async fn service(authority: &CertifiedIssuer<'static, KeyPair>, until: i32) -> SocketAddr {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec!["db.example".to_owned()]).expect("a name");
        params.not_after = date_time_ymd(until, 1, 1);
        let certificate = params.signed_by(&key, authority).expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(PROVIDER.clone())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a configuration");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = acceptor.accept(stream).await;
            }
        });
        address
    }

    async fn connect(address: SocketAddr, settings: TlsSettings<'_>) -> Result<(), Fault> {
        let tls = Tls::new(&settings).expect("usable settings");
        let dial = Dial {
            address,
            tls: Some(&tls),
            version: Version::Http1,
            timeout: Duration::from_secs(10),
            preamble: None,
        };
        Client::open(&dial).await.map(drop)
    }

    #[tokio::test]
    async fn a_service_is_believed_only_with_a_certificate_that_proves_its_name() {
        let (ours, theirs) = (authority("ours"), authority("theirs"));
        let good = service(&ours, 4000).await;
        let expired = service(&ours, 2001).await;
        let stranger = service(&theirs, 4000).await;
        for (address, name, verify, complaint) in [
            (good, "db.example", true, None),
            (good, "shop.example", true, Some("not valid for name")),
            (expired, "db.example", true, Some("expired")),
            (stranger, "db.example", true, Some("UnknownIssuer")),
            (stranger, "shop.example", false, None),
        ] {
            let settings = TlsSettings {
                name,
                verify,
                authorities: vec![ours.as_ref().der().clone()],
                ..TlsSettings::default()
            };
            let fault = connect(address, settings).await.err();
            match (&fault, complaint) {
                (None, None) => {}
                (Some(fault), Some(complaint)) => {
                    assert_eq!(fault.failure, Failure::Tls, "{fault}");
                    assert!(
                        fault.unsent && fault.to_string().contains(complaint),
                        "{complaint}: {fault}"
                    );
                }
                _ => panic!("{name}, {complaint:?}: {fault:?}"),
            }
        }
    }
}
