//! From pairs of text to JSON: names become a tree, and every text gets the meaning its page gave it.

use std::collections::HashMap;

use model::{Code, Errors};
use serde_json::{Map, Value};

use crate::error::PageError;

const MAX_DEPTH: usize = 16;

/// What the text at a path means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Integer,
    Number,
    Boolean,
    /// One of several values; alone it does not fill a row.
    Choice,
    /// Words between commas or spaces.
    Words,
    /// Whole numbers between commas or spaces.
    Integers,
    /// One item per line.
    Lines,
    /// A list, even when no row of it is filled.
    List,
    /// Rows of `name` and `value` that become an object.
    Map,
    /// The same, where a name may come several times.
    MultiMap,
    /// An object, even when nothing in it is filled.
    Object,
    Json,
}

impl Meaning {
    pub(super) fn parse(marker: &str) -> Option<Self> {
        Some(match marker {
            "_integer" => Self::Integer,
            "_number" => Self::Number,
            "_boolean" => Self::Boolean,
            "_choice" => Self::Choice,
            "_words" => Self::Words,
            "_integers" => Self::Integers,
            "_lines" => Self::Lines,
            "_list" => Self::List,
            "_map" => Self::Map,
            "_multimap" => Self::MultiMap,
            "_object" => Self::Object,
            "_json" => Self::Json,
            _ => return None,
        })
    }

    /// Whether the path exists although none of its fields were sent.
    pub(super) fn stands_alone(self) -> bool {
        matches!(self, Self::List | Self::Map | Self::MultiMap | Self::Object)
    }
}

/// The parts of a name; `a[0].b` and `a.0.b` are the same, `a[]` is the next item of `a`.
pub(super) fn path_of(name: &str) -> Result<Vec<String>, PageError> {
    let dotted = name.replace("[]", ".+").replace('[', ".").replace(']', "");
    let parts: Vec<String> = dotted
        .split('.')
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect();
    if parts.is_empty() || parts.len() > MAX_DEPTH {
        return Err(PageError::BadForm(format!(
            "has a field whose name has {} parts",
            parts.len()
        )));
    }
    Ok(parts)
}

/// The fields as they came, before anything is known of their meaning.
#[derive(Debug, Default)]
pub(super) struct Node {
    text: Option<String>,
    children: Vec<(String, Node)>,
}

impl Node {
    pub(super) fn branch(&mut self, path: &[String]) -> &mut Self {
        path.iter().fold(self, |node, part| {
            let part = if part == "+" {
                node.children.len().to_string()
            } else {
                part.clone()
            };
            let known = node.children.iter().position(|(name, _)| *name == part);
            let at = known.unwrap_or_else(|| {
                node.children.push((part, Self::default()));
                node.children.len() - 1
            });
            &mut node.children[at].1
        })
    }

    /// The last one counts: a checkbox follows the hidden field that says what no tick means.
    pub(super) fn insert(&mut self, path: &[String], text: String) {
        self.branch(path).text = Some(text);
    }

    fn is_list(&self) -> bool {
        !self.children.is_empty() && self.children.iter().all(|(name, _)| name.parse::<u32>().is_ok())
    }
}

/// A part of the form, twice: as it was typed, and as JSON.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) typed: Value,
    pub(super) json: Value,
    blank: bool,
}

/// Gives the fields their meaning.
pub(super) struct Reader<'a> {
    pub(super) meanings: &'a HashMap<String, Meaning>,
    pub(super) errors: Errors,
    /// Where objects stand whose members are named by people.
    pub(super) maps: Vec<String>,
}

