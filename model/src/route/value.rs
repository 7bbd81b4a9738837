//! What the value of a header or of a query parameter must be.

use std::collections::BTreeMap;
use std::fmt;

use regex::RegexBuilder;
use serde::{Deserialize, Serialize};

use super::path::MAX_REGEX_SIZE;
use crate::validation::{Code, Errors};

/// The most names one route may ask for, of headers and of query parameters each.
const MAX_NAMES: usize = 16;
/// The most values that one name may have.
const MAX_VALUES: usize = 32;

/// What a value must be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ValuePattern {
    /// `*`: any value, as long as the name is there.
    Present,
    /// This text.
    Exact(String),
    /// `~…`: a regular expression that must match somewhere in the value.
    Regex(String),
}

/// Whether values are compared with regard to case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// `a` is not `A`: query parameters.
    Kept,
    /// `a` is `A`: headers.
    Ignored,
}

impl ValuePattern {
    /// Reads a pattern; the error is a sentence for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > 1024 || text.chars().any(char::is_control) {
            return Err("must be at most 1024 bytes without control characters".to_owned());
        }
        match text.strip_prefix('~') {
            // Without regard to case an expression is at its largest, so the size limit holds for both.
            Some(pattern) => Self::compile(pattern, Case::Ignored).map(|_| Self::Regex(pattern.to_owned())),
            None if text == "*" => Ok(Self::Present),
            None => Ok(Self::Exact(text.to_owned())),
        }
    }

    /// The compiled form of a regex value.
    pub fn compile(pattern: &str, case: Case) -> Result<regex::Regex, String> {
        RegexBuilder::new(pattern)
            .case_insensitive(case == Case::Ignored)
            .size_limit(MAX_REGEX_SIZE)
            .build()
            .map_err(|error| format!("is not a regular expression: {error}"))
    }

    /// Whether every value that `other` accepts is accepted; of two regexes only equal ones are known to be.
    pub(super) fn covers(&self, other: &Self, case: Case) -> bool {
        match (self, other) {
            (Self::Present, _) => true,
            (Self::Exact(one), Self::Exact(other)) => match case {
                Case::Kept => one == other,
                Case::Ignored => one.eq_ignore_ascii_case(other),
            },
            (Self::Regex(pattern), Self::Exact(text)) => {
                Self::compile(pattern, case).is_ok_and(|regex| regex.is_match(text))
            }
            (Self::Regex(one), Self::Regex(other)) => one == other,
            _ => false,
        }
    }
}

impl fmt::Display for ValuePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present => f.write_str("*"),
            Self::Exact(text) => f.write_str(text),
            Self::Regex(pattern) => write!(f, "~{pattern}"),
        }
    }
}

impl TryFrom<String> for ValuePattern {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<ValuePattern> for String {
    fn from(pattern: ValuePattern) -> Self {
        pattern.to_string()
    }
}

/// Names with the values that each may have.
pub type Values = BTreeMap<String, Vec<ValuePattern>>;

/// Reads the names and values of `member`; `read_name` brings a name to the form in which names are compared.
pub(super) fn validate(
    member: &str,
    drafts: &BTreeMap<String, Vec<String>>,
    read_name: impl Fn(&str) -> Result<String, &'static str>,
    errors: &mut Errors,
) -> Values {
    if drafts.len() > MAX_NAMES {
        errors.add(member, Code::OutOfRange, format!("has more than {MAX_NAMES} names"));
    }
    let mut valid = Values::new();
    for (name, texts) in drafts {
        let path = format!("{member}.{name}");
        match read_name(name) {
            Ok(name) => drop(valid.insert(name, validate_values(&path, texts, errors))),
            Err(message) => errors.add(path, Code::Invalid, message),
        }
    }
    valid
}

fn validate_values(path: &str, texts: &[String], errors: &mut Errors) -> Vec<ValuePattern> {
    if texts.is_empty() {
        errors.add(path, Code::Required, "needs at least one value; `*` accepts any");
    }
    if texts.len() > MAX_VALUES {
        errors.add(path, Code::OutOfRange, format!("has more than {MAX_VALUES} values"));
    }
    let mut patterns = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match ValuePattern::parse(text) {
            Ok(pattern) => patterns.push(pattern),
            Err(message) => errors.add(format!("{path}.{index}"), Code::Invalid, message),
        }
    }
    patterns
}

/// The name of a header, in lower case.
pub(super) fn header_name(name: &str) -> Result<String, &'static str> {
    let parsed = name.parse::<http::HeaderName>();
    parsed
        .map(|name| name.as_str().to_owned())
        .map_err(|_| "is not a header name")
}

/// The name of a query parameter, as it is once decoded.
pub(super) fn query_name(name: &str) -> Result<String, &'static str> {
    if name.is_empty() || name.len() > 256 || name.chars().any(char::is_control) {
        return Err("must have 1 to 256 bytes without control characters");
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(one: &str, other: &str, case: Case) -> bool {
        let pattern = |text: &str| ValuePattern::parse(text).expect("a pattern");
        pattern(one).covers(&pattern(other), case)
    }

    #[test]
    fn a_wider_value_covers_a_narrower_one() {
        for (one, other) in [("*", "x"), ("*", "~x"), ("x", "X"), ("~^x", "xy"), ("~x", "~x")] {
            assert!(covers(one, other, Case::Ignored), "{one} over {other}");
        }
        for (one, other) in [("x", "*"), ("x", "y"), ("~^x", "ax"), ("~x", "~xx"), ("x", "~x")] {
            assert!(!covers(one, other, Case::Ignored), "{one} over {other}");
        }
        assert!(!covers("x", "X", Case::Kept));
    }
}
