//! API tokens: how automation signs in.

use serde::Serialize;
use utoipa::ToSchema;

use crate::actor::{Resource, Rights};
use time::OffsetDateTime;
use crate::credential::validate_expiry;
use crate::id::TokenId;
use crate::name::Name;
use crate::validation::{Code, Errors, nearest};

crate::draft! {
    /// An API token as it is asked for.
    pub struct TokenDraft {
        /// Unique name.
        #[schema(example = "ci-deploy")]
        pub name: Option<String>,
        /// What it may do: `resource:read`, `resource:write`, `*:read`, or `*` for everything.
        #[schema(example = json!(["services:write", "routes:write"]))]
        pub scopes: Vec<String>,
        /// When it ends, RFC 3339 or a date; absent means never.
        pub expires_at: Option<String>,
    }
}

/// A valid wish for a token.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenSpec {
    /// Unique name.
    pub name: Name,
    /// What it may do, as it was written.
    pub scopes: Vec<String>,
    /// When it ends.
    pub expires_at: Option<OffsetDateTime>,
}

impl TokenSpec {
    /// Checks a draft.
    pub fn validate(draft: &TokenDraft, now: OffsetDateTime, errors: &mut Errors) -> Option<Self> {
        let name = Name::validate(draft.name.as_deref(), errors);
        let expires_at = validate_expiry(draft.expires_at.as_deref(), now, errors);
        if draft.scopes.is_empty() {
            errors.add("scopes", Code::Required, "needs at least one scope, such as `*:read`");
        }
        for (index, scope) in draft.scopes.iter().enumerate() {
            if Rights::from_scopes(std::slice::from_ref(scope)).is_err() {
                errors.add(format!("scopes.{index}"), Code::Invalid, unknown_scope(scope));
            }
        }
        Some(Self { name: name?, scopes: draft.scopes.clone(), expires_at })
    }
}

fn unknown_scope(scope: &str) -> String {
    let resources: Vec<&str> = Resource::ALL.iter().map(|resource| resource.as_str()).collect();
    let (resource, action) = scope.split_once(':').unwrap_or((scope, "read"));
    match nearest(resource, &resources) {
        Some(near) => format!("is not a scope; did you mean `{near}:{}`?", if action == "write" { "write" } else { "read" }),
        None => "is not a scope; write `resource:read`, `resource:write`, `*:read` or `*`".to_owned(),
    }
}

/// What people may see of a token: all but the secret.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ApiToken {
    /// Its id.
    pub id: TokenId,
    /// Unique name.
    pub name: String,
    /// Its readable beginning.
    pub prefix: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When it ends.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    /// When it last signed in, to the minute or so.
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
}
