//! What a change did to an object: its members before and after, line by line.

use std::fmt;

use askama::Template;
use askama::filters::HtmlSafe;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

/// Unchanged lines that are kept around a change.
const CONTEXT: usize = 3;
/// Members that change with every write and say nothing.
const NOISE: [&str; 3] = ["version", "updated_at", "created_at"];

/// A line of a diff.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    class: &'static str,
    old: String,
    new: String,
    sign: &'static str,
    text: String,
}

/// The difference between two states of an object.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "ui/diff.html")]
pub struct Diff {
    lines: Vec<Line>,
    /// How many lines came.
    pub added: usize,
    /// How many lines went.
    pub removed: usize,
}

impl Diff {
    /// Compares two states; a missing one is an object that was not there.
    pub fn of(before: Option<&Value>, after: Option<&Value>) -> Self {
        let (old, new) = (
            before.map(outline).unwrap_or_default(),
            after.map(outline).unwrap_or_default(),
        );
        let diff = TextDiff::from_lines(old.as_str(), new.as_str());
        let mut lines = Vec::new();
        let (mut added, mut removed) = (0, 0);
        for group in diff.grouped_ops(CONTEXT) {
            let starts_later = group
                .first()
                .is_some_and(|first| first.old_range().start > 0 || first.new_range().start > 0);
            if starts_later {
                lines.push(Line {
                    class: "fold",
                    old: String::new(),
                    new: String::new(),
                    sign: "",
                    text: "⋯".to_owned(),
                });
            }
            for change in group.iter().flat_map(|operation| diff.iter_changes(operation)) {
                let (class, sign) = match change.tag() {
                    ChangeTag::Delete => ("del", "-"),
                    ChangeTag::Insert => ("add", "+"),
                    ChangeTag::Equal => ("", " "),
                };
                added += usize::from(change.tag() == ChangeTag::Insert);
                removed += usize::from(change.tag() == ChangeTag::Delete);
                let number = |index: Option<usize>| index.map(|index| (index + 1).to_string()).unwrap_or_default();
                let text = change.value().trim_end_matches('\n').to_owned();
                lines.push(Line {
                    class,
                    old: number(change.old_index()),
                    new: number(change.new_index()),
                    sign,
                    text,
                });
            }
        }
        Self { lines, added, removed }
    }

    /// Whether both states are the same.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

impl HtmlSafe for Diff {}

/// The members as an indented outline, one per line, without what always changes.
fn outline(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(members) => {
            for (name, value) in members.iter().filter(|(name, _)| !NOISE.contains(&name.as_str())) {
                entry(&mut text, 0, &format!("{}: ", key(name)), value);
            }
        }
        other => text.push_str(&scalar(other)),
    }
    text
}

fn entry(text: &mut String, depth: usize, lead: &str, value: &Value) {
    let indent = "  ".repeat(depth);
    match value {
        // The first member of an item stands beside its dash, the others below it.
        Value::Object(members) if !members.is_empty() && lead == "- " => {
            let mut block = String::new();
            for (name, value) in members {
                entry(&mut block, depth + 1, &format!("{}: ", key(name)), value);
            }
            block.replace_range(indent.len()..indent.len() + 2, lead);
            text.push_str(&block);
        }
        Value::Object(members) if !members.is_empty() => {
            line(text, &indent, lead.trim_end());
            for (name, value) in members {
                entry(text, depth + 1, &format!("{}: ", key(name)), value);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            line(text, &indent, lead.trim_end());
            for item in items {
                entry(text, depth + 1, "- ", item);
            }
        }
        other => line(text, &indent, &format!("{lead}{}", scalar(other))),
    }
}

fn line(text: &mut String, indent: &str, words: &str) {
    for part in [indent, words, "\n"] {
        text.push_str(part);
    }
}

/// A member's name; one that could be read as something else is quoted.
fn key(name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-./".contains(c));
    if plain {
        name.to_owned()
    } else {
        Value::from(name).to_string()
    }
}

/// Text without quotes where it cannot be taken for something else; one line in any case.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text)
            if !text.is_empty() && !text.contains(char::is_control) && text.trim() == text && !ambiguous(text) =>
        {
            text.clone()
        }
        other => other.to_string(),
    }
}

fn ambiguous(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok()
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.sign, self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_changed_member_goes_and_comes() {
        let before = json!({"name": "a", "limits": [{"requests": 400, "per": "minute"}], "version": 1});
        let after = json!({"name": "a", "limits": [{"requests": 600, "per": "minute"}], "version": 2});
        let diff = Diff::of(Some(&before), Some(&after));
        assert_eq!((diff.added, diff.removed), (1, 1));
        let html = diff.to_string();
        assert!(html.contains("requests: 400") && html.contains("requests: 600") && !html.contains("version"));
    }

    #[test]
    fn a_new_object_only_comes() {
        let diff = Diff::of(None, Some(&json!({"name": "a", "tags": []})));
        assert_eq!((diff.added, diff.removed), (2, 0));
        assert!(Diff::of(Some(&json!({"a": 1})), Some(&json!({"a": 1}))).is_empty());
    }

    #[test]
    fn text_that_looks_like_a_number_differs_from_the_number() {
        assert!(!Diff::of(Some(&json!({"a": 1})), Some(&json!({"a": "1"}))).is_empty());
    }

    proptest! {
        #[test]
        fn every_member_is_one_line(name in "\\PC{0,12}", text in any::<String>()) {
            let lines = outline(&json!({ name: text }));
            prop_assert_eq!(lines.lines().count(), 1);
        }
    }
}
