//! The form of a plugin's configuration, made from its JSON Schema.
//!
//! Known are: texts, numbers, switches, choices, lists, objects, lists of objects and maps. What a schema has
//! beyond that is edited as JSON, so that no plugin is ever without a form.

#[cfg(test)]
mod tests;

use std::fmt;

use askama::Template;
use askama::filters::HtmlSafe;
use serde_json::{Map, Value};

use crate::fields::{Choice, Field, Fields, id, mark, placeholder};
use crate::form::join;
use crate::text;

/// Schemas refer to each other at most so deep; what goes deeper refers to itself and is edited as JSON.
const MAX_DEPTH: usize = 8;

/// The form of a configuration.
#[derive(Debug, Clone)]
pub struct SchemaForm(Vec<Node>);

/// A field, or fields that belong together.
#[derive(Debug, Clone)]
enum Node {
    Field(Box<Field>),
    Group(Group),
    Rows(Box<Rows>),
}

#[derive(Debug, Clone, Template)]
#[template(path = "ui/schema_group.html")]
struct Group {
    path: String,
    label: String,
    help: String,
    error: String,
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Template)]
#[template(path = "ui/schema_rows.html")]
struct Rows {
    path: String,
    id: String,
    label: String,
    help: String,
    error: String,
    mark: String,
    noun: String,
    filled: Vec<ObjectRow>,
    blank: ObjectRow,
}

#[derive(Debug, Clone)]
struct ObjectRow {
    path: String,
    error: String,
    nodes: Vec<Node>,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => field.fmt(f),
            Self::Group(group) => group.fmt(f),
            Self::Rows(rows) => rows.fmt(f),
        }
    }
}

impl HtmlSafe for Node {}

impl fmt::Display for SchemaForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|node| node.fmt(f))
    }
}

impl HtmlSafe for SchemaForm {}

impl SchemaForm {
    /// The form of what `schema` describes, with the values of `fields` under `path`, else the schema's defaults.
    pub fn new(schema: &Value, path: &str, fields: &Fields) -> Self {
        let maker = Maker { root: schema };
        let whole = Object {
            schema,
            path,
            depth: 0,
            with_help: true,
        };
        Self(maker.members(&whole, fields))
    }
}

/// An object whose members become fields.
struct Object<'a> {
    schema: &'a Value,
    path: &'a str,
    depth: usize,
    /// Whether the members explain themselves; in rows, only the first one does.
    with_help: bool,
}

/// One member of an object, ready to become a field.
struct Member<'a> {
    schema: Map<String, Value>,
    path: &'a str,
    label: String,
    help: String,
    required: bool,
    depth: usize,
}

impl Member<'_> {
    fn get(&self, keyword: &str) -> Option<&Value> {
        self.schema.get(keyword)
    }

    fn is(&self, name: &str) -> bool {
        match self.get("type") {
            Some(Value::String(one)) => one == name,
            Some(Value::Array(several)) => several.iter().any(|one| one == name),
            _ => false,
        }
    }

    /// A value that may be left out and then means something of its own.
    fn is_optional(&self) -> bool {
        !self.required && self.get("default").is_none_or(Value::is_null)
    }
}

struct Maker<'a> {
    root: &'a Value,
}

