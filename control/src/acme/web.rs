//! The way to an authority: over TLS that is trusted, with a deadline and a bound for every answer.

use std::error::Error as _;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::RETRY_AFTER;
use http_body_util::{BodyExt as _, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use model::certificate::pem;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

/// How long an authority may take for one answer.
const DEADLINE: Duration = Duration::from_secs(30);
/// The longest answer; chains are the longest.
const MAX_BYTES: usize = 1024 * 1024;
/// The longest pause that an authority may ask for.
const MAX_PAUSE: Duration = Duration::from_hours(24);

/// The authorities that the system trusts, read once.
static SYSTEM: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::warn!(%error, "some of the system's certificate authorities cannot be read");
    }
    roots.add_parsable_certificates(found.certs);
    Arc::new(roots)
});

/// How long the authority wants to be left alone, as it last said.
#[derive(Debug, Clone, Default)]
pub(super) struct Patience(Arc<Mutex<Option<Duration>>>);

impl Patience {
    /// What it said, if it did.
    pub(super) fn asked(&self) -> Option<Duration> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, seconds: u64) {
        let pause = Duration::from_secs(seconds).min(MAX_PAUSE);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(pause);
    }
}

/// Speaks HTTP to one authority.
pub(super) struct Web {
    client: Client<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>,
    patience: Patience,
}

impl Web {
    /// Trusts what `authority` (PEM) signed, or else what the system trusts; the error is a sentence for people.
    pub(super) fn new(authority: Option<&str>, patience: Patience) -> Result<Self, String> {
        let roots = match authority {
            None if SYSTEM.is_empty() => {
                return Err(
                    "the system of control trusts no certificate authority: install its CA certificates, or name \
                            the one that vouches for the directory in the account (`ca_certificate`)"
                        .to_owned(),
                );
            }
            None => SYSTEM.clone(),
            Some(text) => {
                let mut roots = RootCertStore::empty();
                for certificate in pem::certificates(text)? {
                    let unusable = |error| format!("the account's CA certificate cannot be used: {error}");
                    roots.add(certificate).map_err(unusable)?;
                }
                Arc::new(roots)
            }
        };
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_only();
        let client = Client::builder(TokioExecutor::new()).build(connector.enable_http1().build());
        Ok(Self { client, patience })
    }
}

impl HttpClient for Web {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let place = request.uri().host().unwrap_or_default().to_owned();
        let (asked, patience) = (self.client.request(request), self.patience.clone());
        let answered = async move {
            let response = asked.await.map_err(|error| root(&error))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, MAX_BYTES).collect().await;
            let body = body.map_err(|error| error.to_string())?.to_bytes();
            if parts.status.is_client_error() || parts.status.is_server_error() {
                let seconds = parts
                    .headers
                    .get(RETRY_AFTER)
                    .and_then(|value| value.to_str().ok()?.parse().ok());
                if let Some(seconds) = seconds {
                    patience.note(seconds);
                }
                if !is_problem(&body) {
                    return Err(format!("it answered {}", parts.status));
                }
            }
            Ok(BytesResponse {
                parts,
                body: Box::new(body),
            })
        };
        Box::pin(async move {
            let answer = timeout(DEADLINE, answered).await;
            let late = |_| Err(format!("it did not answer within {} seconds", DEADLINE.as_secs()));
            answer
                .unwrap_or_else(late)
                .map_err(|words| Error::Other(format!("the authority at `{place}` could not be asked: {words}").into()))
        })
    }
}

/// Whether a body says what went wrong, as ACME asks for (RFC 8555, section 6.7).
fn is_problem(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(body).is_ok_and(|value| value.is_object())
}

/// What lies at the bottom of an error; hyper's own words say only that something failed.
fn root(error: &hyper_util::client::legacy::Error) -> String {
    let mut source = error.source();
    let mut words = error.to_string();
    while let Some(deeper) = source {
        words = deeper.to_string();
        source = deeper.source();
    }
    words
}