impl Reader<'_> {
    /// `came` is the path in the form, `path` the one after empty rows were left out.
    pub(super) fn read(&mut self, node: Node, came: &str, path: &str) -> Read {
        let meaning = self.meanings.get(came).copied();
        match meaning {
            Some(Meaning::List) => self.list(node, came, path),
            Some(Meaning::Map | Meaning::MultiMap) => {
                self.maps.push(path.to_owned());
                let read = self.list(node, came, path);
                Read {
                    json: map_of(read.json, meaning == Some(Meaning::MultiMap)),
                    ..read
                }
            }
            Some(Meaning::Object) => self.object(node, came, path),
            _ if node.is_list() => self.list(node, came, path),
            _ if !node.children.is_empty() => self.object(node, came, path),
            _ => self.leaf(node.text.unwrap_or_default(), meaning, path),
        }
    }

    fn object(&mut self, node: Node, came: &str, path: &str) -> Read {
        let (mut typed, mut json, mut blank) = (Map::new(), Map::new(), true);
        for (name, child) in node.children {
            let read = self.read(child, &join(came, &name), &join(path, &name));
            typed.insert(name.clone(), read.typed);
            json.insert(name, read.json);
            blank &= read.blank;
        }
        Read {
            typed: Value::Object(typed),
            json: Value::Object(json),
            blank,
        }
    }

    /// Rows in which nothing was filled are left out, so later ones move up.
    fn list(&mut self, mut node: Node, came: &str, path: &str) -> Read {
        node.children
            .sort_by_key(|(name, _)| name.parse::<u32>().unwrap_or(u32::MAX));
        let (mut typed, mut json) = (Vec::new(), Vec::new());
        for (name, child) in node.children {
            let here = join(path, &typed.len().to_string());
            let read = self.read(child, &join(came, &name), &here);
            if !read.blank {
                typed.push(read.typed);
                json.push(without_nulls(read.json));
            }
        }
        let blank = typed.is_empty();
        Read {
            typed: Value::Array(typed),
            json: Value::Array(json),
            blank,
        }
    }

    fn leaf(&mut self, text: String, meaning: Option<Meaning>, path: &str) -> Read {
        let filled = !text.trim().is_empty();
        let blank = !filled || matches!(meaning, Some(Meaning::Boolean | Meaning::Choice));
        let json = match meaning {
            Some(Meaning::Words) => items(&text, |c| c == ',' || c.is_whitespace()),
            Some(Meaning::Integers) => self.integers(&text, path),
            Some(Meaning::Lines) => items(&text, |c| c == '\n' || c == '\r'),
            _ if !filled => Value::Null,
            Some(meaning) => self.typed_leaf(text.trim(), meaning, path),
            None => Value::from(text.as_str()),
        };
        Read {
            typed: Value::String(text),
            json,
            blank,
        }
    }

    fn integers(&mut self, text: &str, path: &str) -> Value {
        let Value::Array(words) = items(text, |c| c == ',' || c.is_whitespace()) else {
            return Value::Null;
        };
        // The numbers share one input, so what is wrong with one of them is told of all.
        let read = |word: &Value| self.typed_leaf(word.as_str().unwrap_or_default(), Meaning::Integer, path);
        words.iter().map(read).collect()
    }

    fn typed_leaf(&mut self, text: &str, meaning: Meaning, path: &str) -> Value {
        let read = match meaning {
            Meaning::Boolean => Ok(Value::Bool(text == "true")),
            Meaning::Integer => text
                .parse::<i64>()
                .map(Value::from)
                .map_err(|_| "must be a whole number".to_owned()),
            Meaning::Number => {
                let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
                number.map(Value::from).ok_or_else(|| "must be a number".to_owned())
            }
            Meaning::Json => serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}")),
            _ => Ok(Value::from(text)),
        };
        read.unwrap_or_else(|message| {
            self.errors.add(path, Code::WrongType, message);
            Value::from(text)
        })
    }
}

fn items(text: &str, separator: fn(char) -> bool) -> Value {
    text.split(separator)
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(Value::from)
        .collect()
}

pub(crate) fn join(path: &str, part: &str) -> String {
    if path.is_empty() {
        part.to_owned()
    } else {
        format!("{path}.{part}")
    }
}

/// The same without members that were left empty.
pub(super) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let filled = members.into_iter().filter(|(_, value)| !value.is_null());
            filled.map(|(name, value)| (name, without_nulls(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

fn map_of(rows: Value, several: bool) -> Value {
    let Value::Array(rows) = rows else { return rows };
    let mut map = Map::new();
    for mut row in rows {
        let name = row
            .get("name")
            .and_then(Value::as_str)
            .map(str::trim)
            .unwrap_or_default()
            .to_owned();
        let value = row.get_mut("value").map_or_else(|| Value::from(""), Value::take);
        match (several, map.get_mut(&name)) {
            (true, Some(Value::Array(values))) => values.push(value),
            (true, _) => drop(map.insert(name, Value::Array(vec![value]))),
            (false, _) => drop(map.insert(name, value)),
        }
    }
    Value::Object(map)
}