impl Maker<'_> {
    /// The schema behind references and optionality, with what stands beside them.
    fn resolve(&self, schema: &Value) -> Map<String, Value> {
        let mut merged = schema.as_object().cloned().unwrap_or_default();
        for _ in 0..MAX_DEPTH {
            let inner = match (
                merged.get("$ref").and_then(Value::as_str),
                merged.get("anyOf"),
                merged.get("allOf"),
            ) {
                (Some(reference), ..) => reference
                    .strip_prefix('#')
                    .and_then(|pointer| self.root.pointer(pointer))
                    .cloned(),
                (_, Some(Value::Array(any)), _) => {
                    only(any.iter().filter(|one| one.get("type") != Some(&Value::from("null"))))
                }
                (.., Some(Value::Array(all))) => only(all.iter()),
                _ => None,
            };
            let Some(Value::Object(inner)) = inner else { break };
            for keyword in ["$ref", "anyOf", "allOf"] {
                merged.remove(keyword);
            }
            for (keyword, value) in inner {
                merged.entry(keyword).or_insert(value);
            }
        }
        merged
    }

    fn members(&self, object: &Object<'_>, fields: &Fields) -> Vec<Node> {
        let schema = self.resolve(object.schema);
        let required = |name: &str| {
            schema
                .get("required")
                .and_then(Value::as_array)
                .is_some_and(|all| all.iter().any(|one| one == name))
        };
        let properties = schema
            .get("properties")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        let nodes = properties.iter().map(|(name, property)| {
            let path = join(object.path, name);
            let schema = self.resolve(property);
            let help = schema
                .get("description")
                .and_then(Value::as_str)
                .filter(|_| object.with_help)
                .unwrap_or_default()
                .to_owned();
            let (label, _) = unit(name);
            let member = Member {
                help,
                label: label_of(property, label),
                path: &path,
                required: required(name),
                depth: object.depth,
                schema,
            };
            let default = member
                .get("default")
                .filter(|default| !default.is_null())
                .and_then(|default| fields.or_default(&path, default));
            self.node(&member, default.as_ref().unwrap_or(fields), name)
        });
        nodes.collect()
    }

    fn node(&self, member: &Member<'_>, fields: &Fields, name: &str) -> Node {
        let (path, label) = (member.path, member.label.as_str());
        if member.depth >= MAX_DEPTH {
            return with_help(member, fields.json(path, label));
        }
        if let Some(choices) = choices(&member.schema) {
            return choice(member, fields, choices);
        }
        if member.is("boolean") {
            return with_help(member, fields.toggle(path, label, false));
        }
        if member.is("integer") || member.is("number") {
            let field = if member.is("integer") {
                fields.number(path, label)
            } else {
                fields.decimal(path, label)
            };
            return with_help(member, field.unit(unit(name).1));
        }
        if member.is("string") {
            return with_help(member, fields.text(path, label));
        }
        if member.is("array") {
            return self.list(member, fields);
        }
        self.object(member, fields)
    }

    fn list(&self, member: &Member<'_>, fields: &Fields) -> Node {
        let Some(items) = member.get("items") else {
            return with_help(member, fields.json(member.path, &member.label));
        };
        let item = Member {
            schema: self.resolve(items),
            label: String::new(),
            help: String::new(),
            ..*member
        };
        if let Some(choices) = choices(&item.schema) {
            return with_help(member, fields.checks(member.path, &member.label, &choices));
        }
        if item.get("properties").is_some() {
            return self.rows(member, items, fields);
        }
        if !item.is("string") {
            return with_help(member, fields.json(member.path, &member.label));
        }
        let field = fields.list(member.path, &member.label).help(&member.help);
        let must = member.get("minItems").and_then(Value::as_u64).unwrap_or(0) > 0;
        Node::Field(Box::new(if must { field } else { field.collapsed() }))
    }

    fn rows(&self, member: &Member<'_>, items: &Value, fields: &Fields) -> Node {
        let filled = fields.value(member.path).and_then(Value::as_array).map_or(0, Vec::len);
        let must = member.get("minItems").and_then(Value::as_u64).unwrap_or(0) > 0;
        let more = usize::from(fields.wants_row(member.path) || (filled == 0 && must));
        let row = |path: String, with_help: bool| ObjectRow {
            error: fields.error(&path),
            nodes: self.members(
                &Object {
                    schema: items,
                    path: &path,
                    depth: member.depth + 1,
                    with_help,
                },
                fields,
            ),
            path,
        };
        let title = self
            .resolve(items)
            .get("title")
            .and_then(Value::as_str)
            .unwrap_or("row")
            .to_lowercase();
        Node::Rows(Box::new(Rows {
            path: member.path.to_owned(),
            id: id(member.path),
            label: member.label.clone(),
            help: member.help.clone(),
            error: fields.error(member.path),
            mark: mark(member.path),
            noun: title,
            filled: (0..filled + more)
                .map(|at| row(format!("{}.{at}", member.path), at == 0))
                .collect(),
            blank: row(format!("{}.{}", member.path, placeholder(member.path)), false),
        }))
    }

    fn object(&self, member: &Member<'_>, fields: &Fields) -> Node {
        if member.get("properties").is_some() {
            let schema = &Value::Object(member.schema.clone());
            let inner = Object {
                schema,
                path: member.path,
                depth: member.depth + 1,
                with_help: true,
            };
            return Node::Group(Group {
                path: member.path.to_owned(),
                label: member.label.clone(),
                help: member.help.clone(),
                error: fields.error(member.path),
                nodes: self.members(&inner, fields),
            });
        }
        let values = member.get("additionalProperties").map(|values| self.resolve(values));
        let kind = values
            .as_ref()
            .and_then(|values| values.get("type"))
            .and_then(Value::as_str);
        match kind {
            Some("string") => with_help(member, fields.map(member.path, &member.label).collapsed()),
            Some("array") => with_help(member, fields.multimap(member.path, &member.label).collapsed()),
            _ => with_help(member, fields.json(member.path, &member.label)),
        }
    }
}

