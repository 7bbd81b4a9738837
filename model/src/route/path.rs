//! Path patterns of a route.

use std::fmt;

use regex::RegexBuilder;
use serde::{Deserialize, Serialize};

use super::canonical::{has_dot_segment, normalise};

/// The longest pattern, in bytes.
const MAX_PATTERN: usize = 1024;
/// The most memory that one compiled regex may take, in bytes.
pub const MAX_REGEX_SIZE: usize = 256 * 1024;

/// A path of a route, in one of four forms.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PathPattern {
    /// `/orders`: every path that begins with it, with no regard to segments.
    Prefix(String),
    /// `=/v1/pay`: this path only.
    Exact(String),
    /// `/users/{id}/{*rest}`: segments, some of them named.
    Parameters(Vec<Segment>),
    /// `~^/v\d+/`: a regular expression, anchored at the start.
    Regex(String),
}

/// One part of a parameter path, between slashes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Segment {
    /// This text.
    Literal(String),
    /// Any one non-empty segment.
    Parameter(String),
    /// All that is left, perhaps nothing; only at the end.
    Rest(String),
}

impl PathPattern {
    /// Reads a pattern; the error is a sentence for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_PATTERN {
            return Err(format!("must be at most {MAX_PATTERN} bytes"));
        }
        if let Some(regex) = text.strip_prefix('~') {
            return parse_regex(regex);
        }
        let (exact, path) = text.strip_prefix('=').map_or((false, text), |path| (true, path));
        if !path.starts_with('/') {
            return Err("must begin with `/`, `=/` or `~`".to_owned());
        }
        if path.contains(['?', '#', ' ', '\\']) || path.chars().any(char::is_control) {
            return Err("must not contain `?`, `#`, spaces, backslashes or control characters".to_owned());
        }
        if path.split('/').any(|segment| matches!(segment, "." | "..")) || path.contains("//") {
            return Err("must not contain `//`, `/./` or `/../`: no request has such a path".to_owned());
        }
        match (exact, path.contains(['{', '}'])) {
            (true, true) => Err("cannot be exact and have parameters".to_owned()),
            (true, false) => canonical_text(path).map(Self::Exact),
            (false, false) => canonical_text(path).map(Self::Prefix),
            (false, true) => parse_segments(path).map(Self::Parameters),
        }
    }

    /// The regular expression, compiled with the size limit; only for `Regex`.
    pub fn compile(pattern: &str) -> Result<regex::Regex, String> {
        let anchored = if pattern.starts_with('^') {
            pattern.to_owned()
        } else {
            format!("^(?:{pattern})")
        };
        RegexBuilder::new(&anchored)
            .size_limit(MAX_REGEX_SIZE)
            .build()
            .map_err(|error| format!("is not a regular expression: {}", last_line(&error.to_string())))
    }
}

/// The text as requests have it, so that both can be compared byte by byte.
fn canonical_text(text: &str) -> Result<String, String> {
    let canonical = normalise(text).map_err(|reason| format!("is a path that no request has: {reason}"))?;
    if has_dot_segment(&canonical) {
        return Err("must not contain `/./` or `/../`, plain or encoded: no request has such a path".to_owned());
    }
    Ok(canonical.into_owned())
}

fn parse_regex(pattern: &str) -> Result<PathPattern, String> {
    if pattern.is_empty() {
        return Err("has no expression after `~`".to_owned());
    }
    PathPattern::compile(pattern).map(|_| PathPattern::Regex(pattern.to_owned()))
}

fn parse_segments(path: &str) -> Result<Vec<Segment>, String> {
    let parts: Vec<&str> = path[1..].split('/').collect();
    let mut names: Vec<&str> = Vec::new();
    let mut segments = Vec::with_capacity(parts.len());
    for (index, part) in parts.iter().enumerate() {
        let Some(inner) = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
            if part.contains(['{', '}']) {
                return Err(format!(
                    "`{part}`: a parameter must be a whole segment, like `/{{id}}/`"
                ));
            }
            segments.push(Segment::Literal(canonical_text(part)?));
            continue;
        };
        let rest = inner.strip_prefix('*');
        let name = rest.unwrap_or(inner);
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name {
            return Err(format!("`{part}`: a parameter's name has letters, digits and `_` only"));
        }
        if names.contains(&name) {
            return Err(format!("the parameter `{name}` stands twice"));
        }
        names.push(name);
        if rest.is_some() && index + 1 != parts.len() {
            return Err(format!("`{part}` must be the last segment"));
        }
        let name = name.to_owned();
        segments.push(if rest.is_some() {
            Segment::Rest(name)
        } else {
            Segment::Parameter(name)
        });
    }
    Ok(segments)
}

/// The part of a regex error that says what is wrong; the rest draws the pattern again.
fn last_line(message: &str) -> &str {
    message.lines().last().unwrap_or(message).trim_start_matches("error: ")
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(text) => f.write_str(text),
            Self::Parameter(name) => write!(f, "{{{name}}}"),
            Self::Rest(name) => write!(f, "{{*{name}}}"),
        }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(path) => f.write_str(path),
            Self::Exact(path) => write!(f, "={path}"),
            Self::Regex(pattern) => write!(f, "~{pattern}"),
            Self::Parameters(segments) => segments.iter().try_for_each(|segment| write!(f, "/{segment}")),
        }
    }
}

impl TryFrom<String> for PathPattern {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<PathPattern> for String {
    fn from(pattern: PathPattern) -> Self {
        pattern.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_forms_are_told_apart_and_written_back() {
        for text in ["/", "/orders", "=/v1/pay", "/users/{id}/orders/{*rest}", r"~^/v\d+/"] {
            assert_eq!(PathPattern::parse(text).expect(text).to_string(), text);
        }
    }

    #[test]
    fn bad_patterns_say_why() {
        let cases = [
            ("orders", "begin with"),
            ("/a?b", "must not contain"),
            ("/a//b", "`//`"),
            ("/a/../b", "/../"),
            ("~^/([", "regular expression"),
            ("~", "no expression"),
            ("/{a}/{a}", "twice"),
            ("/{*a}/b", "last segment"),
            ("/x{a}", "whole segment"),
            ("/{a-b}", "letters"),
            ("=/{a}", "exact"),
        ];
        for (text, part) in cases {
            let message = PathPattern::parse(text).expect_err(text);
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn a_pattern_has_the_form_that_requests_have() {
        for (text, expected) in [
            ("/%61%2fb", "/a%2Fb"),
            ("=/ä", "=/%C3%A4"),
            ("/%7euser/{id}", "/~user/{id}"),
        ] {
            assert_eq!(PathPattern::parse(text).expect(text).to_string(), expected);
        }
        for text in ["/%2e%2e/a", "/a%2", "/a%252e", "=/a%00", "/..;x/{id}", "/%2e./{id}"] {
            assert!(PathPattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_regex_that_grows_without_bound_is_refused() {
        assert!(PathPattern::parse("~^/(a{1,1000}){1,1000}$").is_err());
    }
}
