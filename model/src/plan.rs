//! A plan: the limits and the approval rule under which a product is offered.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::validate_text;
use crate::id::{PlanId, ProductId};
use crate::name::{Name, validate_tags};
use crate::noun::{Kind, Noun};
use crate::validation::{Code, Errors, unknown_word};

/// The most limits of one plan.
const MAX_LIMITS: usize = 5;

/// So many requests in so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanLimit {
    /// How many requests, at least 1.
    #[schema(minimum = 1)]
    pub requests: u32,
    /// In how many seconds, 1 to 2,678,400 (31 days).
    #[schema(minimum = 1, maximum = 2_678_400)]
    pub window_seconds: u32,
}

crate::draft! {
    /// A plan as it is sent.
    pub struct PlanDraft {
        /// Unique name.
        #[schema(example = "commerce-free")]
        pub name: Option<String>,
        /// What people read.
        #[schema(example = "Free")]
        pub title: Option<String>,
        /// One or two sentences.
        pub summary: Option<String>,
        /// Id or name of the product it offers.
        pub product: Option<String>,
        /// Limits for each application, all of which hold; empty means none.
        pub limits: Vec<PlanLimit>,
        /// `auto` (default): a subscription is live at once; `manual`: an administrator approves it.
        pub approval: Option<String>,
        /// `staging` (default), `published`, `deprecated` or `closed`.
        pub state: Option<String>,
        /// Labels to find and group by.
        pub tags: Vec<String>,
    }
}

/// Who lets a subscription live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// It lives at once.
    Auto,
    /// An administrator approves it.
    Manual,
}

/// Where a plan is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlanState {
    /// Only administrators see it.
    Staging,
    /// On offer.
    Published,
    /// No new subscriptions; shown to those who have one.
    Deprecated,
    /// No new subscriptions; those that live go on.
    Closed,
}

impl PlanState {
    /// The words, in order of life.
    pub const WORDS: [&'static str; 4] = ["staging", "published", "deprecated", "closed"];

    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Staging => "staging",
            Self::Published => "published",
            Self::Deprecated => "deprecated",
            Self::Closed => "closed",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Staging, Self::Published, Self::Deprecated, Self::Closed]
            .into_iter()
            .find(|state| state.as_str() == text)
    }

    /// Whether it may become `next`.
    pub fn may_become(self, next: Self) -> bool {
        use PlanState::{Closed, Deprecated, Published, Staging};
        self == next
            || matches!(
                (self, next),
                (Staging, Published) | (Published, Deprecated) | (Deprecated, Closed | Published)
            )
    }
}

/// A valid plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlanSpec {
    /// Unique name.
    pub name: Name,
    /// What people read.
    pub title: String,
    /// One or two sentences.
    pub summary: String,
    /// The product it offers.
    pub product: ProductId,
    /// Limits for each application.
    pub limits: Vec<PlanLimit>,
    /// Who lets a subscription live.
    pub approval: Approval,
    /// Where it is in its life.
    pub state: PlanState,
    /// Labels.
    pub tags: Vec<String>,
}

impl Noun for PlanSpec {
    type Id = PlanId;
    type Draft = PlanDraft;
    const KIND: Kind = Kind::Plan;

    fn validate(draft: &PlanDraft, errors: &mut Errors) -> Option<Self> {
        let name = Name::validate(draft.name.as_deref(), errors);
        let title = validate_text(draft.title.as_deref(), "title", 80, errors);
        let summary = draft.summary.as_deref().map(str::trim).unwrap_or_default().to_owned();
        if summary.chars().count() > 400 {
            errors.add("summary", Code::OutOfRange, "must have at most 400 characters");
        }
        let product = match draft.product.as_deref().filter(|text| !text.trim().is_empty()) {
            None => {
                errors.add(
                    "product",
                    Code::Required,
                    "is required: the id or name of the product it offers",
                );
                None
            }
            Some(text) => text
                .parse()
                .map_err(|_| errors.add("product", Code::Invalid, "must be an id"))
                .ok(),
        };
        validate_limits(&draft.limits, errors);
        let approval = match draft.approval.as_deref().unwrap_or("auto") {
            "auto" => Some(Approval::Auto),
            "manual" => Some(Approval::Manual),
            other => {
                errors.add(
                    "approval",
                    Code::Invalid,
                    unknown_word("approval", other, &["auto", "manual"]),
                );
                None
            }
        };
        let word = draft.state.as_deref().unwrap_or("staging");
        let state = PlanState::parse(word);
        if state.is_none() {
            errors.add("state", Code::Invalid, unknown_word("state", word, &PlanState::WORDS));
        }
        let tags = validate_tags(&draft.tags, errors);
        Some(Self {
            name: name?,
            title: title?,
            summary,
            product: product?,
            limits: draft.limits.clone(),
            approval: approval?,
            state: state?,
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
        self.state == PlanState::Published
    }

    fn search_terms(&self) -> Vec<String> {
        vec![self.title.clone()]
    }
}

fn validate_limits(limits: &[PlanLimit], errors: &mut Errors) {
    if limits.len() > MAX_LIMITS {
        errors.add("limits", Code::OutOfRange, format!("has more than {MAX_LIMITS} limits"));
    }
    for (index, limit) in limits.iter().enumerate() {
        if limit.requests == 0 {
            errors.add(
                format!("limits.{index}.requests"),
                Code::OutOfRange,
                "must be at least 1",
            );
        }
        if !(1..=2_678_400).contains(&limit.window_seconds) {
            errors.add(
                format!("limits.{index}.window_seconds"),
                Code::OutOfRange,
                "must be 1 to 2678400 (31 days)",
            );
        }
    }
}
