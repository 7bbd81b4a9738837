//! Certificates with their keys, ready to sign: of two, the one that the client can verify.

use std::sync::Arc;

use model::certificate::pem;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{SignatureAlgorithm, SignatureScheme};

/// The pairs that serve one name; the quicker ones come first.
#[derive(Debug)]
pub(super) struct Keys(Vec<Arc<CertifiedKey>>);

impl Keys {
    pub(super) fn new(mut pairs: Vec<Arc<CertifiedKey>>) -> Self {
        // An RSA signature costs many times more than the others.
        pairs.sort_by_key(|pair| pair.key.algorithm() == SignatureAlgorithm::RSA);
        Self(pairs)
    }

    /// Whether this is the only pair.
    pub(super) fn is_only(&self, pair: &Arc<CertifiedKey>) -> bool {
        matches!(self.0.as_slice(), [one] if Arc::ptr_eq(one, pair))
    }

    /// The pair for a client that knows these signatures. A client that knows none gets the last one, and will say so.
    fn choose(&self, known: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let fits = |pair: &&Arc<CertifiedKey>| pair.key.choose_scheme(known).is_some();
        self.0.iter().find(fits).or(self.0.last()).cloned()
    }
}

impl ResolvesServerCert for Keys {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.signature_schemes())
    }
}

/// Reads one pair; the error is a sentence for people and never holds the key.
pub(super) fn load(chain: &str, key: &str) -> Result<Arc<CertifiedKey>, String> {
    let chain = pem::certificates(chain).map_err(|message| format!("its certificate {message}"))?;
    let key = pem::private_key(key).map_err(|message| format!("its key {message}"))?;
    let key = any_supported_type(&key).map_err(|_| "its key is of a type that cannot be used".to_owned())?;
    let pair = CertifiedKey::new(chain, key);
    pair.keys_match()
        .map_err(|_| "its key does not match the certificate".to_owned())?;
    Ok(Arc::new(pair))
}
