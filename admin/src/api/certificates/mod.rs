//! Certificates with their keys, the names that they answer, the authorities of clients, and the accounts by which
//! certificates are got.

use actix_web::http::{Method, StatusCode};
use control::acme;
use model::Kind;
use model::acme_account::AcmeAccountSpec;
use model::actor::Resource;
use model::ca_certificate::CaCertificateSpec;
use model::certificate::CertificateSpec;
use model::sni::SniSpec;
use serde_json::json;

use crate::call::{Call, versioned};
use crate::noun::{self, Noun};
use crate::operation::{Operation, Outcome};
use crate::shape::Shape;

const TAG: &str = "Certificates";

/// A pair for the document; the key is nobody's secret.
const EXAMPLE: (&str, &str) = (include_str!("example.pem"), include_str!("example.key"));
/// An authority for the document.
const AUTHORITY: &str = include_str!("authority.pem");

pub(super) fn operations() -> Vec<Operation> {
    let (cert, key) = EXAMPLE;
    let example = json!({"name": "api-example-com", "cert": cert, "key": key, "tags": ["team:commerce"]});
    let about = "A certificate chain with its private key. The key is sealed before it is stored and never answered; \
                 `info` says what the chain says, how long it is valid, and what is wrong with it. With `acme` it is got \
                 and renewed without anybody's doing, and `issuance` says how far that is.";
    let words = Noun::of::<CertificateSpec>(TAG, about, example);
    let mut all = noun::operations::<CertificateSpec>(&words);
    all.push(renewal(about));
    all.extend(noun::nested::<SniSpec>(Kind::Certificate, "certificate", &sni()));
    all.extend(noun::operations::<SniSpec>(&sni()));
    all.extend(noun::operations::<CaCertificateSpec>(&authority()));
    all.extend(noun::operations::<AcmeAccountSpec>(&account()));
    all
}

fn renewal(about: &'static str) -> Operation {
    let (_, write) = noun::rights(Resource::Certificates);
    Operation::new(Method::POST, "/certificates/{id}/renew", write, renew)
        .words(TAG, "renew_certificate", "Get a certificate anew at once")
        .notes(
            "For one with `acme`, whatever its turn is. The answer does not wait for the authority: `issuance` says what came \
             of it. Authorities bound how often they may be asked.",
        )
        .answers(
            200,
            "It is asked for.",
            Some(Shape::stored::<CertificateSpec>("Certificate", about)),
        )
        .with_etag()
        .conflicts()
}

async fn renew(call: Call) -> Outcome {
    let reference = call.reference(Kind::Certificate, "id")?;
    call.write(
        async move |change| acme::renew(change, &reference).await,
        |stored| versioned(StatusCode::OK, &stored, stored.version),
    )
    .await
}

fn account() -> Noun {
    let example = json!({
        "name": "lets-encrypt", "directory": "https://acme-v02.api.letsencrypt.org/directory",
        "email": "operations@example.com", "terms_agreed": true, "tags": []
    });
    let about = "An account with a certificate authority that speaks ACME (RFC 8555). It is registered there with its first \
                 certificate; a key that binds it is sealed and never answered.";
    Noun::of::<AcmeAccountSpec>(TAG, about, example)
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
