//! What makes a certificate one that Gatehouse gets and renews by itself, and how far that has come.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::acme_challenge::ChallengeKind;
use crate::clock::Timestamp;
use crate::id::AcmeAccountId;
use crate::sni::SniName;
use crate::validation::{Code, Errors};

/// The most names of one certificate; what large authorities allow.
const MAX_NAMES: usize = 100;
/// The pause after the first failure. With doubled ones after it there are at most four attempts in an hour: large
/// authorities refuse more than five failures of a name in that time.
const FIRST_PAUSE: Duration = Duration::from_mins(5);
/// The longest pause after a failure.
const LONGEST_PAUSE: Duration = Duration::from_hours(6);

/// How a certificate is got, as it is sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AcmeDraft {
    /// Id or name of the ACME account that asks for it.
    pub account: Option<String>,
    /// The names that it shall be for.
    #[schema(example = json!(["shop.example.com"]))]
    pub domains: Vec<String>,
    /// How the names are proven: `http-01` or `tls-alpn-01`; default `http-01`.
    pub challenge: Option<ChallengeKind>,
    /// The key that it shall have: `ecdsa_p256` or `ecdsa_p384`; default `ecdsa_p256`.
    pub key_type: Option<KeyType>,
}

/// How a certificate is got.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Acme {
    /// The ACME account that asks for it.
    pub account: AcmeAccountId,
    /// The names that it shall be for.
    #[schema(value_type = Vec<String>)]
    pub domains: Vec<SniName>,
    /// How the names are proven.
    pub challenge: ChallengeKind,
    /// The key that it shall have.
    pub key_type: KeyType,
}

/// The key of a certificate that is got automatically.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyType {
    /// ECDSA on P-256, which every client of the last ten years knows.
    #[default]
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
}

impl KeyType {
    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ecdsa_p256",
            Self::EcdsaP384 => "ecdsa_p384",
        }
    }
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IssuanceState {
    /// It is asked for, and was not got yet.
    Pending,
    /// It was got, and is renewed in time.
    Issued,
    /// The last attempt failed; what was got before serves on.
    Failing,
}

impl IssuanceState {
    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Issued => "issued",
            Self::Failing => "failing",
        }
    }
}

/// Where the getting of a certificate is; only answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Issuance {
    /// How far it has come.
    pub state: IssuanceState,
    /// Attempts that failed since the last good one.
    pub failures: u32,
    /// Why the last attempt failed, with what the authority said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When the last attempt began.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub attempted_at: Option<Timestamp>,
    /// When it was last got.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub issued_at: Option<Timestamp>,
    /// When the next attempt is due.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub next_attempt_at: Timestamp,
}

impl Acme {
    /// Checks how a certificate is got; every error is below `acme`.
    pub(super) fn validate(draft: &AcmeDraft, errors: &mut Errors) -> Option<Self> {
        let account = match draft.account.as_deref().filter(|text| !text.trim().is_empty()) {
            None => {
                let message = "is required: the id or name of an ACME account";
                errors.add("acme.account", Code::Required, message);
                None
            }
            Some(text) => text
                .parse()
                .map_err(|_| errors.add("acme.account", Code::Invalid, "must be an id"))
                .ok(),
        };
        let domains = validate_domains(&draft.domains, errors);
        Some(Self {
            account: account?,
            domains,
            challenge: draft.challenge.unwrap_or_default(),
            key_type: draft.key_type.unwrap_or_default(),
        })
    }
}

fn validate_domains(texts: &[String], errors: &mut Errors) -> Vec<SniName> {
    if texts.is_empty() {
        let message = "is required: the names that the certificate shall be for";
        errors.add("acme.domains", Code::Required, message);
    }
    if texts.len() > MAX_NAMES {
        errors.add("acme.domains", Code::OutOfRange, format!("at most {MAX_NAMES}"));
    }
    let mut domains = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match domain(text.trim()) {
            Ok(name) if !domains.contains(&name) => domains.push(name),
            Ok(_) => {}
            Err(message) => errors.add(format!("acme.domains.{index}"), Code::Invalid, message),
        }
    }
    domains
}

fn domain(text: &str) -> Result<SniName, String> {
    let name = SniName::parse(text)?;
    if name.suffix().is_some() {
        return Err(
            "must be one name, without `*`: `http-01` and `tls-alpn-01` prove single names only; list each, or \
             paste a certificate with a `*` that was got elsewhere"
                .to_owned(),
        );
    }
    Ok(name)
}

/// When a certificate is renewed: at two thirds of its life, somewhat earlier for some, so that those which were got
/// together do not all come back together.
pub fn renewal(id: Uuid, not_before: Timestamp, not_after: Timestamp) -> Timestamp {
    let life = not_after - not_before;
    not_before + life * 2 / 3 - life * spread(id, 0) / 1_000_000
}

/// The pause after so many failures in a row: each is twice the one before, and up to a quarter longer.
pub fn pause(id: Uuid, failures: u32) -> Duration {
    let doubled = FIRST_PAUSE * 2_u32.pow(failures.saturating_sub(1).min(10));
    let pause = doubled.min(LONGEST_PAUSE);
    pause + pause * spread(id, failures).unsigned_abs() / 200_000
}

/// A number below 50,000 that differs from certificate to certificate and from one attempt to the next.
fn spread(id: Uuid, salt: u32) -> i32 {
    let bytes = id.into_bytes().into_iter().chain(salt.to_le_bytes());
    let mixed = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    i32::try_from((mixed >> 20) % 50_000).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn names_are_single_ones_and_each_mistake_is_told_at_its_place() {
        let texts = ["shop.example", "*.example.com", "10.0.0.1", "SHOP.example", "a b"];
        let mut errors = Errors::new();
        let read = validate_domains(&texts.map(str::to_owned), &mut errors);
        assert_eq!(read, [SniName::parse("shop.example").expect("a name")]);
        let paths: Vec<&str> = errors.iter().map(|error| error.path.as_str()).collect();
        assert_eq!(paths, ["acme.domains.1", "acme.domains.2", "acme.domains.4"]);
        let star = errors.at("acme.domains.1").expect("an error");
        assert!(star.message.contains("without `*`"), "{}", star.message);
        let mut none = Errors::new();
        validate_domains(&[], &mut none);
        assert_eq!(none.at("acme.domains").map(|error| error.code), Some(Code::Required));
    }

    #[test]
    fn renewal_is_due_at_two_thirds_of_a_life_or_a_little_earlier() {
        let (begins, ends) = (datetime!(2026-01-01 00:00 UTC), datetime!(2026-04-01 00:00 UTC));
        for number in 0..100 {
            let at = renewal(Uuid::from_u128(number), begins, ends);
            assert!(at <= begins + time::Duration::days(60), "{at}");
            assert!(at > begins + time::Duration::days(55), "{at}");
        }
    }

    #[test]
    fn pauses_double_to_their_bound_and_never_break_an_authority_s_limit() {
        let id = Uuid::from_u128(7);
        let mut at = Duration::ZERO;
        let mut in_the_first_hour = 1;
        for failures in 1..200 {
            let pause = pause(id, failures);
            let doubled = FIRST_PAUSE * 2_u32.pow((failures - 1).min(10));
            let expected = doubled.min(LONGEST_PAUSE);
            assert!(pause >= expected && pause <= expected * 5 / 4, "{failures}: {pause:?}");
            at += pause;
            in_the_first_hour += u32::from(at < Duration::from_hours(1));
        }
        assert!(in_the_first_hour <= 4, "{in_the_first_hour}");
        assert_ne!(pause(id, 20), pause(Uuid::from_u128(8), 20), "they are spread");
    }
}
