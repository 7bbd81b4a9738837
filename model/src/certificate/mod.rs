//! A certificate: the chain that a server shows and the private key that belongs to it.
//!
//! A second pair with a key of the other type may stand beside the first, so that RSA and ECDSA serve the same names.

mod automatic;
mod details;
mod pair;
pub mod pem;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::id::CertificateId;
use crate::name::{Name, validate_tags};
use crate::noun::{Kind, Noun};
use crate::sealing::PrivateKey;
use crate::validation::{Code, Errors};

pub use automatic::{Acme, AcmeDraft, Issuance, IssuanceState, KeyType, pause, renewal};
pub use details::{Details, EXPIRING, Validity};
pub(crate) use details::{family, parse};
pub use pair::check_key;
pub(crate) use pair::check_strength;

crate::draft! {
    /// A certificate as it is sent.
    pub struct CertificateDraft {
        /// Unique name. The certificate that is named `default` answers clients that ask for no known name.
        #[schema(example = "api-example-com")]
        pub name: Option<String>,
        /// The chain as PEM: the server's certificate first, then each one's issuer.
        pub cert: Option<String>,
        /// The private key as PEM, without passphrase. It is never answered; without it the stored one stays.
        #[schema(write_only, value_type = Option<String>)]
        pub key: Option<PrivateKey>,
        /// A second chain for the same names, with a key of the other type.
        pub cert_alt: Option<String>,
        /// The private key of the second chain.
        #[schema(write_only, value_type = Option<String>)]
        pub key_alt: Option<PrivateKey>,
        /// Has Gatehouse get and renew it by itself, in place of `cert` and `key`; what is stored serves until then.
        pub acme: Option<AcmeDraft>,
        /// Labels to find and group by.
        pub tags: Vec<String>,
        /// Whether it is shown to clients; default true.
        pub enabled: Option<bool>,
        /// What the certificates say; only answered.
        #[schema(read_only, value_type = Object)]
        pub info: Value,
        /// How far the getting of it has come; only answered.
        #[schema(read_only, value_type = Object)]
        pub issuance: Value,
    }
}

/// A valid certificate with its key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CertificateSpec {
    /// Unique name.
    pub name: Name,
    /// The chain as PEM, the server's certificate first; absent until an automatic one was got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert: Option<String>,
    /// The private key, sealed; never answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only, value_type = Option<String>)]
    pub key: Option<PrivateKey>,
    /// A second chain, with a key of the other type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_alt: Option<String>,
    /// The private key of the second chain, sealed; never answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only, value_type = Option<String>)]
    pub key_alt: Option<PrivateKey>,
    /// How Gatehouse gets and renews it by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acme: Option<Acme>,
    /// Labels.
    pub tags: Vec<String>,
    /// Whether it is shown to clients.
    pub enabled: bool,
    /// What the certificates say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<CertificateInfo>,
    /// How far the getting of it has come; only in answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuance: Option<Issuance>,
}

/// What the certificates of a pair say, and what is wrong with them now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CertificateInfo {
    /// The first certificate.
    pub certificate: Details,
    /// The second one, with a key of the other type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alternative: Option<Details>,
    /// When the first of them ends.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// Where in its life it is; of two the worse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Validity>,
    /// What is wrong with it now, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

impl CertificateInfo {
    fn of(certificate: Details, alternative: Option<Details>) -> Self {
        let ends = [Some(&certificate), alternative.as_ref()];
        let expires_at = ends.into_iter().flatten().map(|details| details.not_after).min();
        Self {
            expires_at: expires_at.unwrap_or(certificate.not_after),
            certificate,
            alternative,
            state: None,
            problems: Vec::new(),
        }
    }

    /// Both certificates, or the one there is.
    pub fn all(&self) -> impl Iterator<Item = &Details> {
        std::iter::once(&self.certificate).chain(self.alternative.as_ref())
    }

    /// Fills in what depends on the time.
    pub fn look(&mut self, now: Timestamp) {
        let rank = |state: &Validity| match state {
            Validity::Valid => 0,
            Validity::Expiring => 1,
            Validity::NotYetValid => 2,
            Validity::Expired => 3,
        };
        self.state = self.all().map(|details| details.validity(now)).max_by_key(rank);
        let mut problems = self.certificate.problems(now);
        if self.certificate.names.is_empty() {
            problems.push("Has no names (subject alternative names): clients accept it for none.".to_owned());
        }
        if let Some(other) = &self.alternative {
            let of_other = other.problems(now);
            problems.extend(
                of_other
                    .iter()
                    .map(|problem| format!("The second certificate: {problem}")),
            );
            if let Some(name) = self.certificate.names.iter().find(|name| !other.names.contains(name)) {
                problems.push(format!(
                    "The second certificate is not for `{name}`, which the first one is for."
                ));
            }
        }
        self.problems = problems;
    }
}

impl Noun for CertificateSpec {
    type Id = CertificateId;
    type Draft = CertificateDraft;
    const KIND: Kind = Kind::Certificate;

