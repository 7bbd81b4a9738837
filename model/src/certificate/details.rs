//! What a certificate says of itself, in words that people read.

use ring::digest;
use serde::{Deserialize, Serialize};
use time::Duration;
use utoipa::ToSchema;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::clock::Timestamp;

/// How long before its end a certificate is spoken of.
pub const EXPIRING: Duration = Duration::days(30);

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Details {
    /// Whose it is.
    #[schema(example = "CN=api.example.com")]
    pub subject: String,
    /// The names and addresses that it is for (subject alternative names).
    pub names: Vec<String>,
    /// Who signed it.
    pub issuer: String,
    /// From when on it is valid.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub not_before: Timestamp,
    /// Until when it is valid.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub not_after: Timestamp,
    /// What kind of key it has.
    #[schema(example = "ECDSA P-256")]
    pub key_type: String,
    /// SHA-256 of the certificate, in lower-case hexadecimal.
    pub fingerprint: String,
    /// The number that its issuer gave it, in hexadecimal.
    pub serial: String,
    /// Whether it may sign others.
    pub authority: bool,
}

/// Where in its life a certificate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Validity {
    /// It is valid for more than 30 days.
    Valid,
    /// It ends within 30 days.
    Expiring,
    /// It has ended.
    Expired,
    /// It has not begun.
    NotYetValid,
}

impl Validity {
    /// Where it is now.
    pub fn at(now: Timestamp, not_before: Timestamp, not_after: Timestamp) -> Self {
        match () {
            () if now > not_after => Self::Expired,
            () if now < not_before => Self::NotYetValid,
            () if not_after - now <= EXPIRING => Self::Expiring,
            () => Self::Valid,
        }
    }
}

/// Reads a certificate; the error is a sentence for people.
pub(crate) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, String> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err("cannot be read: what stands between `BEGIN` and `END` is no X.509 certificate".to_owned()),
    }
}

impl Details {
    /// What this certificate says.
    pub fn of(der: &[u8]) -> Result<Self, String> {
        let certificate = parse(der)?;
        Ok(Self {
            subject: certificate.subject().to_string(),
            names: names(&certificate),
            issuer: certificate.issuer().to_string(),
            not_before: certificate.validity().not_before.to_datetime(),
            not_after: certificate.validity().not_after.to_datetime(),
            key_type: key_type(&certificate),
            fingerprint: hexadecimal(digest::digest(&digest::SHA256, der).as_ref()),
            serial: hexadecimal(certificate.raw_serial()),
            authority: certificate.is_ca(),
        })
    }

    /// Whether one of its names covers `name`; a `*` stands for exactly one label (RFC 9525, section 6.3).
    pub fn covers(&self, name: &str) -> bool {
        self.names.iter().any(|known| {
            let wild = known.strip_prefix('*').filter(|rest| rest.starts_with('.'));
            known.eq_ignore_ascii_case(name)
                || wild.is_some_and(|rest| {
                    name.split_once('.')
                        .is_some_and(|(first, parent)| first != "*" && rest[1..].eq_ignore_ascii_case(parent))
                })
        })
    }

    /// Where in its life it is.
    pub fn validity(&self, now: Timestamp) -> Validity {
        Validity::at(now, self.not_before, self.not_after)
    }

    /// What is wrong with it now, a sentence each.
    pub fn problems(&self, now: Timestamp) -> Vec<String> {
        let mut found = Vec::new();
        let day = |at: Timestamp| at.date().to_string();
        match self.validity(now) {
            Validity::Valid => {}
            Validity::Expiring => {
                let days = (self.not_after - now).whole_days();
                found.push(format!("Expires in {days} days, on {}.", day(self.not_after)));
            }
            Validity::Expired => found.push(format!("Expired on {}.", day(self.not_after))),
            Validity::NotYetValid => found.push(format!("Is valid only from {} on.", day(self.not_before))),
        }
        found
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let read = extension.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) | GeneralName::URI(name) | GeneralName::RFC822Name(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(octets) => address(octets),
        _ => None,
    });
    read.collect()
}

fn address(octets: &[u8]) -> Option<String> {
    let four = <[u8; 4]>::try_from(octets).map(|octets| std::net::Ipv4Addr::from(octets).to_string());
    let sixteen = <[u8; 16]>::try_from(octets).map(|octets| std::net::Ipv6Addr::from(octets).to_string());
    four.or(sixteen).ok()
}

/// The kind of a key without its size.
pub(crate) fn family(key_type: &str) -> &str {
    key_type.split(' ').next().unwrap_or_default()
}

fn key_type(certificate: &X509Certificate<'_>) -> String {
    let info = certificate.public_key();
    match info.parsed() {
        Ok(PublicKey::RSA(key)) => format!("RSA {}", key.key_size()),
        Ok(PublicKey::EC(key)) => format!("ECDSA P-{}", curve(key.key_size())),
        _ if info.algorithm.algorithm == oid_registry::OID_SIG_ED25519 => "Ed25519".to_owned(),
        _ => "unknown".to_owned(),
    }
}

/// Points of P-521 have bytes that are not full.
fn curve(bits: usize) -> usize {
    if bits > 384 { 521 } else { bits }
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
