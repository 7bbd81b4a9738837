//! Header rules of a route.

use std::collections::BTreeMap;
use std::fmt;

use http::HeaderName;
use regex::RegexBuilder;
use serde::{Deserialize, Serialize};

use super::path::MAX_REGEX_SIZE;
use crate::validation::{Code, Errors};

/// The most headers one route may ask for.
const MAX_HEADERS: usize = 16;

/// What a header's value must be; compared without case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum HeaderPattern {
    /// `*`: any value, as long as the header is there.
    Present,
    /// This text.
    Exact(String),
    /// `~…`: a regular expression that must match somewhere in the value.
    Regex(String),
}

impl HeaderPattern {
    /// Reads a pattern; the error is a sentence for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > 1024 || text.chars().any(char::is_control) {
            return Err("must be at most 1024 bytes without control characters".to_owned());
        }
        match text.strip_prefix('~') {
            Some(pattern) => Self::compile(pattern).map(|_| Self::Regex(pattern.to_owned())),
            None if text == "*" => Ok(Self::Present),
            None => Ok(Self::Exact(text.to_owned())),
        }
    }

    /// The compiled form of a regex value.
    pub fn compile(pattern: &str) -> Result<regex::Regex, String> {
        RegexBuilder::new(pattern)
            .case_insensitive(true)
            .size_limit(MAX_REGEX_SIZE)
            .build()
            .map_err(|error| format!("is not a regular expression: {error}"))
    }
}

impl fmt::Display for HeaderPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present => f.write_str("*"),
            Self::Exact(text) => f.write_str(text),
            Self::Regex(pattern) => write!(f, "~{pattern}"),
        }
    }
}

impl TryFrom<String> for HeaderPattern {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<HeaderPattern> for String {
    fn from(pattern: HeaderPattern) -> Self {
        pattern.to_string()
    }
}

/// Reads the header rules of a draft: names become lower case, each with at least one value.
pub(super) fn validate(
    drafts: &BTreeMap<String, Vec<String>>,
    errors: &mut Errors,
) -> BTreeMap<String, Vec<HeaderPattern>> {
    if drafts.len() > MAX_HEADERS {
        errors.add(
            "headers",
            Code::OutOfRange,
            format!("has more than {MAX_HEADERS} names"),
        );
    }
    let mut headers = BTreeMap::new();
    for (name, values) in drafts {
        let path = format!("headers.{name}");
        let Ok(lower) = name.parse::<HeaderName>() else {
            errors.add(path, Code::Invalid, "is not a header name");
            continue;
        };
        if values.is_empty() {
            errors.add(path, Code::Required, "needs at least one value; `*` accepts any");
        }
        let mut patterns = Vec::with_capacity(values.len());
        for (index, value) in values.iter().enumerate() {
            match HeaderPattern::parse(value) {
                Ok(pattern) => patterns.push(pattern),
                Err(message) => errors.add(format!("headers.{name}.{index}"), Code::Invalid, message),
            }
        }
        headers.insert(lower.as_str().to_owned(), patterns);
    }
    headers
}
