//! What can go wrong, in the words of the operations; each adapter maps these to answers in one file.

use std::time::Duration;

use model::actor::{Action, Resource};
use model::{Errors, Kind};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// The result of an operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation was not done. Nothing of it was stored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The input is wrong, in these places.
    #[error("invalid input: {0}")]
    Invalid(Errors),
    /// The query parameters are wrong, in these places.
    #[error("invalid query: {0}")]
    InvalidQuery(Errors),
    /// There is no such object.
    #[error("no {kind} `{reference}`")]
    NotFound {
        /// What was looked for.
        kind: Kind,
        /// By which id or name.
        reference: String,
    },
    /// Somebody changed the object since it was read.
    #[error("changed since it was read; its version is {version} now")]
    Stale {
        /// The version now.
        version: i64,
        /// The object as it is now.
        current: Box<Value>,
    },
    /// Other objects need this one.
    #[error("{kind} `{name}` is in use")]
    InUse {
        /// What should have been deleted.
        kind: Kind,
        /// Its name.
        name: String,
        /// Who needs it.
        dependants: Vec<Dependant>,
    },
    /// The state of the object does not allow this.
    #[error("{0}")]
    Conflict(String),
    /// The actor has no right to this.
    #[error("no right to {} {}", action.as_str(), resource.as_str())]
    Forbidden {
        /// On what.
        resource: Resource,
        /// To do what.
        action: Action,
    },
    /// E-mail address or password is wrong; which one is not said.
    #[error("e-mail address or password is wrong")]
    WrongCredentials,
    /// Too many failures; it is not looked at for a while.
    #[error("too many attempts")]
    Throttled {
        /// When to try again.
        retry_after: Duration,
    },
    /// The address of the account was not confirmed yet.
    #[error("the e-mail address is not confirmed yet")]
    Unverified,
    /// The account is suspended.
    #[error("the account is suspended")]
    Suspended,
    /// A one-time link is used, ended or never was.
    #[error("this link was used already or has ended")]
    DeadLink,
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// A stored value cannot be read: a newer program wrote it, or a hand.
    #[error("a stored {what} cannot be read")]
    Corrupt {
        /// What it should have been.
        what: &'static str,
        /// Why it is not.
        #[source]
        source: serde_json::Error,
    },
    /// Hashing a password failed.
    #[error("password hashing failed")]
    PasswordHash,
}

/// An object that needs another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Dependant {
    /// What it is.
    pub kind: Kind,
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
}

impl Error {
    /// One wrong member.
    pub fn field(path: &str, code: model::Code, message: impl Into<String>) -> Self {
        Self::Invalid(Errors::one(path, code, message))
    }

    /// There is no such object.
    pub fn not_found(kind: Kind, reference: impl ToString) -> Self {
        Self::NotFound {
            kind,
            reference: reference.to_string(),
        }
    }
}
