//! Everything that is wrong with a draft, each error at the path of its member.
//!
//! A path is at once the JSON member and the name of the HTML input: `hosts.0`, `config.limits.1.requests`.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What kind of mistake an error reports, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// A member that must be given is missing or empty.
    Required,
    /// The value has the wrong form.
    Invalid,
    /// The value has the wrong JSON type.
    WrongType,
    /// No such member exists.
    UnknownMember,
    /// The number, length or count is outside its bounds.
    OutOfRange,
    /// Another object has this unique value.
    Taken,
    /// The named object does not exist.
    NotFound,
    /// Two values that exclude each other, or another object that cannot be told apart.
    Conflict,
}

/// One mistake: where, what kind, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// The member, as a dotted path; empty for the object as a whole.
    #[schema(example = "hosts.0")]
    pub path: String,
    /// A sentence part that follows the member's name.
    #[schema(example = "must be a host name without a path")]
    pub message: String,
    /// The kind of mistake.
    pub code: Code,
}

/// What is odd about an object that is valid all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Warning {
    /// The member, as a dotted path; empty for the object as a whole.
    #[schema(example = "paths")]
    pub path: String,
    /// A sentence part that follows the member's name.
    #[schema(example = "never match: route `all` takes every such request first")]
    pub message: String,
}

/// All mistakes of one draft, at most one for each path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Errors(Vec<FieldError>);

impl Errors {
    /// No errors yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Exactly one error.
    pub fn one(path: impl Into<String>, code: Code, message: impl Into<String>) -> Self {
        let mut errors = Self::new();
        errors.add(path, code, message);
        errors
    }

    /// Adds an error; the first one for a path stays, later ones only follow from it.
    pub fn add(&mut self, path: impl Into<String>, code: Code, message: impl Into<String>) {
        let path = path.into();
        if self.at(&path).is_none() {
            self.0.push(FieldError {
                path,
                message: message.into(),
                code,
            });
        }
    }

    /// Adds another list, each of its paths under `prefix`.
    pub fn nest(&mut self, prefix: &str, inner: Errors) {
        for error in inner.0 {
            let path = if error.path.is_empty() {
                prefix.to_owned()
            } else {
                format!("{prefix}.{}", error.path)
            };
            self.add(path, error.code, error.message);
        }
    }

    /// The error at exactly this path.
    pub fn at(&self, path: &str) -> Option<&FieldError> {
        self.0.iter().find(|error| error.path == path)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The errors in the order they were found.
    pub fn iter(&self) -> std::slice::Iter<'_, FieldError> {
        self.0.iter()
    }

    /// The value when there are no errors, else the errors.
    pub fn into_result<T>(self, value: Option<T>) -> Result<T, Errors> {
        match value {
            Some(value) if self.is_empty() => Ok(value),
            _ => Err(self),
        }
    }
}

impl<'a> IntoIterator for &'a Errors {
    type Item = &'a FieldError;
    type IntoIter = std::slice::Iter<'a, FieldError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}`{}` {}", error.path, error.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

/// The known word nearest to `word`, when it is near enough to be a slip of the finger.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let allowed = (word.chars().count() / 2).clamp(1, 3);
    known
        .iter()
        .map(|candidate| (edit_distance(word, candidate), *candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The error text for a word that is not among the known ones, with a hint when one is near.
pub fn unknown_word(what: &str, word: &str, known: &[&str]) -> String {
    let word: String = word.chars().take(64).collect();
    match nearest(&word, known) {
        Some(near) => format!("unknown {what} `{word}`, did you mean `{near}`?"),
        None => format!("unknown {what} `{word}`; known are {}", known.join(", ")),
    }
}

fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replace = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_of_a_path_stays() {
        let mut errors = Errors::one("name", Code::Required, "is required");
        errors.add("name", Code::Invalid, "is odd");
        assert_eq!(errors.iter().count(), 1);
        assert_eq!(errors.at("name").map(|error| error.code), Some(Code::Required));
    }

    #[test]
    fn a_slip_of_the_finger_gets_a_hint() {
        assert_eq!(nearest("pathes", &["hosts", "paths"]), Some("paths"));
        assert_eq!(nearest("colour", &["hosts", "paths"]), None);
    }
}
