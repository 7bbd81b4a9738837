//! A front that echoes, its authority, and a client that believes everything.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use model::ca_certificate::CaCertificateSpec;
use model::certificate::CertificateSpec;
use model::clock::SystemClock;
use model::sealing::{Place, Sealer};
use model::snapshot::Entry;
use model::sni::SniSpec;
use model::{Draft, Errors, Kind, Noun};
use plugins::{REGISTRY, Services};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme, SupportedProtocolVersion};
use serde_json::{Value, json};
use time::macros::datetime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use uuid::Uuid;

use super::super::Acceptor;
use crate::listener::secure::{Handshake as _, greet};
use crate::runtime::{Builder, Runtime};

pub(super) const SECRET: [u8; 32] = [7; 32];
pub(super) const RSA: &str = include_str!("../../../../tests/certificates/rsa.key");

/// A gateway's front without what lies behind it.
pub(super) struct Front {
    pub(super) address: SocketAddr,
    pub(super) builder: Builder,
    pub(super) current: Arc<ArcSwapOption<Runtime>>,
    revision: i64,
}

impl Front {
    /// Listens, with these rows.
    pub(super) async fn open(entries: Vec<Entry>) -> Self {
        let services = Services {
            clock: Arc::new(SystemClock),
            key_brand: "gh".into(),
            counters: Arc::default(),
        };
        let current = Arc::new(ArcSwapOption::empty());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let acceptor = Acceptor::new(current.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move { echo(&acceptor, stream).await });
            }
        });
        let mut front = Self {
            address,
            builder: Builder::new(&SECRET, &REGISTRY, services),
            current,
            revision: 0,
        };
        front.apply(entries);
        front
    }

    /// Serves these rows too.
    pub(super) fn apply(&mut self, entries: Vec<Entry>) {
        self.revision += 1;
        self.current.store(Some(self.builder.apply(self.revision, &entries)));
    }

    /// The subject of the certificate that a client gets who asks for `name`.
    pub(super) async fn subject(&self, name: &str) -> String {
        let client = Client::default()
            .connect(self.address, name)
            .await
            .expect("a connection");
        client.subject()
    }
}

async fn echo(acceptor: &Acceptor, stream: TcpStream) {
    let Ok(greeting) = greet(stream).await else { return };
    let Ok(Some(mut stream)) = acceptor.handshake(greeting).await else {
        return;
    };
    let mut piece = [0; 64];
    while let Ok(count @ 1..) = stream.read(&mut piece).await {
        if stream.write_all(&piece[..count]).await.is_err() {
            return;
        }
    }
}

/// An authority of the tests.
pub(super) struct Authority {
    pub(super) params: CertificateParams,
    pub(super) key: KeyPair,
}

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) cert: String,
    pub(super) key: String,
}

pub(super) fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

pub(super) fn self_signed(name: &str, key: &KeyPair) -> Pair {
    Pair {
        cert: params(name).self_signed(key).expect("signed").pem(),
        key: key.serialize_pem(),
    }
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        Self { params, key }
    }

    pub(super) fn cert(&self) -> String {
        self.params.self_signed(&self.key).expect("signed").pem()
    }

    pub(super) fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key)
    }

    pub(super) fn sign(&self, params: &CertificateParams) -> Pair {
        let key = KeyPair::generate().expect("a key");
        Pair {
            cert: params.signed_by(&key, &self.issuer()).expect("signed").pem(),
            key: key.serialize_pem(),
        }
    }

    /// A certificate that has ended.
    pub(super) fn sign_ended(&self, name: &str) -> Pair {
        let mut params = params(name);
        params.not_before = datetime!(2020-01-01 00:00 UTC);
        params.not_after = datetime!(2021-01-01 00:00 UTC);
        self.sign(&params)
    }
}

fn spec<S: Noun>(body: &Value) -> S {
    let submission = S::Draft::read(body);
    let mut errors: Errors = submission.errors;
    let spec = S::validate(&submission.draft, &mut errors);
    errors.into_result(spec).expect("valid")
}

fn entry(kind: Kind, id: u128, body: Option<Value>) -> Entry {
    Entry {
        kind,
        id: Uuid::from_u128(id),
        revision: 1,
        body,
    }
}

