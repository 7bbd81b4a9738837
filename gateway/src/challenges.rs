//! What authorities get that ask whether a name is ours, while certificates are ordered (RFC 8555, section 8; RFC 8737).
//!
//! Challenges come with the configuration, so every gateway answers, whichever one the authority reaches. Nothing in them
//! is secret: the certificate of a handshake is made here, from a key that is thrown away with it.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use model::acme_challenge::{ChallengeKind, ChallengeSpec};
use pingora_http::RequestHeader;
use plugins::Answer;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ClientHello;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::StartHandshake;
use uuid::Uuid;

/// Where authorities ask over HTTP.
const PATH: &str = "/.well-known/acme-challenge/";
/// The protocol that authorities name in the handshake.
const PROTOCOL: &[u8] = b"acme-tls/1";

/// The challenges of one snapshot.
#[derive(Debug, Default)]
pub struct Challenges {
    /// Answers by their tokens.
    over_http: HashMap<String, Bytes>,
    /// Handshakes by the names that are asked about.
    over_tls: HashMap<String, Arc<ServerConfig>>,
}

impl Challenges {
    /// These challenges, and what of them cannot be answered.
    pub(crate) fn new<'a>(all: impl IntoIterator<Item = (&'a Uuid, &'a ChallengeSpec)>) -> (Self, Vec<(Uuid, String)>) {
        let (mut challenges, mut failures) = (Self::default(), Vec::new());
        for (id, spec) in all {
            match spec.kind {
                ChallengeKind::Http01 => {
                    let answer = Bytes::from(spec.key_authorization.clone());
                    challenges.over_http.insert(spec.token.clone(), answer);
                }
                ChallengeKind::TlsAlpn01 => match handshake(spec) {
                    Ok(config) => drop(challenges.over_tls.insert(spec.name.clone(), Arc::new(config))),
                    Err(message) => failures.push((*id, message)),
                },
            }
        }
        (challenges, failures)
    }

    /// The answer to an authority that asks over HTTP; everybody else is for the routes.
    pub(crate) fn answer(&self, request: &RequestHeader) -> Option<Answer> {
        if self.over_http.is_empty() || !matches!(request.method, Method::GET | Method::HEAD) {
            return None;
        }
        let token = request.uri.path().strip_prefix(PATH)?;
        let body = self.over_http.get(token)?.clone();
        let headers = vec![
            (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        Some(Answer::Response {
            status: StatusCode::OK,
            headers,
            body,
        })
    }

    /// How to shake hands with an authority that asks so; everybody else is for the certificates.
    pub(crate) fn handshake(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        if self.over_tls.is_empty() {
            return None;
        }
        let name = hello.server_name()?.to_ascii_lowercase();
        let asks = hello
            .alpn()
            .is_some_and(|mut protocols| protocols.any(|protocol| protocol == PROTOCOL));
        self.over_tls.get(&name).filter(|_| asks).cloned()
    }
}

/// Shows an authority what it wants to see and says goodbye: nothing else is served on such a connection.
pub(crate) async fn show(greeting: StartHandshake<TcpStream>, config: Arc<ServerConfig>) -> io::Result<()> {
    greeting.into_stream(config).await?.shutdown().await
}

fn handshake(spec: &ChallengeSpec) -> Result<ServerConfig, String> {
    let words = |error: rcgen::Error| format!("no certificate can be made: {error}");
    let key = KeyPair::generate().map_err(words)?;
    let mut params = CertificateParams::new(vec![spec.name.clone()]).map_err(words)?;
    let digest = Sha256::digest(spec.key_authorization.as_bytes());
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(&digest)];
    let certificate = params.self_signed(&key).map_err(words)?;
    let words = |error: rustls::Error| format!("no handshake can be made: {error}");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = ring::sign::any_supported_type(&key).map_err(words)?;
    // Its extension is critical, and made for authorities: whoever looks whether a certificate is in order refuses it.
    let shown = CertifiedKey::new(vec![certificate.der().clone()], key);
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(words)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    config.send_tls13_tickets = 0;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(token: &str) -> ChallengeSpec {
        ChallengeSpec {
            name: "shop.example".to_owned(),
            kind: ChallengeKind::Http01,
            token: token.to_owned(),
            key_authorization: format!("{token}.thumbprint"),
        }
    }

    fn ask(challenges: &Challenges, method: Method, path: &str) -> Option<Bytes> {
        let request = RequestHeader::build(method, path.as_bytes(), None).expect("a request");
        match challenges.answer(&request)? {
            Answer::Response { body, .. } => Some(body),
            Answer::Refusal(_) => panic!("refused"),
        }
    }

    #[test]
    fn a_handshake_can_be_made_for_every_name_that_is_asked_about() {
        let pending = ChallengeSpec {
            kind: ChallengeKind::TlsAlpn01,
            ..spec("abc")
        };
        let (challenges, failures) = Challenges::new([(&Uuid::nil(), &pending)]);
        assert_eq!((failures, challenges.over_tls.len()), (Vec::new(), 1));
        let offered = &challenges.over_tls["shop.example"].alpn_protocols;
        assert_eq!(offered, &[PROTOCOL.to_vec()]);
    }

    #[test]
    fn only_pending_tokens_are_answered() {
        let (id, pending) = (Uuid::nil(), spec("abc"));
        let (challenges, failures) = Challenges::new([(&id, &pending)]);
        assert_eq!(failures, []);
        let get = |path: &str| ask(&challenges, Method::GET, path);
        assert_eq!(
            get("/.well-known/acme-challenge/abc").as_deref(),
            Some(b"abc.thumbprint".as_slice())
        );
        for path in [
            "/.well-known/acme-challenge/abd",
            "/.well-known/acme-challenge/",
            "/.well-known/acme-challenge/abc/x",
            "/abc",
        ] {
            assert_eq!(get(path), None, "{path}");
        }
        assert_eq!(ask(&challenges, Method::POST, "/.well-known/acme-challenge/abc"), None);
        let (none, _) = Challenges::new([]);
        assert_eq!(ask(&none, Method::GET, "/.well-known/acme-challenge/abc"), None);
    }
}
