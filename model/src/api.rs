//! An API: an entry of the portal's catalogue, bound to a service and described by an OpenAPI document.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::id::{ApiId, ServiceId};
use crate::name::{Name, validate_tags};
use crate::noun::{Kind, Noun};
use crate::validation::{Code, Errors, unknown_word};

crate::draft! {
    /// An API as it is sent.
    pub struct ApiDraft {
        /// Unique name; part of its address in the portal.
        #[schema(example = "orders")]
        pub name: Option<String>,
        /// What people read.
        #[schema(example = "Orders")]
        pub title: Option<String>,
        /// One or two sentences for the catalogue.
        pub summary: Option<String>,
        /// The version that developers see; default `v1`.
        pub api_version: Option<String>,
        /// Id or name of the service that serves it.
        pub service: Option<String>,
        /// Where developers call it, without a final slash.
        #[schema(example = "https://api.example.com/orders")]
        pub base_url: Option<String>,
        /// `draft` (default), `published`, `deprecated` or `retired`.
        pub state: Option<String>,
        /// An OpenAPI 3 document.
        #[schema(value_type = Object)]
        pub document: Value,
        /// Labels to find and group by.
        pub tags: Vec<String>,
    }
}

/// Where an API is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApiState {
    /// Only administrators see it.
    Draft,
    /// In the catalogue.
    Published,
    /// In the catalogue, with a note; no new subscriptions.
    Deprecated,
    /// No longer in the catalogue.
    Retired,
}

impl ApiState {
    /// The words, in order of life.
    pub const WORDS: [&'static str; 4] = ["draft", "published", "deprecated", "retired"];

    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Published => "published",
            Self::Deprecated => "deprecated",
            Self::Retired => "retired",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Draft, Self::Published, Self::Deprecated, Self::Retired]
            .into_iter()
            .find(|state| state.as_str() == text)
    }

    /// Whether the catalogue shows it.
    pub const fn is_listed(self) -> bool {
        matches!(self, Self::Published | Self::Deprecated)
    }

    /// Whether it may become `next`.
    pub fn may_become(self, next: Self) -> bool {
        use ApiState::{Deprecated, Draft, Published, Retired};
        self == next
            || matches!(
                (self, next),
                (Draft, Published) | (Published, Deprecated) | (Deprecated, Retired | Published)
            )
    }
}

/// A valid API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ApiSpec {
    /// Unique name.
    pub name: Name,
    /// What people read.
    pub title: String,
    /// One or two sentences.
    pub summary: String,
    /// The version that developers see.
    pub api_version: String,
    /// The service that serves it.
    pub service: ServiceId,
    /// Where developers call it.
    pub base_url: String,
    /// Where it is in its life.
    pub state: ApiState,
    /// The OpenAPI document.
    #[schema(value_type = Object)]
    pub document: Value,
    /// Labels.
    pub tags: Vec<String>,
}

impl Noun for ApiSpec {
    type Id = ApiId;
    type Draft = ApiDraft;
    const KIND: Kind = Kind::Api;

    fn validate(draft: &ApiDraft, errors: &mut Errors) -> Option<Self> {
        let name = Name::validate(draft.name.as_deref(), errors);
        let title = validate_text(draft.title.as_deref(), "title", 80, errors);
        let summary = draft.summary.as_deref().map(str::trim).unwrap_or_default().to_owned();
        if summary.chars().count() > 400 {
            errors.add("summary", Code::OutOfRange, "must have at most 400 characters");
        }
        let api_version = draft
            .api_version
            .as_deref()
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .unwrap_or("v1");
        if api_version.len() > 20
            || !api_version
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        {
            errors.add(
                "api_version",
                Code::Invalid,
                "must be at most 20 letters, digits, `.`, `_` or `-`",
            );
        }
        let service = match draft.service.as_deref().filter(|text| !text.trim().is_empty()) {
            None => {
                errors.add(
                    "service",
                    Code::Required,
                    "is required: the id or name of the service that serves it",
                );
                None
            }
            Some(text) => text
                .parse()
                .map_err(|_| errors.add("service", Code::Invalid, "must be an id"))
                .ok(),
        };
        let base_url = validate_base_url(draft.base_url.as_deref(), errors);
        let word = draft.state.as_deref().unwrap_or("draft");
        let state = ApiState::parse(word);
        if state.is_none() {
            errors.add("state", Code::Invalid, unknown_word("state", word, &ApiState::WORDS));
        }
        validate_document(&draft.document, errors);
        let tags = validate_tags(&draft.tags, errors);
        Some(Self {
            name: name?,
            title: title?,
            summary,
            api_version: api_version.to_owned(),
            service: service?,
            base_url: base_url?,
            state: state?,
            document: draft.document.clone(),
            tags,
        })
    }

    fn name(&self) -> String {
        self.name.to_string()
    }

    fn tags(&self) -> &[String] {
        &self.tags
    }

    fn enabled(&self) -> bool {
        self.state.is_listed()
    }

    fn search_terms(&self) -> Vec<String> {
        vec![self.title.clone(), self.summary.clone()]
    }
}

/// A required line of text with a limit in characters.
pub(crate) fn validate_text(text: Option<&str>, path: &str, most: usize, errors: &mut Errors) -> Option<String> {
    let text = text.map(str::trim).unwrap_or_default();
    if text.is_empty() {
        errors.add(path, Code::Required, "is required");
        return None;
    }
    if text.chars().count() > most || text.chars().any(char::is_control) {
        errors.add(
            path,
            Code::OutOfRange,
            format!("must have at most {most} printable characters"),
        );
        return None;
    }
    Some(text.to_owned())
}

fn validate_base_url(text: Option<&str>, errors: &mut Errors) -> Option<String> {
    let Some(text) = text
        .map(|text| text.trim().trim_end_matches('/'))
        .filter(|text| !text.is_empty())
    else {
        errors.add(
            "base_url",
            Code::Required,
            "is required: the URL at which developers call this API",
        );
        return None;
    };
    let valid =
        url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none());
    if !valid {
        errors.add(
            "base_url",
            Code::Invalid,
            "must be a URL that begins with `http://` or `https://`",
        );
        return None;
    }
    Some(text.to_owned())
}

fn validate_document(document: &Value, errors: &mut Errors) {
    let is_openapi = document
        .get("openapi")
        .and_then(Value::as_str)
        .is_some_and(|version| version.starts_with("3."));
    if document.is_null() {
        errors.add("document", Code::Required, "is required: an OpenAPI 3 document");
    } else if !is_openapi {
        errors.add(
            "document",
            Code::Invalid,
            "must be an OpenAPI document with `openapi: 3.x`",
        );
    } else if !document.get("paths").is_some_and(Value::is_object) {
        errors.add("document", Code::Invalid, "has no `paths` object");
    }
}
