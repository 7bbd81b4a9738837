//! Form fields: each one a label, an input whose name is the path of its member, help, and the error beside it.

use std::fmt;

use askama::Template;
use askama::filters::HtmlSafe;
use model::Errors;
use serde::Serialize;
use serde_json::Value;

use crate::form::{Form, value_at};

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
    pub fn with_errors(mut self, errors: Errors) -> Self {
        for error in &errors {
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
            .map(|error| crate::text::sentence(&error.message))
            .unwrap_or_default()
    }

    /// How many empty rows a list at this path shows: one when somebody asked for it, or when it has none.
    pub(crate) fn spare_rows(&self, path: &str, filled: usize) -> usize {
        usize::from(filled == 0 || self.extra.as_deref() == Some(path))
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

    /// A list of texts, one row each.
    pub fn list(&self, name: &str, label: &str) -> Field {
        let items = self.items(name);
        let mut rows: Vec<Row> = items
            .iter()
            .enumerate()
            .map(|(at, item)| self.row(name, at, "", shown(item)))
            .collect();
        rows.extend(
            (0..self.spare_rows(name, rows.len())).map(|more| self.row(name, items.len() + more, "", String::new())),
        );
        let blank = Row {
            path: format!("{name}.{}", placeholder(name)),
            ..Row::default()
        };
        Field {
            rows,
            blank,
            mark: mark(name),
            ..self.field(Kind::List, name, label)
        }
    }

    /// Names with one value each.
    pub fn map(&self, name: &str, label: &str) -> Field {
        self.pairs(Kind::Map, name, label)
    }

    /// Names with any number of values.
    pub fn multimap(&self, name: &str, label: &str) -> Field {
        self.pairs(Kind::MultiMap, name, label)
    }

    fn pairs(&self, kind: Kind, name: &str, label: &str) -> Field {
        let pairs = pairs(self.value(name));
        let mut rows: Vec<Row> = Vec::new();
        for (at, (key, value)) in pairs.iter().enumerate() {
            let mut row = self.row(name, at, key, value.clone());
            // The operation knows the entry by its name, the form by its row.
            let of_value = self
                .errors
                .iter()
                .find(|error| error.path.starts_with(&format!("{name}.{key}.")));
            let of_name = self.error(&format!("{name}.{key}"));
            if row.error.is_empty() {
                row.error = if of_name.is_empty() {
                    of_value.map(|e| crate::text::sentence(&e.message)).unwrap_or_default()
                } else {
                    of_name
                };
            }
            rows.push(row);
        }
        rows.extend(
            (0..self.spare_rows(name, rows.len())).map(|more| self.row(name, pairs.len() + more, "", String::new())),
        );
        let blank = Row {
            path: format!("{name}.{}", placeholder(name)),
            ..Row::default()
        };
        Field {
            rows,
            blank,
            mark: mark(name),
            ..self.field(kind, name, label)
        }
    }

    fn row(&self, name: &str, at: usize, key: &str, value: String) -> Row {
        let path = format!("{name}.{at}");
        Row {
            error: self.error(&path),
            id: id(&path),
            path,
            key: key.to_owned(),
            value,
        }
    }

    fn items(&self, name: &str) -> Vec<Value> {
        match self.value(name) {
            Some(Value::Array(items)) => items.clone(),
            Some(Value::String(text)) if !text.is_empty() => text
                .split([',', ' ', '\n'])
                .filter(|w| !w.is_empty())
                .map(Value::from)
                .collect(),
            _ => Vec::new(),
        }
    }
}

fn pairs(value: Option<&Value>) -> Vec<(String, String)> {
    match value {
        Some(Value::Object(map)) => map
            .iter()
            .flat_map(|(name, value)| match value {
                Value::Array(values) => values.iter().map(|value| (name.clone(), shown(value))).collect(),
                value => vec![(name.clone(), shown(value))],
            })
            .collect(),
        Some(Value::Array(rows)) => {
            let text = |row: &Value, member: &str| row.get(member).map(shown).unwrap_or_default();
            rows.iter().map(|row| (text(row, "name"), text(row, "value"))).collect()
        }
        _ => Vec::new(),
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

/// One row of a list or map.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    path: String,
    id: String,
    key: String,
    value: String,
    error: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Kind {
    #[default]
    Text,
    Password,
    Email,
    Integer,
    Decimal,
    Area,
    Json,
    Words,
    Lines,
    Select,
    Toggle,
    Checkbox,
    Checks,
    Hidden,
    List,
    Map,
    MultiMap,
}

/// One field, printed by its template.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "ui/field.html")]
pub struct Field {
    kind: Kind,
    id: String,
    name: String,
    label: String,
    value: String,
    error: String,
    help: String,
    placeholder: String,
    value_placeholder: String,
    unit: String,
    autocomplete: String,
    add: String,
    choices: Vec<Choice>,
    chosen: Vec<String>,
    rows: Vec<Row>,
    blank: Row,
    mark: String,
    height: usize,
    optional: bool,
    mono: bool,
    disabled: bool,
    focus: bool,
    on: bool,
}

impl Field {
    /// A sentence below the input.
    pub fn help(mut self, help: impl fmt::Display) -> Self {
        self.help = help.to_string();
        self
    }

    /// May be left empty, and says so; what is required does not.
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// An example in the empty input.
    pub fn placeholder(mut self, example: impl fmt::Display) -> Self {
        self.placeholder = example.to_string();
        self
    }

    /// An example in the empty value of a map's row.
    pub fn value_placeholder(mut self, example: impl fmt::Display) -> Self {
        self.value_placeholder = example.to_string();
        self
    }

    /// What the number counts, at its right.
    pub fn unit(mut self, unit: impl fmt::Display) -> Self {
        self.unit = unit.to_string();
        self
    }

    /// What browsers and password managers may fill in.
    pub fn autocomplete(mut self, what: &str) -> Self {
        what.clone_into(&mut self.autocomplete);
        self
    }

    /// The words on the button that adds a row.
    pub fn add(mut self, words: &str) -> Self {
        words.clone_into(&mut self.add);
        self
    }

    /// In the font of code.
    pub fn mono(mut self) -> Self {
        self.mono = true;
        self
    }

    /// The height of an area, in lines.
    pub fn height(mut self, lines: usize) -> Self {
        self.height = lines;
        self
    }

    /// Cannot be changed here.
    pub fn disabled(mut self) -> Self {
        self.disabled = true;
        self
    }

    /// Has the focus when the page opens.
    pub fn focus(mut self) -> Self {
        self.focus = true;
        self
    }

    fn on_unless(mut self, default: bool) -> Self {
        self.on = if self.value.is_empty() {
            default
        } else {
            self.value == "true"
        };
        self
    }

    /// Takes over the error of an item, which has no input of its own here.
    fn child_error(mut self, fields: &Fields) -> Self {
        if self.error.is_empty() {
            let prefix = format!("{}.", self.name);
            let of_item = fields.errors.iter().find(|error| error.path.starts_with(&prefix));
            self.error = of_item
                .map(|error| crate::text::sentence(&error.message))
                .unwrap_or_default();
        }
        self
    }

    /// What tells the server how to read the text.
    fn marker(&self) -> &'static str {
        match self.kind {
            Kind::Integer => "_integer",
            Kind::Decimal => "_number",
            Kind::Toggle | Kind::Checkbox => "_boolean",
            Kind::Words => "_words",
            Kind::Lines => "_lines",
            Kind::List | Kind::Checks => "_list",
            Kind::Map => "_map",
            Kind::MultiMap => "_multimap",
            Kind::Json => "_json",
            _ => "",
        }
    }

    fn input_type(&self) -> &'static str {
        match self.kind {
            Kind::Password => "password",
            Kind::Email => "email",
            _ => "text",
        }
    }

    fn input_mode(&self) -> &'static str {
        match self.kind {
            Kind::Integer => "numeric",
            Kind::Decimal => "decimal",
            _ => "",
        }
    }

    fn is_chosen(&self, choice: &Choice) -> bool {
        if self.kind == Kind::Checks {
            self.chosen.contains(&choice.value)
        } else {
            self.value == choice.value
        }
    }

    /// The ids of help and error, for screen readers.
    fn described(&self) -> String {
        let parts = [(!self.error.is_empty(), "e"), (!self.help.is_empty(), "h")];
        let ids: Vec<String> = parts
            .iter()
            .filter(|(there, _)| *there)
            .map(|(_, what)| format!("{}-{what}", self.id))
            .collect();
        ids.join(" ")
    }

    fn area_height(&self) -> usize {
        if self.height == 0 { 4 } else { self.height }
    }

    fn is_pairs(&self) -> bool {
        matches!(self.kind, Kind::Map | Kind::MultiMap)
    }
}

impl HtmlSafe for Field {}
