//! Credentials: the form of generated keys, and what is known of a stored one.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::{ConsumerId, CredentialId};
use crate::validation::{Code, Errors, unknown_word};
use time::OffsetDateTime;

/// Random characters of a generated key.
pub const SECRET_LENGTH: usize = 32;
/// Characters of its checksum.
pub const CHECKSUM_LENGTH: usize = 6;

crate::draft! {
    /// What a new credential shall be.
    pub struct CredentialDraft {
        /// What the key is for, in its owner's words.
        #[schema(example = "production")]
        pub name: Option<String>,
        /// Which environment it is for: `live` (default) or `test`; part of the key.
        pub environment: Option<String>,
        /// When it ends, RFC 3339; absent means never.
        #[schema(example = "2027-11-22T00:00:00Z")]
        pub expires_at: Option<String>,
        /// Addresses (CIDR) it may be used from; empty means any.
        pub ip_allow: Vec<String>,
    }
}

/// What a new credential will be.
#[derive(Debug, Clone, PartialEq)]
pub struct CredentialSpec {
    /// What it is for.
    pub name: String,
    /// Which environment it is for.
    pub environment: Environment,
    /// When it ends.
    pub expires_at: Option<OffsetDateTime>,
    /// Where it may be used from.
    pub ip_allow: Vec<ipnet::IpNet>,
}

impl CredentialSpec {
    /// Checks a draft; `now` decides whether the end is in the future.
    pub fn validate(draft: &CredentialDraft, now: OffsetDateTime, errors: &mut Errors) -> Option<Self> {
        let name = draft.name.as_deref().map(str::trim).unwrap_or_default();
        if name.is_empty() {
            errors.add("name", Code::Required, "is required: say what the key is for");
        } else if name.chars().count() > 64 || name.chars().any(char::is_control) {
            errors.add("name", Code::Invalid, "must be at most 64 printable characters");
        }
        let environment = match draft.environment.as_deref().unwrap_or("live") {
            "live" => Some(Environment::Live),
            "test" => Some(Environment::Test),
            other => {
                errors.add(
                    "environment",
                    Code::Invalid,
                    unknown_word("environment", other, &["live", "test"]),
                );
                None
            }
        };
        let expires_at = validate_expiry(draft.expires_at.as_deref(), now, errors);
        let mut ip_allow = Vec::new();
        for (index, text) in draft.ip_allow.iter().enumerate() {
            match parse_network(text.trim()) {
                Some(network) => ip_allow.push(network),
                None => errors.add(
                    format!("ip_allow.{index}"),
                    Code::Invalid,
                    "must be an address or a CIDR range",
                ),
            }
        }
        Some(Self {
            name: name.to_owned(),
            environment: environment?,
            expires_at,
            ip_allow,
        })
    }
}

/// Reads an optional end: RFC 3339 or a date, in the future.
pub fn validate_expiry(text: Option<&str>, now: OffsetDateTime, errors: &mut Errors) -> Option<OffsetDateTime> {
    let text = text.map(str::trim).filter(|text| !text.is_empty())?;
    let full = if text.len() == 10 {
        format!("{text}T00:00:00Z")
    } else {
        text.to_owned()
    };
    let parsed = OffsetDateTime::parse(&full, &time::format_description::well_known::Rfc3339).ok();
    match parsed.and_then(|at| at.checked_to_offset(time::UtcOffset::UTC)) {
        Some(at) if at > now => Some(at),
        Some(_) => {
            errors.add("expires_at", Code::OutOfRange, "must be in the future");
            None
        }
        None => {
            errors.add(
                "expires_at",
                Code::Invalid,
                "must be a date like 2027-11-22 or a time like 2027-11-22T00:00:00Z",
            );
            None
        }
    }
}

/// An address or a CIDR range.
pub fn parse_network(text: &str) -> Option<ipnet::IpNet> {
    text.parse()
        .ok()
        .or_else(|| text.parse::<std::net::IpAddr>().ok().map(ipnet::IpNet::from))
}

/// The environment of a key; part of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// For real traffic.
    Live,
    /// For trying things.
    Test,
}

impl Environment {
    /// The word in the key.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }
}

/// Which proof a credential is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// An API key.
    Key,
}

/// Where a credential is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialStatus {
    /// Accepted.
    Active,
    /// Refused until it is enabled again.
    Disabled,
    /// Refused for good.
    Revoked,
}

impl CredentialStatus {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Revoked => "revoked",
        }
    }

    /// Reads the word again.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Disabled, Self::Revoked]
            .into_iter()
            .find(|status| status.as_str() == text)
    }
}

/// What people may see of a credential: all but the secret.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Credential {
    /// Its id.
    pub id: CredentialId,
    /// Whose it is.
    pub consumer: ConsumerId,
    /// Which proof it is.
    pub kind: CredentialKind,
    /// What it is for.
    pub name: String,
    /// The readable beginning of the key, with four characters of the secret.
    #[schema(example = "gh_live_Vb3x")]
    pub prefix: String,
    /// The last four characters of the key.
    pub last4: String,
    /// Where it is in its life.
    pub status: CredentialStatus,
    /// Where it may be used from; empty means anywhere.
    #[schema(value_type = Vec<String>)]
    pub ip_allow: Vec<ipnet::IpNet>,
    /// When it ends.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    /// The credential that replaces it.
    pub rotated_to: Option<CredentialId>,
    /// When a replaced credential stops being accepted.
    #[serde(with = "time::serde::rfc3339::option")]
    pub rotation_ends_at: Option<OffsetDateTime>,
    /// When it was last accepted, to the minute or so.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_used_at: Option<OffsetDateTime>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// Who made it.
    pub created_by: String,
    /// When it was revoked.
    #[serde(with = "time::serde::rfc3339::option")]
    pub revoked_at: Option<OffsetDateTime>,
    /// Counts the changes; also its `ETag`.
    pub version: i64,
}

