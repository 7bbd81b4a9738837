//! Certificates with their keys, the names that they answer, and the authorities of clients.

use model::Kind;
use model::ca_certificate::CaCertificateSpec;
use model::certificate::CertificateSpec;
use model::sni::SniSpec;
use serde_json::json;

use crate::noun::{self, Noun};
use crate::operation::Operation;

const TAG: &str = "Certificates";

/// A pair for the document; the key is nobody's secret.
const EXAMPLE: (&str, &str) = (include_str!("example.pem"), include_str!("example.key"));
/// An authority for the document.
const AUTHORITY: &str = include_str!("authority.pem");

pub(super) fn operations() -> Vec<Operation> {
    let (cert, key) = EXAMPLE;
    let example = json!({"name": "api-example-com", "cert": cert, "key": key, "tags": ["team:commerce"]});
    let about = "A certificate chain with its private key. The key is sealed before it is stored and never answered; \
                 `info` says what the chain says, how long it is valid, and what is wrong with it.";
    let mut all = noun::operations::<CertificateSpec>(&Noun::of::<CertificateSpec>(TAG, about, example));
    all.extend(noun::nested::<SniSpec>(Kind::Certificate, "certificate", &sni()));
    all.extend(noun::operations::<SniSpec>(&sni()));
    all.extend(noun::operations::<CaCertificateSpec>(&authority()));
    all
}

fn sni() -> Noun {
    let example = json!({"name": "api.example.com", "certificate": "api-example-com", "min_tls": "1.2", "tags": []});
    let about = "A name that clients ask for in the TLS handshake, with the certificate that answers and what is asked \
                 of clients in turn.";
    Noun::of::<SniSpec>(TAG, about, example)
}

fn authority() -> Noun {
    let example = json!({"name": "partners-ca", "cert": AUTHORITY, "tags": ["partner"]});
    let about = "An authority whose client certificates are accepted, with the list of those it took back.";
    Noun::of::<CaCertificateSpec>(TAG, about, example)
}
