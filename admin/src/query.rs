//! Query parameters: what an operation knows, checked all at once before it runs.

use control::{ListQuery, list};
use model::validation::unknown_word;
use model::{Code, Errors};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::problem::Problem;

/// A parameter that an operation knows.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it does.
    pub(crate) about: String,
    /// What it takes.
    pub(crate) form: Form,
}

/// What a parameter takes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    /// Any text.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number in these bounds.
    Number(i64, i64),
    /// One of these words.
    Word(&'static [&'static str]),
    /// A point in time, RFC 3339.
    Time,
}

impl Parameter {
    /// A parameter.
    pub(crate) fn new(name: &'static str, form: Form, about: impl Into<String>) -> Self {
        Self {
            name,
            about: about.into(),
            form,
        }
    }

    /// Those of lists that are ordered by time alone.
    pub(crate) fn of_pages() -> [Self; 3] {
        [
            Self::new(
                "limit",
                Form::Number(1, list::MAX_LIMIT),
                "The most items of the page; default 50.",
            ),
            Self::new(
                "cursor",
                Form::Text,
                "Where the page begins: `next_cursor` of the page before.",
            ),
            Self::new(
                "q",
                Form::Text,
                "Only objects with this text in name or another word that people know them by.",
            ),
        ]
    }

    /// Those of lists of stored nouns.
    pub(crate) fn of_lists() -> Vec<Self> {
        let tags = "Only objects with these tags: `a,b` asks for both, `a/b` for either.";
        let mut all = Self::of_pages().to_vec();
        all.push(Self::new("tags", Form::Text, tags));
        all.push(Self::new(
            "sort",
            Form::Word(&list::SORTS),
            "The order; `-` turns it round; default `name`.",
        ));
        all
    }

    /// Those of everything that writes configuration.
    pub(crate) fn of_writes() -> [Self; 3] {
        [
            Self::new("dry_run", Form::Flag, "Says what would happen and stores nothing."),
            Self::new(
                "wait",
                Form::Word(&["all", "any"]),
                "Holds the answer until all gateways, or the first, run it.",
            ),
            Self::new(
                "timeout",
                Form::Text,
                "How long to wait at most, such as `2s` or `500ms`; default `2s`, at most `30s`.",
            ),
        ]
    }

    /// Its JSON Schema.
    pub(crate) fn schema(&self) -> Value {
        match self.form {
            Form::Text => json!({"type": "string"}),
            Form::Flag => json!({"type": "boolean"}),
            Form::Number(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
            Form::Word(words) => json!({"type": "string", "enum": words}),
            Form::Time => json!({"type": "string", "format": "date-time"}),
        }
    }

    fn check(&self, value: &str, errors: &mut Errors) {
        match self.form {
            Form::Text | Form::Time => {}
            Form::Flag if matches!(value, "true" | "false") => {}
            Form::Flag => errors.add(self.name, Code::Invalid, "must be `true` or `false`"),
            Form::Number(least, most) => match value.parse::<i64>() {
                Ok(number) if (least..=most).contains(&number) => {}
                _ => errors.add(self.name, Code::OutOfRange, format!("must be {least} to {most}")),
            },
            Form::Word(words) if words.contains(&value) => {}
            Form::Word(words) => errors.add(self.name, Code::Invalid, unknown_word("word", value, words)),
        }
    }
}

/// The query of a request, of which everything is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query string; what is unknown, given twice or not of its form is an error.
    pub(crate) fn read(text: &str, known: &[Parameter]) -> Result<Self, Problem> {
        let mut errors = Errors::new();
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            let (name, value) = (name.into_owned(), value.trim().to_owned());
            if pairs.iter().any(|(other, _)| *other == name) {
                errors.add(name, Code::Conflict, "is given more than once");
                continue;
            }
            match known.iter().find(|parameter| parameter.name == name) {
                None => {
                    let names: Vec<&str> = known.iter().map(|parameter| parameter.name).collect();
                    let message = match names.as_slice() {
                        [] => "is unknown: this operation takes no query parameters".to_owned(),
                        names => unknown_word("parameter", &name, names),
                    };
                    errors.add(name.chars().take(64).collect::<String>(), Code::UnknownMember, message);
                    continue;
                }
                Some(_) if value.contains('\0') => {
                    errors.add(name.as_str(), Code::Invalid, "must not contain the character NUL");
                }
                // An empty text narrows nothing; an empty flag would be a guess.
                Some(parameter) if !value.is_empty() || matches!(parameter.form, Form::Flag) => {
                    parameter.check(&value, &mut errors);
                }
                Some(_) => {}
            }
            pairs.push((name, value));
        }
        if errors.is_empty() {
            Ok(Self(pairs))
        } else {
            Err(control::Error::InvalidQuery(errors).into())
        }
    }

    /// The value of a parameter that is not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let value = self
            .0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str());
        value.filter(|value| !value.is_empty())
    }

    /// Whether a flag is set.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// The query as that of a list with these filters.
    pub(crate) fn list(&self, filters: &[&str]) -> Result<ListQuery, Problem> {
        Ok(ListQuery::read(&self.0, filters)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors_of(text: &str) -> String {
        let known = Parameter::of_lists();
        Query::read(text, &known).map_or_else(|problem| problem.to_string(), |_| String::new())
    }

    #[test]
    fn an_unknown_parameter_is_named_with_the_one_that_was_meant() {
        assert!(
            errors_of("lmit=3").contains("did you mean `limit`"),
            "{}",
            errors_of("lmit=3")
        );
        assert_eq!(errors_of("limit=3&q=&sort=-name"), "");
    }

    #[test]
    fn a_parameter_counts_once_and_in_its_form() {
        for text in ["limit=3&limit=4", "limit=0", "limit=x", "sort=size", "q=%00"] {
            assert_ne!(errors_of(text), "", "{text}");
        }
    }
}