/// The field with what the schema says about it.
fn with_help(member: &Member<'_>, field: Field) -> Node {
    let field = field.help(&member.help);
    let optional = member.is_optional() && !member.is("boolean");
    Node::Field(Box::new(if optional { field.optional() } else { field }))
}

fn choice(member: &Member<'_>, fields: &Fields, mut choices: Vec<Choice>) -> Node {
    if member.is_optional() {
        choices.insert(0, Choice::new("", "Not set"));
    }
    with_help(member, fields.select(member.path, &member.label, &choices))
}

fn only<'a>(mut schemas: impl Iterator<Item = &'a Value>) -> Option<Value> {
    let first = schemas.next().cloned();
    if schemas.next().is_some() { None } else { first }
}

/// The values that a schema lists, when it lists them.
fn choices(schema: &Map<String, Value>) -> Option<Vec<Choice>> {
    if let Some(Value::Array(values)) = schema.get("enum") {
        let texts = values.iter().filter_map(Value::as_str);
        return Some(texts.map(|value| Choice::new(value, text::label(value))).collect());
    }
    let Some(Value::Array(variants)) = schema.get("oneOf") else {
        return None;
    };
    let of_variant = |variant: &Value| {
        if let Some(Value::Array(values)) = variant.get("enum") {
            return Some(
                values
                    .iter()
                    .filter_map(Value::as_str)
                    .map(|value| Choice::new(value, text::label(value)))
                    .collect(),
            );
        }
        let value = variant.get("const")?.as_str()?;
        let words = variant
            .get("description")
            .and_then(Value::as_str)
            .map(first_clause)
            .unwrap_or_default();
        let label = if words.is_empty() { text::label(value) } else { words };
        Some(vec![Choice::new(value, label)])
    };
    let all: Option<Vec<Vec<Choice>>> = variants.iter().map(of_variant).collect();
    all.map(|all| all.into_iter().flatten().collect())
}

/// The beginning of a description, short enough for a choice.
fn first_clause(description: &str) -> String {
    let clause = description.split([';', ':', '\n']).next().unwrap_or_default();
    let clause = clause
        .split(". ")
        .next()
        .unwrap_or_default()
        .trim()
        .trim_end_matches('.');
    if clause.chars().count() <= 60 {
        clause.to_owned()
    } else {
        String::new()
    }
}

/// The title that a member has where it stands, else its name in words.
fn label_of(property: &Value, name: &str) -> String {
    let title = property.get("title").and_then(Value::as_str);
    title.map_or_else(|| text::label(name), str::to_owned)
}

/// The unit that a name ends with.
fn unit(name: &str) -> (&str, &'static str) {
    for (ending, unit) in [
        ("_seconds", "seconds"),
        ("_ms", "ms"),
        ("_bytes", "bytes"),
        ("_percent", "%"),
    ] {
        if let Some(name) = name.strip_suffix(ending) {
            return (name, unit);
        }
    }
    (name, "")
}
