//! Accounts of people: administrators in the console, developers in the portal.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::actor::Role;
use crate::id::{AdminId, DeveloperId};
use crate::validation::{Code, Errors};
use time::OffsetDateTime;

/// The shortest password, in characters (NIST SP 800-63B asks for at least 8, we ask for more).
pub const MIN_PASSWORD: usize = 12;
/// The longest password, in characters; bounds the work of hashing.
pub const MAX_PASSWORD: usize = 128;

crate::draft! {
    /// Sign-up of a developer, or the first administrator in the setup.
    pub struct AccountDraft {
        /// How the person wants to be called.
        pub name: Option<String>,
        /// Where mail reaches them; also what they sign in with.
        pub email: Option<String>,
        /// At least 12 characters.
        pub password: Option<String>,
    }
}

/// A valid account to be made.
#[derive(Clone, PartialEq)]
pub struct AccountSpec {
    /// How the person wants to be called.
    pub name: String,
    /// The address, lower case.
    pub email: String,
    /// The password in plain text, on its way to be hashed.
    pub password: String,
}

impl std::fmt::Debug for AccountSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountSpec")
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}

impl AccountSpec {
    /// Checks a draft.
    pub fn validate(draft: &AccountDraft, errors: &mut Errors) -> Option<Self> {
        let name = validate_person(draft.name.as_deref(), errors);
        let email = validate_email(draft.email.as_deref(), errors);
        let password = validate_password(draft.password.as_deref(), "password", errors);
        let (name, email, password) = (name?, email?, password?);
        if password.to_lowercase() == email || password.to_lowercase() == name.to_lowercase() {
            errors.add("password", Code::Invalid, "must not be your name or e-mail address");
        }
        Some(Self { name, email, password })
    }
}

/// Checks how a person wants to be called.
pub fn validate_person(text: Option<&str>, errors: &mut Errors) -> Option<String> {
    let name = text.map(str::trim).unwrap_or_default();
    if name.is_empty() {
        errors.add("name", Code::Required, "is required");
        return None;
    }
    if name.chars().count() > 80 || name.chars().any(char::is_control) {
        errors.add("name", Code::Invalid, "must be at most 80 printable characters");
        return None;
    }
    Some(name.to_owned())
}

/// Checks an address by its form only: whether it exists, the verification mail shows.
pub fn validate_email(text: Option<&str>, errors: &mut Errors) -> Option<String> {
    let email = text.map(str::trim).unwrap_or_default().to_lowercase();
    if email.is_empty() {
        errors.add("email", Code::Required, "is required");
        return None;
    }
    let plain = email.len() <= 254
        && !email
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || "<>()[],;:\\\"".contains(c));
    let form = email.split_once('@').is_some_and(|(local, domain)| {
        let labels = domain
            .split('.')
            .all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'));
        !local.is_empty() && local.len() <= 64 && !domain.contains('@') && domain.contains('.') && labels
    });
    if !plain || !form {
        errors.add("email", Code::Invalid, "must be an address like name@example.com");
        return None;
    }
    Some(email)
}

/// Checks a new password: length only, as composition rules make passwords worse.
pub fn validate_password(text: Option<&str>, path: &str, errors: &mut Errors) -> Option<String> {
    let password = text.unwrap_or_default();
    let length = password.chars().count();
    if length == 0 {
        errors.add(path, Code::Required, "is required");
        return None;
    }
    if length < MIN_PASSWORD {
        errors.add(
            path,
            Code::OutOfRange,
            format!("must have at least {MIN_PASSWORD} characters"),
        );
        return None;
    }
    if length > MAX_PASSWORD {
        errors.add(
            path,
            Code::OutOfRange,
            format!("must have at most {MAX_PASSWORD} characters"),
        );
        return None;
    }
    let first = password.chars().next();
    if password.chars().all(|c| Some(c) == first) {
        errors.add(path, Code::Invalid, "must not repeat one character");
        return None;
    }
    Some(password.to_owned())
}

/// An administrator as others see them.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Admin {
    /// The id.
    pub id: AdminId,
    /// What they are called.
    pub name: String,
    /// What they sign in with.
    pub email: String,
    /// What they may do.
    pub role: Role,
    /// When the account was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When they last signed in.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_sign_in_at: Option<OffsetDateTime>,
    /// When the account was disabled; absent while it may sign in.
    #[serde(with = "time::serde::rfc3339::option")]
    pub disabled_at: Option<OffsetDateTime>,
    /// Whether the invitation was not accepted yet: there is no password.
    pub invited: bool,
}

/// Where a developer's account is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeveloperStatus {
    /// The address was not confirmed yet.
    PendingVerification,
    /// May sign in.
    Active,
    /// An administrator stopped it.
    Suspended,
}

impl DeveloperStatus {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PendingVerification => "pending_verification",
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }

    /// Reads the word again.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::PendingVerification, Self::Active, Self::Suspended]
            .into_iter()
            .find(|status| status.as_str() == text)
    }

    /// The address is confirmed.
    pub fn verify(self) -> Option<Self> {
        (self == Self::PendingVerification).then_some(Self::Active)
    }

    /// An administrator stops the account.
    pub fn suspend(self) -> Option<Self> {
        (self == Self::Active).then_some(Self::Suspended)
    }

    /// An administrator lets it go on.
    pub fn resume(self) -> Option<Self> {
        (self == Self::Suspended).then_some(Self::Active)
    }
}

/// A developer as administrators see them.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Developer {
    /// The id.
    pub id: DeveloperId,
    /// What they are called.
    pub name: String,
    /// What they sign in with.
    pub email: String,
    /// Where the account is in its life.
    pub status: DeveloperStatus,
    /// When the account was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When they last signed in.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_sign_in_at: Option<OffsetDateTime>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_by_form() {
        let mut errors = Errors::new();
        assert_eq!(
            validate_email(Some(" Ada@Example.com "), &mut errors).as_deref(),
            Some("ada@example.com")
        );
        for text in [
            "",
            "ada",
            "ada@",
            "@example.com",
            "a b@example.com",
            "ada@example",
            "ada@@example.com",
            "ada@-x.com",
            "a@b.c\r\nBcc: x@y.z",
        ] {
            let mut errors = Errors::new();
            assert_eq!(validate_email(Some(text), &mut errors), None, "{text}");
            assert!(errors.at("email").is_some());
        }
    }

    #[test]
    fn passwords_are_checked_by_length() {
        for (text, valid) in [
            ("short", false),
            ("aaaaaaaaaaaaaaaa", false),
            ("correct horse battery", true),
        ] {
            assert_eq!(
                validate_password(Some(text), "password", &mut Errors::new()).is_some(),
                valid,
                "{text}"
            );
        }
    }
}
