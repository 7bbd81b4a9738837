//! An application: a developer's program, which owns exactly one consumer.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::{ApplicationId, ConsumerId, DeveloperId};
use crate::validation::{Code, Errors};
use time::OffsetDateTime;

crate::draft! {
    /// An application as it is sent.
    pub struct ApplicationDraft {
        /// What its developer calls it.
        #[schema(example = "Checkout app")]
        pub name: Option<String>,
        /// What it does, in a sentence.
        pub description: Option<String>,
    }
}

/// A valid application.
#[derive(Debug, Clone, PartialEq)]
pub struct ApplicationSpec {
    /// What its developer calls it.
    pub name: String,
    /// What it does.
    pub description: String,
}

impl ApplicationSpec {
    /// Checks a draft.
    pub fn validate(draft: &ApplicationDraft, errors: &mut Errors) -> Option<Self> {
        let name = crate::api::validate_text(draft.name.as_deref(), "name", 60, errors);
        let description = draft
            .description
            .as_deref()
            .map(str::trim)
            .unwrap_or_default()
            .to_owned();
        if description.chars().count() > 400 {
            errors.add("description", Code::OutOfRange, "must have at most 400 characters");
        }
        Some(Self {
            name: name?,
            description,
        })
    }
}

/// Whether an application may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApplicationStatus {
    /// It may.
    Active,
    /// An administrator stopped it.
    Suspended,
}

impl ApplicationStatus {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }

    /// Reads the word again.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Suspended]
            .into_iter()
            .find(|status| status.as_str() == text)
    }
}

/// An application as it is stored and answered.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Application {
    /// The id.
    pub id: ApplicationId,
    /// Whose it is.
    pub developer: DeveloperId,
    /// What its developer calls it.
    pub name: String,
    /// What it does.
    pub description: String,
    /// The identity that the data plane sees.
    pub consumer: ConsumerId,
    /// Whether it may call.
    pub status: ApplicationStatus,
    /// Counts the changes; also its `ETag`.
    pub version: i64,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}
