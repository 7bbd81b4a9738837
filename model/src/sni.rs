//! An SNI: a name that clients ask for in the TLS handshake, with the certificate that answers and what is asked of
//! clients in turn.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::id::{CaCertificateId, CertificateId, SniId};
use crate::name::validate_tags;
use crate::noun::{Kind, Noun};
use crate::route::HostName;
use crate::validation::{Code, Errors};

/// The most authorities of one SNI.
const MAX_AUTHORITIES: usize = 50;

crate::draft! {
    /// An SNI as it is sent.
    pub struct SniDraft {
        /// The name that clients ask for, or `*.` and the rest of it.
        #[schema(example = "api.example.com")]
        pub name: Option<String>,
        /// Id or name of the certificate that answers.
        pub certificate: Option<String>,
        /// Whether clients show a certificate: `off`, `optional` or `required`; default `off`.
        pub client_auth: Option<ClientAuth>,
        /// Ids or names of the authorities whose client certificates are accepted.
        pub ca_certificates: Vec<String>,
        /// The oldest TLS that is spoken: `1.2` or `1.3`; default `1.2`.
        pub min_tls: Option<MinTls>,
        /// Labels to find and group by.
        pub tags: Vec<String>,
        /// Whether it answers; default true.
        pub enabled: Option<bool>,
        /// What is odd about it, though it works; only answered.
        #[schema(read_only, value_type = Object)]
        pub problems: Value,
    }
}

/// Whether clients show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// They are not asked for one.
    #[default]
    Off,
    /// They may; one that is not valid is refused.
    Optional,
    /// They must.
    Required,
}

impl ClientAuth {
    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Optional => "optional",
            Self::Required => "required",
        }
    }
}

/// The oldest TLS that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
pub enum MinTls {
    /// TLS 1.2 and 1.3.
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3 only.
    #[serde(rename = "1.3")]
    Tls13,
}

impl MinTls {
    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        }
    }
}

/// A valid SNI.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SniSpec {
    /// The name that clients ask for, or `*.` and the rest of it.
    #[schema(value_type = String)]
    pub name: SniName,
    /// The certificate that answers.
    pub certificate: CertificateId,
    /// Whether clients show a certificate.
    pub client_auth: ClientAuth,
    /// The authorities whose client certificates are accepted.
    pub ca_certificates: Vec<CaCertificateId>,
    /// The oldest TLS that is spoken.
    pub min_tls: MinTls,
    /// Labels.
    pub tags: Vec<String>,
    /// Whether it answers.
    pub enabled: bool,
    /// What is odd about it, though it works; only in answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

impl Noun for SniSpec {
    type Id = SniId;
    type Draft = SniDraft;
    const KIND: Kind = Kind::Sni;

    fn validate(draft: &SniDraft, errors: &mut Errors) -> Option<Self> {
        let name = match draft.name.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
            None => {
                errors.add("name", Code::Required, "is required, like `api.example.com`");
                None
            }
            Some(text) => SniName::parse(text)
                .map_err(|message| errors.add("name", Code::Invalid, message))
                .ok(),
        };
        let certificate = match draft.certificate.as_deref().filter(|text| !text.trim().is_empty()) {
            None => {
                errors.add(
                    "certificate",
                    Code::Required,
                    "is required: the id or name of a certificate",
                );
                None
            }
            Some(text) => text
                .parse()
                .map_err(|_| errors.add("certificate", Code::Invalid, "must be an id"))
                .ok(),
        };
        let client_auth = draft.client_auth.unwrap_or_default();
        let ca_certificates = validate_authorities(&draft.ca_certificates, client_auth, errors);
        let tags = validate_tags(&draft.tags, errors);
        Some(Self {
            name: name?,
            certificate: certificate?,
            client_auth,
            ca_certificates,
            min_tls: draft.min_tls.unwrap_or_default(),
            tags,
            enabled: draft.enabled.unwrap_or(true),
            problems: Vec::new(),
        })
    }

    fn name(&self) -> String {
        self.name.as_str().to_owned()
    }

    fn tags(&self) -> &[String] {
        &self.tags
    }

    fn enabled(&self) -> bool {
        self.enabled
    }
}

fn validate_authorities(texts: &[String], client_auth: ClientAuth, errors: &mut Errors) -> Vec<CaCertificateId> {
    if texts.len() > MAX_AUTHORITIES {
        errors.add(
            "ca_certificates",
            Code::OutOfRange,
            format!("at most {MAX_AUTHORITIES}"),
        );
    }
    let mut ids = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match text.parse() {
            Ok(id) if !ids.contains(&id) => ids.push(id),
            Ok(_) => {}
            Err(_) => errors.add(format!("ca_certificates.{index}"), Code::Invalid, "must be an id"),
        }
    }
    if client_auth != ClientAuth::Off && texts.is_empty() {
        let message = "is required: without an authority no client certificate can be accepted";
        errors.add("ca_certificates", Code::Required, message);
    }
    ids
}

/// A name in the handshake: lower case, perhaps with `*` as its first label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SniName(String);

impl SniName {
    /// Reads a name; the error is a sentence for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (star, rest) = match text.strip_prefix("*.") {
            Some(rest) => ("*.", rest),
            None => ("", text),
        };
        if rest.contains('*') {
            return Err("may have one `*` only, as the whole first label".to_owned());
        }
        let not_a_name = "must be a host name without scheme, port and path";
        let host = HostName::parse(rest).ok_or(not_a_name)?;
        if rest.contains(':') {
            return Err(not_a_name.to_owned());
        }
        if host.as_str().parse::<std::net::IpAddr>().is_ok() {
            return Err("must be a name: clients send no addresses in the handshake".to_owned());
        }
        if !star.is_empty() && !host.as_str().contains('.') {
            return Err("needs two labels behind the `*` at least".to_owned());
        }
        Ok(Self(format!("{star}{}", host.as_str())))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the `*`, from the dot on.
    pub fn suffix(&self) -> Option<&str> {
        self.0.strip_prefix('*')
    }
}

impl TryFrom<String> for SniName {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<SniName> for String {
    fn from(name: SniName) -> Self {
        name.0
    }
}

impl std::fmt::Display for SniName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draft::Draft as _;
    use serde_json::json;

    #[test]
    fn names_are_hosts_with_a_star_in_front_at_most() {
        for (text, read) in [
            ("api.example.com", "api.example.com"),
            ("API.Example.com.", "api.example.com"),
            ("*.example.com", "*.example.com"),
            ("localhost", "localhost"),
            ("bücher.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(SniName::parse(text).expect(text).as_str(), read);
        }
        for text in [
            "",
            "*",
            "*.com",
            "a.*.com",
            "10.0.0.1",
            "[::1]",
            "a.example:443",
            "https://a",
            "a/b",
        ] {
            assert!(SniName::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn client_certificates_need_an_authority() {
        let id = "0198c1d2-0000-7000-8000-000000000000";
        let body = json!({"name": "a.example", "certificate": id, "client_auth": "required"});
        let mut errors = Errors::new();
        SniSpec::validate(&SniDraft::read(&body).draft, &mut errors);
        assert_eq!(
            errors.at("ca_certificates").map(|error| error.code),
            Some(Code::Required)
        );
        let words = SniDraft::read(&json!({"client_auth": "maybe", "min_tls": "1.1"})).errors;
        assert!(
            words.at("client_auth").is_some() && words.at("min_tls").is_some(),
            "{words}"
        );
    }
}
