//! API tokens: how automation signs in.

use serde::Serialize;
use utoipa::ToSchema;

use crate::actor::{Resource, Rights};
use crate::credential::{CHECKSUM_LENGTH, SECRET_LENGTH, checksum, validate_expiry};
use crate::id::TokenId;
use crate::name::Name;
use crate::validation::{Code, Errors, nearest};
use time::OffsetDateTime;

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
        Some(Self {
            name: name?,
            scopes: draft.scopes.clone(),
            expires_at,
        })
    }
}

fn unknown_scope(scope: &str) -> String {
    let resources: Vec<&str> = Resource::ALL.iter().map(|resource| resource.as_str()).collect();
    let (resource, action) = scope.split_once(':').unwrap_or((scope, "read"));
    match nearest(resource, &resources) {
        Some(near) => format!(
            "is not a scope; did you mean `{near}:{}`?",
            if action == "write" { "write" } else { "read" }
        ),
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

/// An API token in plain text: shown once, never stored, never printed by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenSecret(String);

impl TokenSecret {
    /// Puts a token together: brand, the word `token`, random characters and their checksum.
    pub fn assemble(brand: &str, random: &str) -> Self {
        let body = format!("{brand}_token_{random}");
        let checksum = checksum(&body);
        Self(format!("{body}{checksum}"))
    }

    /// Reads a token that a request brought; `None` when no token can look like this, so that no look-up is needed.
    pub fn presented(brand: &str, text: &str) -> Option<Self> {
        let random = text.strip_prefix(brand)?.strip_prefix("_token_")?;
        if random.len() != SECRET_LENGTH + CHECKSUM_LENGTH || !random.is_ascii() {
            return None;
        }
        let (body, given) = text.split_at_checked(text.len() - CHECKSUM_LENGTH)?;
        (checksum(body) == given).then(|| Self(text.to_owned()))
    }

    /// The token itself, for the one place that shows, hashes or sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The readable beginning, with four characters of the secret.
    pub fn prefix(&self) -> &str {
        let end = self.0.rfind('_').map_or(4, |at| at + 5);
        self.0.get(..end).unwrap_or(&self.0)
    }
}

impl std::fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_form() {
        let token = TokenSecret::assemble("gh", "Vb3xTq9LmZs7YwK2hRf5NcEd8JpUa4G6");
        assert_eq!(token.prefix(), "gh_token_Vb3x");
        assert_eq!(TokenSecret::presented("gh", token.expose()), Some(token.clone()));
        let wrong = token.expose().replace("Tq9L", "Tq9M");
        for text in [
            wrong.as_str(),
            "",
            "gh_token_",
            "gh_live_x",
            "other_token_x",
            "gh_token_ä",
        ] {
            assert_eq!(TokenSecret::presented("gh", text), None, "{text}");
        }
        assert_eq!(TokenSecret::presented("acme", token.expose()), None);
    }
}
