//! A consumer: the identity that the data plane sees.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::{ApplicationId, ConsumerGroupId, ConsumerId, PlanId};
use crate::name::{Name, validate_tags};
use crate::noun::{Kind, Noun};
use crate::validation::{Code, Errors};

crate::draft! {
    /// A consumer as it is sent.
    pub struct ConsumerDraft {
        /// Unique name; services see it as `X-Consumer-Username`.
        #[schema(example = "fjord-logistics")]
        pub name: Option<String>,
        /// An identifier of your own; services see it as `X-Consumer-Custom-Id`.
        pub custom_id: Option<String>,
        /// Labels to find and group by.
        pub tags: Vec<String>,
        /// Whether its credentials are accepted; default true.
        pub enabled: Option<bool>,
    }
}

/// A valid consumer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConsumerSpec {
    /// Unique name.
    pub name: Name,
    /// An identifier of its owner's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_id: Option<String>,
    /// Labels.
    pub tags: Vec<String>,
    /// Whether its credentials are accepted.
    pub enabled: bool,
}

impl Noun for ConsumerSpec {
    type Id = ConsumerId;
    type Draft = ConsumerDraft;
    const KIND: Kind = Kind::Consumer;

    fn validate(draft: &ConsumerDraft, errors: &mut Errors) -> Option<Self> {
        let name = Name::validate(draft.name.as_deref(), errors);
        let custom_id = draft
            .custom_id
            .clone()
            .map(|id| id.trim().to_owned())
            .filter(|id| !id.is_empty());
        let sendable = |id: &String| id.len() <= 128 && id.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        if custom_id.as_ref().is_some_and(|id| !sendable(id)) {
            errors.add(
                "custom_id",
                Code::Invalid,
                "must be at most 128 printable ASCII characters: it is sent as a header",
            );
        }
        let tags = validate_tags(&draft.tags, errors);
        Some(Self {
            name: name?,
            custom_id,
            tags,
            enabled: draft.enabled.unwrap_or(true),
        })
    }

    fn name(&self) -> String {
        self.name.to_string()
    }

    fn tags(&self) -> &[String] {
        &self.tags
    }

    fn enabled(&self) -> bool {
        self.enabled
    }

    fn search_terms(&self) -> Vec<String> {
        self.custom_id.iter().cloned().collect()
    }
}

/// A set of consumers that shares plugins; every plan compiles to one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConsumerGroupSpec {
    /// Unique name.
    pub name: Name,
    /// The plan it was made from.
    pub plan: PlanId,
}

/// Who owns a consumer besides the administrators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsumerOwner {
    /// The application whose identity it is.
    pub application: ApplicationId,
}

/// The group that a plan compiles to has the plan's id, so that neither needs a look-up to find the other.
impl From<PlanId> for ConsumerGroupId {
    fn from(plan: PlanId) -> Self {
        Self(plan.0)
    }
}
