//! A product: the APIs that are offered together.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::validate_text;
use crate::id::{ApiId, ProductId};
use crate::name::{Name, validate_tags};
use crate::noun::{Kind, Noun};
use crate::validation::{Code, Errors};

crate::draft! {
    /// A product as it is sent.
    pub struct ProductDraft {
        /// Unique name.
        #[schema(example = "commerce")]
        pub name: Option<String>,
        /// What people read.
        pub title: Option<String>,
        /// One or two sentences.
        pub summary: Option<String>,
        /// Ids or names of the APIs in it.
        pub apis: Vec<String>,
        /// Labels to find and group by.
        pub tags: Vec<String>,
    }
}

/// A valid product.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProductSpec {
    /// Unique name.
    pub name: Name,
    /// What people read.
    pub title: String,
    /// One or two sentences.
    pub summary: String,
    /// The APIs in it.
    pub apis: Vec<ApiId>,
    /// Labels.
    pub tags: Vec<String>,
}

impl Noun for ProductSpec {
    type Id = ProductId;
    type Draft = ProductDraft;
    const KIND: Kind = Kind::Product;

    fn validate(draft: &ProductDraft, errors: &mut Errors) -> Option<Self> {
        let name = Name::validate(draft.name.as_deref(), errors);
        let title = validate_text(draft.title.as_deref(), "title", 80, errors);
        let summary = draft.summary.as_deref().map(str::trim).unwrap_or_default().to_owned();
        if summary.chars().count() > 400 {
            errors.add("summary", Code::OutOfRange, "must have at most 400 characters");
        }
        if draft.apis.is_empty() {
            errors.add("apis", Code::Required, "needs at least one API");
        }
        let mut apis = Vec::new();
        for (index, text) in draft.apis.iter().enumerate() {
            match text.parse::<ApiId>() {
                Ok(id) if !apis.contains(&id) => apis.push(id),
                Ok(_) => {}
                Err(_) => errors.add(format!("apis.{index}"), Code::Invalid, "must be an id"),
            }
        }
        let tags = validate_tags(&draft.tags, errors);
        Some(Self {
            name: name?,
            title: title?,
            summary,
            apis,
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
        true
    }

    fn search_terms(&self) -> Vec<String> {
        vec![self.title.clone(), self.summary.clone()]
    }
}
