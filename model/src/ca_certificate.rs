//! A CA certificate: an authority that signs the certificates of clients, with the list of those it took back.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use x509_parser::prelude::{CertificateRevocationList, FromDer as _};

use crate::certificate::{Details, Validity, check_strength, parse, pem};
use crate::clock::Timestamp;
use crate::id::CaCertificateId;
use crate::name::{Name, validate_tags};
use crate::noun::{Kind, Noun};
use crate::validation::{Code, Errors};

crate::draft! {
    /// A CA certificate as it is sent.
    pub struct CaCertificateDraft {
        /// Unique name.
        #[schema(example = "partners-ca")]
        pub name: Option<String>,
        /// The authority's certificate as PEM.
        pub cert: Option<String>,
        /// The list of certificates that the authority took back, as PEM.
        pub crl: Option<String>,
        /// Labels to find and group by.
        pub tags: Vec<String>,
        /// Whether certificates that it signed are accepted; default true.
        pub enabled: Option<bool>,
        /// What the certificate says; only answered.
        #[schema(read_only, value_type = Object)]
        pub info: Value,
    }
}

/// A valid CA certificate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CaCertificateSpec {
    /// Unique name.
    pub name: Name,
    /// The authority's certificate as PEM.
    pub cert: String,
    /// The list of certificates that it took back, as PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crl: Option<String>,
    /// Labels.
    pub tags: Vec<String>,
    /// Whether certificates that it signed are accepted.
    pub enabled: bool,
    /// What the certificate says.
    pub info: CaCertificateInfo,
}

/// What a CA certificate and its revocation list say, and what is wrong with them now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CaCertificateInfo {
    /// The certificate.
    pub certificate: Details,
    /// The revocation list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocations: Option<Revocations>,
    /// When the certificate ends.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// Where in its life the certificate is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Validity>,
    /// What is wrong with it now, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// What a revocation list says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Revocations {
    /// How many certificates are on it.
    pub count: usize,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub issued_at: Timestamp,
    /// When the next one is due.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_at: Option<Timestamp>,
}

impl CaCertificateInfo {
    /// Fills in what depends on the time.
    pub fn look(&mut self, now: Timestamp) {
        self.state = Some(self.certificate.validity(now));
        self.problems = self.certificate.problems(now);
        let due = self.revocations.as_ref().and_then(|list| list.next_at);
        if let Some(due) = due.filter(|due| *due < now) {
            self.problems
                .push(format!("Its revocation list was to be replaced on {}.", due.date()));
        }
    }
}

impl Noun for CaCertificateSpec {
    type Id = CaCertificateId;
    type Draft = CaCertificateDraft;
    const KIND: Kind = Kind::CaCertificate;

    fn validate(draft: &CaCertificateDraft, errors: &mut Errors) -> Option<Self> {
        let name = Name::validate(draft.name.as_deref(), errors);
        let cert = match draft.cert.as_deref().filter(|text| !text.trim().is_empty()) {
            None => {
                errors.add(
                    "cert",
                    Code::Required,
                    "is required: the authority's certificate as PEM",
                );
                None
            }
            Some(text) => authority(text)
                .map_err(|message| errors.add("cert", Code::Invalid, message))
                .ok(),
        };
        let crl = draft.crl.as_deref().filter(|text| !text.trim().is_empty());
        let crl = crl.zip(cert.as_ref()).map(|(text, (der, _))| revocations(text, der));
        let crl = crl.and_then(|read| read.map_err(|message| errors.add("crl", Code::Invalid, message)).ok());
        let tags = validate_tags(&draft.tags, errors);
        let ((der, details), name) = (cert?, name?);
        let (crl, list) = crl.unzip();
        Some(Self {
            name,
            cert: pem::write("CERTIFICATE", [der.as_slice()]),
            crl,
            tags,
            enabled: draft.enabled.unwrap_or(true),
            info: CaCertificateInfo {
                expires_at: details.not_after,
                certificate: details,
                revocations: list,
                state: None,
                problems: Vec::new(),
            },
        })
    }

    fn name(&self) -> String {
        self.name.to_string()
    }

    fn tags(&self) -> &[String] {
        &self.tags
    }

    fn enabled(&self) -> bool {
        self.enabled
    }

    fn search_terms(&self) -> Vec<String> {
        let details = &self.info.certificate;
        vec![details.subject.clone(), details.fingerprint.clone()]
    }
}

impl CaCertificateSpec {
    /// Refuses a certificate that has ended; one that is stored already may stay while other members change.
    pub fn check_time(&self, before: Option<&Self>, now: Timestamp, errors: &mut Errors) {
        let details = &self.info.certificate;
        let known = before.is_some_and(|before| before.info.certificate.fingerprint == details.fingerprint);
        if details.not_after < now && !known {
            let message = format!("expired on {}: take one that is valid", details.not_after.date());
            errors.add("cert", Code::Invalid, message);
        }
    }
}

fn authority(text: &str) -> Result<(Vec<u8>, Details), String> {
    let ders = pem::certificates(text)?;
    let [der] = ders.as_slice() else {
        return Err(format!(
            "holds {} certificates: make one CA certificate of each",
            ders.len()
        ));
    };
    let details = Details::of(der)?;
    if !details.authority {
        return Err(format!(
            "is no authority's: `{}` may not sign other certificates",
            details.subject
        ));
    }
    check_strength(&details.key_type)?;
    Ok((der.to_vec(), details))
}

fn revocations(text: &str, authority: &[u8]) -> Result<(String, Revocations), String> {
    let der = pem::revocation_list(text)?;
    let Ok((_, list)) = CertificateRevocationList::from_der(&der) else {
        return Err("cannot be read: what stands between `BEGIN` and `END` is no revocation list".to_owned());
    };
    let authority = parse(authority)?;
    if list.issuer().as_raw() != authority.subject().as_raw() {
        return Err(format!("is the list of another authority: `{}`", list.issuer()));
    }
    let read = Revocations {
        count: list.iter_revoked_certificates().count(),
        issued_at: list.last_update().to_datetime(),
        next_at: list.next_update().map(|at| at.to_datetime()),
    };
    Ok((pem::write("X509 CRL", [der.as_ref()]), read))
}
