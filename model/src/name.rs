//! Names that people and URLs use, and the tags that group objects.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::validation::{Code, Errors};

/// The longest name, in characters.
pub const MAX_NAME: usize = 64;
/// The most tags one object may have.
pub const MAX_TAGS: usize = 20;

/// A unique slug: lower-case letters, digits, `.`, `_` and `-`, beginning and ending with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, example = "payments")]
pub struct Name(String);

impl Name {
    /// Reads a name; the error is a sentence for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_NAME {
            return Err(format!("must be at most {MAX_NAME} characters"));
        }
        let bytes = text.as_bytes();
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let allowed = bytes
            .iter()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(byte));
        if !allowed || !edge(bytes.first()) || !edge(bytes.last()) {
            return Err(
                "must be lower-case letters, digits, `.`, `_` or `-`, and begin and end with a letter or digit"
                    .to_owned(),
            );
        }
        if uuid::Uuid::try_parse(text).is_ok() {
            return Err("must not look like an id".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// Reads a required name at member `name`.
    pub fn validate(text: Option<&str>, errors: &mut Errors) -> Option<Self> {
        let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
            errors.add("name", Code::Required, "is required");
            return None;
        };
        Self::parse(text)
            .map_err(|message| errors.add("name", Code::Invalid, message))
            .ok()
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads tags: at most twenty, each 1 to 64 characters without commas, slashes or spaces; sorted, no repeats.
pub fn validate_tags(tags: &[String], errors: &mut Errors) -> Vec<String> {
    if tags.len() > MAX_TAGS {
        errors.add("tags", Code::OutOfRange, format!("at most {MAX_TAGS} tags"));
    }
    let mut valid = Vec::with_capacity(tags.len());
    for (index, tag) in tags.iter().enumerate() {
        let bad = tag.is_empty()
            || tag.len() > MAX_NAME
            || tag
                .chars()
                .any(|c| matches!(c, ',' | '/') || c.is_whitespace() || c.is_control());
        if bad {
            errors.add(
                format!("tags.{index}"),
                Code::Invalid,
                "must be 1 to 64 characters without commas, slashes or spaces",
            );
        } else {
            valid.push(tag.clone());
        }
    }
    valid.sort();
    valid.dedup();
    valid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_names() {
        for text in ["a", "payments", "v1.2_x-y", "9to5"] {
            assert!(Name::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn everything_else_is_not_a_name() {
        let long = "x".repeat(65);
        for text in [
            "",
            "-a",
            "a-",
            "A",
            "a b",
            "é",
            "a/b",
            "0198c1d2-0000-7000-8000-000000000000",
            long.as_str(),
        ] {
            assert!(Name::parse(text).is_err(), "{text}");
        }
    }
}