/// How long a replaced key still works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum RotationGrace {
    /// It ends at once.
    #[serde(rename = "now")]
    Now,
    /// One hour.
    #[serde(rename = "1h")]
    OneHour,
    /// One day.
    #[serde(rename = "24h")]
    OneDay,
    /// One week.
    #[serde(rename = "7d")]
    OneWeek,
}

impl RotationGrace {
    /// Every choice, shortest first.
    pub const ALL: [Self; 4] = [Self::Now, Self::OneHour, Self::OneDay, Self::OneWeek];

    /// The word in JSON and forms.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::OneHour => "1h",
            Self::OneDay => "24h",
            Self::OneWeek => "7d",
        }
    }

    /// Reads the word again.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grace| grace.as_str() == text)
    }

    /// The time it stands for.
    pub const fn duration(self) -> time::Duration {
        match self {
            Self::Now => time::Duration::ZERO,
            Self::OneHour => time::Duration::hours(1),
            Self::OneDay => time::Duration::days(1),
            Self::OneWeek => time::Duration::days(7),
        }
    }
}

/// A key in plain text: shown once, never stored, never printed by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySecret(String);

impl KeySecret {
    /// Puts a key together: brand, environment, random characters and their checksum.
    pub fn assemble(brand: &str, environment: Environment, random: &str) -> Self {
        let body = format!("{brand}_{}_{random}", environment.as_str());
        let checksum = checksum(&body);
        Self(format!("{body}{checksum}"))
    }

    /// Takes a key that a person or a request brought.
    pub fn presented(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The key itself, for the one place that shows, hashes or sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The readable beginning, with four characters of the secret.
    pub fn prefix(&self) -> &str {
        let end = self.0.rfind('_').map_or(4, |at| at + 5);
        self.0.get(..end).unwrap_or(&self.0)
    }

    /// The last four characters.
    pub fn last4(&self) -> &str {
        self.0.get(self.0.len().saturating_sub(4)..).unwrap_or_default()
    }

    /// Whether it has the form of a generated key but a wrong checksum: then no look-up can find it.
    pub fn is_mistyped(&self, brand: &str) -> bool {
        let form = |environment: &str| format!("{brand}_{environment}_");
        let generated = ["live", "test"]
            .iter()
            .any(|environment| self.0.starts_with(&form(environment)));
        let length = form("live").len() + SECRET_LENGTH + CHECKSUM_LENGTH;
        if !generated {
            return false;
        }
        match self
            .0
            .len()
            .checked_sub(CHECKSUM_LENGTH)
            .and_then(|at| self.0.split_at_checked(at))
        {
            Some((body, given)) => self.0.len() != length || checksum(body) != given,
            None => true,
        }
    }
}

impl std::fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeySecret(…)")
    }
}

/// The digits of base 62, in order.
pub const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Six base-62 digits of the CRC-32 (ISO-HDLC) of `body`.
pub(crate) fn checksum(body: &str) -> String {
    let mut rest = crc32fast::hash(body.as_bytes());
    let mut digits = [b'0'; CHECKSUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    String::from_utf8_lossy(&digits).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> KeySecret {
        KeySecret::assemble("gh", Environment::Live, "Vb3xTq9LmZs7YwK2hRf5NcEd8JpUa4G6")
    }

    #[test]
    fn a_generated_key_passes_its_own_check() {
        assert!(!key().is_mistyped("gh"));
        assert_eq!(key().expose().len(), 8 + SECRET_LENGTH + CHECKSUM_LENGTH);
        assert_eq!(key().prefix(), "gh_live_Vb3x");
    }

    #[test]
    fn one_wrong_character_is_noticed_without_a_look_up() {
        let wrong = key().expose().replace("Tq9L", "Tq9M");
        assert!(KeySecret::presented(wrong).is_mistyped("gh"));
        assert!(KeySecret::presented("gh_live_").is_mistyped("gh"));
        assert!(!KeySecret::presented("imported-key-1").is_mistyped("gh"));
    }

    #[test]
    fn debug_does_not_show_the_key() {
        assert_eq!(format!("{:?}", key()), "KeySecret(…)");
    }

    #[test]
    fn an_end_that_no_calendar_has_in_utc_is_refused() {
        let now = time::macros::datetime!(2026-01-01 0:00 UTC);
        for text in ["9999-12-31T23:59:59-23:59", "soon", "2027-13-01"] {
            let mut errors = Errors::new();
            assert_eq!(validate_expiry(Some(text), now, &mut errors), None);
            assert!(errors.at("expires_at").is_some(), "{text}");
        }
    }

    #[test]
    fn a_draft_that_ended_already_is_refused() {
        let mut errors = Errors::new();
        let draft = CredentialDraft {
            name: Some("a".into()),
            expires_at: Some("2020-01-01".into()),
            ..CredentialDraft::default()
        };
        CredentialSpec::validate(&draft, time::macros::datetime!(2026-01-01 0:00 UTC), &mut errors);
        assert!(errors.at("expires_at").is_some());
    }
}
