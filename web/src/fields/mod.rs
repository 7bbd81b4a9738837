//! Form fields: each one a label, an input whose name is the path of its member, help, and the error beside it.

mod field;
mod rows;

use model::Errors;
use serde::Serialize;
use serde_json::Value;

use crate::form::{Form, value_at};
use crate::text;
pub use field::Field;
use field::Kind;

/// The values and errors of a form that is shown.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    value: Value,
    errors: Errors,
    extra: Option<String>,
}

/// One of several values to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What is sent.
    pub value: String,
    /// What people read.
    pub label: String,
    /// A sentence about it, where one is needed.
    pub help: String,
}

impl Choice {
    /// A choice.
    pub fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            label: label.into(),
            help: String::new(),
        }
    }

    /// With a sentence about it.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}

impl Fields {
    /// An empty form.
    pub fn empty() -> Self {
        Self::default()
    }

    /// A form with the values of a stored object.
    pub fn of(object: &impl Serialize) -> Self {
        Self {
            value: serde_json::to_value(object).unwrap_or_default(),
            ..Self::default()
        }
    }

    /// The form as it was sent, with what its fields themselves complain about.
    pub fn typed(form: &Form) -> Self {
        let extra = form.button("_add").map(str::to_owned);
        Self {
            value: form.typed().clone(),
            errors: form.errors().clone(),
            extra,
        }
    }

    /// With what the operation complains about; what a field said already stays.
    pub fn with_errors(mut self, errors: &Errors) -> Self {
        for error in errors {
            self.errors.add(error.path.as_str(), error.code, error.message.as_str());
        }
        self
    }

    /// All errors.
    pub fn errors(&self) -> &Errors {
        &self.errors
    }

    /// The value at a path.
    pub fn value(&self, path: &str) -> Option<&Value> {
        value_at(&self.value, path)
    }

    /// The value at a path, as it stands in an input.
    pub fn shown(&self, path: &str) -> String {
        self.value(path).map(shown).unwrap_or_default()
    }

    /// The error at a path.
    pub fn error(&self, path: &str) -> String {
        self.errors
            .at(path)
            .map(|error| text::sentence(&error.message))
            .unwrap_or_default()
    }

    /// Whether somebody asked for one row more of the list at this path.
    pub(crate) fn wants_row(&self, path: &str) -> bool {
        self.extra.as_deref() == Some(path)
    }

    /// The same form, where `path` has `value` if it has none yet.
    pub(crate) fn or_default(&self, path: &str, value: &Value) -> Option<Self> {
        if self.value(path).is_some() {
            return None;
        }
        // Nothing below the path is there, so an outline of it is all that a field asks for.
        let mut whole = value.clone();
        for part in path.rsplit('.').filter(|part| !part.is_empty()) {
            whole = serde_json::json!({ part: whole });
        }
        Some(Self {
            value: whole,
            errors: self.errors.clone(),
            extra: self.extra.clone(),
        })
    }

    fn field(&self, kind: Kind, name: &str, label: &str) -> Field {
        let value = match kind {
            Kind::Password => String::new(),
            Kind::Lines => lines(self.value(name)),
            _ => self.shown(name),
        };
        Field {
            kind,
            id: id(name),
            name: name.to_owned(),
            label: label.to_owned(),
            value,
            error: self.error(name),
            ..Field::default()
        }
    }

    /// A line of text.
    pub fn text(&self, name: &str, label: &str) -> Field {
        self.field(Kind::Text, name, label)
    }

    /// A password, which is never shown again.
    pub fn password(&self, name: &str, label: &str) -> Field {
        self.field(Kind::Password, name, label)
    }

    /// An e-mail address.
    pub fn email(&self, name: &str, label: &str) -> Field {
        self.field(Kind::Email, name, label)
    }

    /// A whole number.
    pub fn number(&self, name: &str, label: &str) -> Field {
        self.field(Kind::Integer, name, label)
    }

    /// A number.
    pub fn decimal(&self, name: &str, label: &str) -> Field {
        self.field(Kind::Decimal, name, label)
    }

    /// Several lines of text.
    pub fn area(&self, name: &str, label: &str) -> Field {
        self.field(Kind::Area, name, label)
    }

    /// Several lines of code.
    pub fn code(&self, name: &str, label: &str) -> Field {
        self.field(Kind::Area, name, label).mono()
    }

    /// Several lines that are secret, and never shown again.
    pub fn secret(&self, name: &str, label: &str) -> Field {
        Field {
            value: String::new(),
            ..self.field(Kind::Area, name, label).mono()
        }
    }

    /// JSON.
    pub fn json(&self, name: &str, label: &str) -> Field {
        let mut field = self.field(Kind::Json, name, label).mono();
        if let Some(value) = self.value(name).filter(|value| !value.is_string() && !value.is_null()) {
            field.value = serde_json::to_string_pretty(value).unwrap_or_default();
        }
        field
    }

    /// Words between commas.
    pub fn words(&self, name: &str, label: &str) -> Field {
        self.field(Kind::Words, name, label).child_error(self)
    }

    /// Whole numbers between commas.
    pub fn integers(&self, name: &str, label: &str) -> Field {
        self.field(Kind::Integers, name, label).child_error(self)
    }

    /// One item per line.
    pub fn lines(&self, name: &str, label: &str) -> Field {
        self.field(Kind::Lines, name, label).child_error(self)
    }

    /// One of several values.
    pub fn select(&self, name: &str, label: &str, choices: &[Choice]) -> Field {
        Field {
            choices: choices.to_vec(),
            ..self.field(Kind::Select, name, label)
        }
    }

    /// A switch; without a value it is on or off as `default` says.
    pub fn toggle(&self, name: &str, label: &str, default: bool) -> Field {
        self.field(Kind::Toggle, name, label).on_unless(default)
    }

    /// A box to tick.
    pub fn checkbox(&self, name: &str, label: &str) -> Field {
        self.field(Kind::Checkbox, name, label).on_unless(false)
    }

    /// Several of several values, each with a box.
    pub fn checks(&self, name: &str, label: &str, choices: &[Choice]) -> Field {
        let chosen: Vec<String> = self.items(name).iter().map(shown).collect();
        Field {
            choices: choices.to_vec(),
            chosen,
            ..self.field(Kind::Checks, name, label)
        }
        .child_error(self)
    }

    /// A value that is sent along and not shown.
    pub fn hidden(&self, name: &str) -> Field {
        self.field(Kind::Hidden, name, "")
    }
}

/// A value as it stands in an input.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn lines(value: Option<&Value>) -> String {
    match value {
        Some(Value::Array(items)) => items.iter().map(shown).collect::<Vec<_>>().join("\n"),
        Some(other) => shown(other),
        None => String::new(),
    }
}

/// The id of the input of a path; error summaries link to it.
pub fn id(path: &str) -> String {
    format!("f-{}", path.replace('.', "-"))
}

/// What the island replaces by the index of a new row; lists in lists each have their own.
pub(crate) fn mark(path: &str) -> String {
    format!(
        "{:x}",
        path.bytes()
            .fold(5_381_u32, |hash, byte| hash.wrapping_mul(33) ^ u32::from(byte))
    )
}

pub(crate) fn placeholder(path: &str) -> String {
    format!("__{}__", mark(path))
}
