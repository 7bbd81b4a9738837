//! Accounts of people: how they sign in, stay signed in, and what administrators do with each other's accounts.

pub mod admins;
mod attempts;
pub mod cookies;
mod invitations;
pub(crate) mod links;
pub mod password;
pub mod sessions;
pub mod setup;
pub mod sign_in;

use std::fmt;
use std::net::IpAddr;

use model::Kind;
use model::account::{validate_email, validate_person};
use model::{Code, Errors};
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use attempts::{Limit, forget, refund, spend};

/// The two kinds of account; they never share sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// Runs Gatehouse, in the console.
    Admin,
    /// Uses APIs, in the portal.
    Developer,
}

impl AccountKind {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Developer => "developer",
        }
    }

    pub(crate) const fn noun(self) -> Kind {
        match self {
            Self::Admin => Kind::Admin,
            Self::Developer => Kind::Developer,
        }
    }
}

/// The browser at the other end, for throttling and for the list of sessions.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    /// Where it is.
    pub address: IpAddr,
    /// What it says it is.
    pub user_agent: &'a str,
    /// The session cookie it brought; signing in ends that session.
    pub session: Option<&'a str>,
}

/// A secret that leaves once: a cookie's value or a link.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret, for the one place that shows or sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

/// The address in the form that accounts are looked up by; `None` for what no account can have.
pub(crate) fn normal_email(text: Option<&str>) -> Option<String> {
    validate_email(text, &mut Errors::new())
}

/// Checks that a text was given at all, for passwords and addresses that are only compared.
pub(crate) fn required(text: Option<&str>, path: &str, errors: &mut Errors) -> Option<String> {
    let text = text.filter(|text| !text.trim().is_empty());
    if text.is_none() {
        errors.add(path, Code::Required, "is required");
    }
    text.map(str::to_owned)
}

/// The new name of a person, or the one there is when none is given.
pub(crate) fn name_or(current: String, given: Option<&str>, errors: &mut Errors) -> Option<String> {
    match given {
        Some(_) => validate_person(given, errors),
        None => Some(current),
    }
}