    fn validate(draft: &CertificateDraft, errors: &mut Errors) -> Option<Self> {
        let name = Name::validate(draft.name.as_deref(), errors);
        let first = validate_pair(("cert", "key"), draft.cert.as_deref(), draft.key.as_ref(), errors);
        let acme = draft.acme.as_ref().map(|acme| Acme::validate(acme, errors));
        let lacks = filled(draft.cert.as_deref()).is_none();
        if lacks && acme.is_none() {
            let message = "is required: the chain as PEM, unless `acme` says how to get it";
            errors.add("cert", Code::Required, message);
        } else if lacks
            && draft
                .key
                .as_ref()
                .is_some_and(|key| !key.is_blank() && !key.is_sealed())
        {
            errors.add("cert", Code::Required, "is required: the chain that the key belongs to");
        }
        let second = validate_pair(
            ("cert_alt", "key_alt"),
            draft.cert_alt.as_deref(),
            draft.key_alt.as_ref(),
            errors,
        );
        if let (Some(first), Some(second)) = (&first, &second)
            && family(&first.leaf.key_type) == family(&second.leaf.key_type)
        {
            let message = format!(
                "has a key of the same type as the first ({}): this place is for the other type",
                second.leaf.key_type
            );
            errors.add("cert_alt", Code::Conflict, message);
        }
        if second.is_some() && acme.is_some() {
            let message = "must be empty: a certificate that is got automatically is one alone";
            errors.add("cert_alt", Code::Conflict, message);
        }
        let tags = validate_tags(&draft.tags, errors);
        let name = name?;
        if first.is_none() && acme.is_none() {
            return None;
        }
        let leaf = first.as_ref().map(|pair| pair.leaf.clone());
        let info = leaf.map(|leaf| CertificateInfo::of(leaf, second.as_ref().map(|pair| pair.leaf.clone())));
        let (cert, key) = first.map_or((None, None), |pair| (Some(pair.text), pair.key));
        Some(Self {
            name,
            cert,
            key,
            key_alt: second.as_ref().and_then(|pair| pair.key.clone()),
            cert_alt: second.map(|pair| pair.text),
            acme: acme.flatten(),
            tags,
            enabled: draft.enabled.unwrap_or(true),
            info,
            issuance: None,
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
        let mut words = Vec::new();
        if let Some(acme) = &self.acme {
            words.extend(acme.domains.iter().map(ToString::to_string));
        }
        if let Some(info) = &self.info {
            words.extend(info.certificate.names.iter().cloned());
            words.push(info.certificate.subject.clone());
            words.push(info.certificate.fingerprint.clone());
        }
        words
    }
}

fn filled(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.trim().is_empty())
}

struct Pair {
    text: String,
    leaf: Details,
    key: Option<PrivateKey>,
}

/// Reads one pair. A key that is sealed, or not there because the stored one stays, is checked by whoever can open it.
fn validate_pair(
    (cert_path, key_path): (&str, &str),
    cert: Option<&str>,
    key: Option<&PrivateKey>,
    errors: &mut Errors,
) -> Option<Pair> {
    let key = key.filter(|key| !key.is_blank());
    let Some(cert) = filled(cert) else {
        if key.is_some_and(|key| !key.is_sealed()) && cert_path != "cert" {
            errors.add(
                cert_path,
                Code::Required,
                "is required: the chain that the key belongs to",
            );
        }
        return None;
    };
    let chain = pair::chain(cert)
        .map_err(|message| errors.add(cert_path, Code::Invalid, message))
        .ok()?;
    let key = match key {
        Some(key) if !key.is_sealed() => {
            let checked = check_key(&chain.text, key.expose());
            let checked = checked.map_err(|message| errors.add(key_path, Code::Invalid, message));
            Some(PrivateKey::new(checked.ok()?))
        }
        other => other.cloned(),
    };
    Some(Pair {
        text: chain.text,
        leaf: chain.leaf,
        key,
    })
}

impl CertificateSpec {
    /// What its certificates say: both, the one there is, or none yet.
    pub fn details(&self) -> impl Iterator<Item = &Details> {
        self.info.iter().flat_map(CertificateInfo::all)
    }

    /// An automatic one that is sent without its chain goes on with what it has.
    pub fn keep_chain(&mut self, before: Option<&Self>) {
        let Some(before) = before.filter(|_| self.acme.is_some() && self.cert.is_none()) else {
            return;
        };
        self.cert.clone_from(&before.cert);
        self.key.clone_from(&before.key);
        self.info = before
            .info
            .as_ref()
            .map(|info| CertificateInfo::of(info.certificate.clone(), None));
    }

    /// Fills in what depends on the time. That one ends soon is no problem where its renewal is on its way.
    pub fn look(&mut self, now: Timestamp) {
        let Some(info) = &mut self.info else { return };
        info.look(now);
        let renews = self
            .issuance
            .as_ref()
            .is_some_and(|issuance| issuance.state == IssuanceState::Issued && issuance.next_attempt_at > now);
        if renews && info.state == Some(Validity::Expiring) {
            let ending = info.certificate.problems(now);
            info.problems.retain(|problem| !ending.contains(problem));
        }
    }

    /// Refuses certificates that have ended; one that is stored already may stay while other members change.
    pub fn check_time(&self, before: Option<&Self>, now: Timestamp, errors: &mut Errors) {
        let known: Vec<&str> = before
            .into_iter()
            .flat_map(Self::details)
            .map(|details| details.fingerprint.as_str())
            .collect();
        for (path, details) in ["cert", "cert_alt"].into_iter().zip(self.details()) {
            if details.not_after < now && !known.contains(&details.fingerprint.as_str()) {
                let message = format!("expired on {}: take one that is valid", details.not_after.date());
                errors.add(path, Code::Invalid, message);
            }
        }
    }
}