/// The row of a certificate, with its keys sealed as by control.
pub(super) fn certificate(id: u128, name: &str, pair: &Pair, other: Option<&Pair>) -> Entry {
    let mut body = json!({"name": name, "cert": pair.cert, "key": pair.key});
    if let Some(other) = other {
        (body["cert_alt"], body["key_alt"]) = (other.cert.clone().into(), other.key.clone().into());
    }
    let mut spec: CertificateSpec = spec::<CertificateSpec>(&body);
    let sealer = Sealer::new(&SECRET);
    for (member, key) in [("key", &mut spec.key), ("key_alt", &mut spec.key_alt)] {
        let place = Place {
            kind: Kind::Certificate,
            id: Uuid::from_u128(id),
            member,
        };
        *key = key.take().map(|key| sealer.seal(place, key.expose(), [3; 12]));
    }
    entry(Kind::Certificate, id, serde_json::to_value(spec).ok())
}

/// The row of an SNI that leads to the certificate of this number; `more` holds its other members.
pub(super) fn sni(id: u128, name: &str, certificate: u128, more: Value) -> Entry {
    let mut body = more;
    (body["name"], body["certificate"]) = (name.into(), Uuid::from_u128(certificate).to_string().into());
    entry(Kind::Sni, id, serde_json::to_value(spec::<SniSpec>(&body)).ok())
}

/// The row of a CA certificate.
pub(super) fn authority(id: u128, authority: &Authority, crl: &str) -> Entry {
    let body = json!({"name": format!("ca-{id}"), "cert": authority.cert(), "crl": crl});
    entry(
        Kind::CaCertificate,
        id,
        serde_json::to_value(spec::<CaCertificateSpec>(&body)).ok(),
    )
}

/// The row of something that is gone.
pub(super) fn gone(kind: Kind, id: u128) -> Entry {
    entry(kind, id, None)
}

/// How a client shakes hands.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) schemes: Vec<SignatureScheme>,
    pub(super) versions: Vec<&'static SupportedProtocolVersion>,
    pub(super) certificate: Option<Pair>,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            schemes: default_provider().signature_verification_algorithms.supported_schemes(),
            versions: vec![&rustls::version::TLS13, &rustls::version::TLS12],
            certificate: None,
        }
    }
}

/// An open connection.
pub(super) struct Connection(pub(super) TlsStream<TcpStream>);

impl Client {
    pub(super) fn with(certificate: &Pair) -> Self {
        Self {
            certificate: Some(certificate.clone()),
            ..Self::default()
        }
    }

    pub(super) fn config(&self) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&self.versions)
            .expect("versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Believer(self.schemes.clone())));
        let mut config = match &self.certificate {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let chain = CertificateDer::pem_slice_iter(pair.cert.as_bytes());
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("a key");
                builder
                    .with_client_auth_cert(chain.map(|der| der.expect("PEM")).collect(), key)
                    .expect("a certificate")
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }

    /// Shakes hands and hears an echo: only then the server has accepted everything.
    pub(super) async fn connect(&self, address: SocketAddr, name: &str) -> std::io::Result<Connection> {
        Connection::open(self.config(), address, name).await
    }
}

impl Connection {
    pub(super) async fn open(config: Arc<ClientConfig>, address: SocketAddr, name: &str) -> std::io::Result<Self> {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let stream = TcpStream::connect(address).await?;
        let mut connection = Self(TlsConnector::from(config).connect(name, stream).await?);
        connection.echoes().await?;
        Ok(connection)
    }

    /// Says something and hears it.
    pub(super) async fn echoes(&mut self) -> std::io::Result<()> {
        self.0.write_all(b"hello").await?;
        let mut heard = [0; 5];
        self.0.read_exact(&mut heard).await?;
        assert_eq!(&heard, b"hello");
        Ok(())
    }

    /// The subject of the server's certificate.
    pub(super) fn subject(&self) -> String {
        let shown = self.0.get_ref().1.peer_certificates().expect("a certificate");
        model::certificate::Details::of(&shown[0]).expect("readable").subject
    }

    /// The kind of the server's key.
    pub(super) fn key_type(&self) -> String {
        let shown = self.0.get_ref().1.peer_certificates().expect("a certificate");
        model::certificate::Details::of(&shown[0]).expect("readable").key_type
    }
}

/// Takes every certificate: the tests look at it themselves.
#[derive(Debug)]
struct Believer(Vec<SignatureScheme>);

impl ServerCertVerifier for Believer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}
