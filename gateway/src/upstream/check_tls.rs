//! TLS for checks: with the certificates that the system trusts, or without asking for proof.

use std::sync::{Arc, LazyLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

static PROVING: LazyLock<TlsConnector> = LazyLock::new(|| connector_with(false));
static BELIEVING: LazyLock<TlsConnector> = LazyLock::new(|| connector_with(true));

/// What opens connections; with `verify` targets must prove their names.
pub(super) fn connector(verify: bool) -> TlsConnector {
    if verify { PROVING.clone() } else { BELIEVING.clone() }
}

fn connector_with(believes: bool) -> TlsConnector {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    if !believes {
        let found = rustls_native_certs::load_native_certs();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            tracing::warn!("the system has no CA certificates: checks with TLS fail unless they do not verify");
        }
    }
    #[expect(clippy::expect_used, reason = "the provider supports the default versions")]
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("the default versions");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    if believes {
        config
            .dangerous()
            .set_certificate_verifier(Arc::new(Believer(provider)));
    }
    TlsConnector::from(Arc::new(config))
}

/// Takes any certificate for good, as `tls_verify: false` asks for.
#[derive(Debug)]
struct Believer(Arc<CryptoProvider>);

impl ServerCertVerifier for Believer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
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
    ) -> Result<HandshakeSignatureValid, Error> {
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
