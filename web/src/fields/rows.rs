//! Fields with rows: lists of texts, and names with values.

use serde_json::Value;

use super::field::{Field, Kind, Row};
use super::{Fields, id, mark, placeholder, shown};
use crate::text;

impl Fields {
    /// A list of texts, one row each.
    pub fn list(&self, name: &str, label: &str) -> Field {
        let texts = self
            .items(name)
            .iter()
            .map(shown)
            .map(|text| (String::new(), text))
            .collect();
        self.rows(Kind::List, name, label, texts)
    }

    /// Names with one value each.
    pub fn map(&self, name: &str, label: &str) -> Field {
        self.rows(Kind::Map, name, label, pairs(self.value(name)))
    }

    /// Names with any number of values.
    pub fn multimap(&self, name: &str, label: &str) -> Field {
        self.rows(Kind::MultiMap, name, label, pairs(self.value(name)))
    }

    fn rows(&self, kind: Kind, name: &str, label: &str, mut entries: Vec<(String, String)>) -> Field {
        let asked = self.wants_row(name);
        if asked || entries.is_empty() {
            entries.push((String::new(), String::new()));
        }
        let rows = entries
            .into_iter()
            .enumerate()
            .map(|(at, entry)| self.row(name, at, entry))
            .collect();
        let blank = Row {
            path: format!("{name}.{}", placeholder(name)),
            ..Row::default()
        };
        Field {
            rows,
            blank,
            asked,
            mark: mark(name),
            ..self.field(kind, name, label)
        }
    }

    fn row(&self, name: &str, at: usize, (key, value): (String, String)) -> Row {
        let path = format!("{name}.{at}");
        let mut error = self.error(&path);
        if error.is_empty() && !key.is_empty() {
            error = self.error_of_entry(&format!("{name}.{key}"));
        }
        Row {
            error,
            id: id(&path),
            path,
            key,
            value,
        }
    }

    /// The operation knows an entry by its name, the form by its row.
    fn error_of_entry(&self, path: &str) -> String {
        let below = format!("{path}.");
        let found = self
            .errors()
            .iter()
            .find(|error| error.path == path || error.path.starts_with(&below));
        found.map(|error| text::sentence(&error.message)).unwrap_or_default()
    }

    pub(super) fn items(&self, name: &str) -> Vec<Value> {
        match self.value(name) {
            Some(Value::Array(items)) => items.clone(),
            Some(Value::String(text)) => text
                .split([',', ' ', '\n'])
                .filter(|word| !word.is_empty())
                .map(Value::from)
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// The entries of a stored object, or of the rows that were typed.
fn pairs(value: Option<&Value>) -> Vec<(String, String)> {
    let several = |name: &String, value: &Value| match value {
        Value::Array(values) => values.iter().map(|value| (name.clone(), shown(value))).collect(),
        value => vec![(name.clone(), shown(value))],
    };
    let text = |row: &Value, member: &str| row.get(member).map(shown).unwrap_or_default();
    match value {
        Some(Value::Object(map)) => map.iter().flat_map(|(name, value)| several(name, value)).collect(),
        Some(Value::Array(rows)) => rows.iter().map(|row| (text(row, "name"), text(row, "value"))).collect(),
        _ => Vec::new(),
    }
}
