//! One field: a label, an input, help, and the error beside it.

use std::fmt;

use askama::Template;
use askama::filters::HtmlSafe;

use super::{Choice, Fields};

/// One row of a list or map.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    pub(super) path: String,
    pub(super) id: String,
    pub(super) key: String,
    pub(super) value: String,
    pub(super) error: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Kind {
    #[default]
    Text,
    Password,
    Email,
    Integer,
    Decimal,
    Area,
    Json,
    Words,
    Integers,
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
    pub(super) kind: Kind,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) label: String,
    pub(super) value: String,
    pub(super) error: String,
    pub(super) help: String,
    pub(super) placeholder: String,
    pub(super) value_placeholder: String,
    pub(super) unit: String,
    pub(super) autocomplete: String,
    pub(super) add: String,
    pub(super) choices: Vec<Choice>,
    pub(super) chosen: Vec<String>,
    pub(super) rows: Vec<Row>,
    pub(super) blank: Row,
    pub(super) mark: String,
    pub(super) height: usize,
    pub(super) optional: bool,
    pub(super) mono: bool,
    pub(super) disabled: bool,
    pub(super) focus: bool,
    pub(super) on: bool,
    pub(super) asked: bool,
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
    pub fn add_label(mut self, words: &str) -> Self {
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

    /// Shows no empty row before somebody asks for one.
    pub fn collapsed(mut self) -> Self {
        if !self.asked {
            self.rows.retain(|row| !(row.key.is_empty() && row.value.is_empty()));
        }
        self
    }

    /// Has the focus when the page opens.
    pub fn focus(mut self) -> Self {
        self.focus = true;
        self
    }

    /// How many choices there are.
    pub(crate) fn offers(&self) -> usize {
        self.choices.len()
    }

    pub(super) fn on_unless(mut self, default: bool) -> Self {
        self.on = if self.value.is_empty() {
            default
        } else {
            self.value == "true"
        };
        self
    }

    /// Takes over the error of an item, which has no input of its own here.
    pub(super) fn child_error(mut self, fields: &Fields) -> Self {
        if self.error.is_empty() {
            let prefix = format!("{}.", self.name);
            let of_item = fields.errors().iter().find(|error| error.path.starts_with(&prefix));
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
            Kind::Select => "_choice",
            Kind::Words => "_words",
            Kind::Integers => "_integers",
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
