//! Reads OpenAPI 3 documents for people: operations, parameters, bodies, answers, schemas.
//!
//! Documents come from anywhere, so nothing in them is relied on: what is missing is left out, references that lead in
//! circles end, and everything has a bound.

mod reader;
mod schema;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use reader::Reader;

/// The most operations of a document that are shown.
const MAX_OPERATIONS: usize = 500;
/// The most named schemas of a document that are shown.
const MAX_SCHEMAS: usize = 200;
/// Methods, in the order in which they are listed.
const METHODS: [&str; 7] = ["get", "post", "put", "patch", "delete", "head", "options"];

/// Operations that are listed together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// Their tag.
    pub name: String,
    /// What they have in common.
    pub description: String,
    /// The operations, by path.
    pub operations: Vec<Operation>,
}

/// An operation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Operation {
    /// Part of its address: the operation id, or method and path.
    pub id: String,
    /// The method, upper case.
    pub method: String,
    /// The path, with parameters in braces.
    pub path: String,
    /// What it does, in a few words.
    pub summary: String,
    /// What it does, at length.
    pub description: String,
    /// The group that it is listed in.
    pub tag: String,
    /// Whether it should not be used any more.
    pub deprecated: bool,
    /// Its parameters.
    pub parameters: Vec<Member>,
    /// Its request body, when it takes one.
    pub body: Option<Body>,
    /// Its answers, by status.
    pub responses: Vec<Response>,
}

/// A parameter, or a member of a body.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Member {
    /// Its name; nested members have dotted names.
    pub name: String,
    /// Where it stands: `path`, `query`, `header`, `cookie` or `body`.
    pub place: String,
    /// What it is, in words: `string`, `integer, 1 to 99`, `array of Order`.
    pub kind: String,
    /// The named schema that it is, or is an array of.
    pub schema: Option<String>,
    /// Whether it must be given.
    pub required: bool,
    /// What it means.
    pub description: String,
    /// A value that the document gives.
    pub example: Option<Value>,
}

/// A body.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Body {
    /// Its media type.
    pub media_type: String,
    /// What it is, in words.
    pub kind: String,
    /// The named schema that it is, or is an array of.
    pub schema: Option<String>,
    /// Its members, when it is an object.
    pub members: Vec<Member>,
    /// An example, given or made up from the schema.
    pub example: Option<Value>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Response {
    /// Its status, or `default`.
    pub status: String,
    /// What it means.
    pub description: String,
    /// Its body, when it has one.
    pub body: Option<Body>,
}

/// A named schema.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Schema {
    /// Its name.
    pub name: String,
    /// What it stands for.
    pub description: String,
    /// Its members.
    pub members: Vec<Member>,
}

/// Where a document says that keys are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPlace {
    /// In this header.
    Header(String),
    /// In this query parameter.
    Query(String),
    /// As `Authorization: Bearer`.
    Bearer,
}

/// How many operations a document has.
pub fn count_operations(document: &Value) -> usize {
    let paths = document["paths"].as_object();
    paths.map_or(0, |paths| {
        let methods = |item: &Value| METHODS.iter().filter(|method| item[**method].is_object()).count();
        paths.values().map(methods).sum::<usize>().min(MAX_OPERATIONS)
    })
}

/// The operations of a document by path, since the database does not keep the order of members.
pub fn operations(document: &Value) -> Vec<Operation> {
    let reader = Reader::new(document);
    let (mut operations, mut ids) = (Vec::new(), BTreeSet::new());
    for (path, item) in sorted(&document["paths"]) {
        let item = reader.resolve(item);
        for method in METHODS {
            if item[method].is_object() && operations.len() < MAX_OPERATIONS {
                let mut operation = reader.operation(path, method, item);
                if !ids.insert(operation.id.clone()) {
                    operation.id = format!("{}-{}", operation.id, operations.len());
                }
                operations.push(operation);
            }
        }
    }
    operations
}

/// The operations by group: first the groups that the document describes, in its order.
pub fn groups(document: &Value) -> Vec<Group> {
    let described = document["tags"].as_array().into_iter().flatten().map(|tag| Group {
        name: text(&tag["name"]),
        description: text(&tag["description"]),
        operations: Vec::new(),
    });
    let mut groups: Vec<Group> = described.take(MAX_OPERATIONS).collect();
    for operation in operations(document) {
        match groups.iter_mut().find(|group| group.name == operation.tag) {
            Some(group) => group.operations.push(operation),
            None => groups.push(Group {
                name: operation.tag.clone(),
                description: String::new(),
                operations: vec![operation],
            }),
        }
    }
    groups.retain(|group| !group.operations.is_empty());
    groups
}

/// The named schemas that have members, by name.
pub fn schemas(document: &Value) -> Vec<Schema> {
    let reader = Reader::new(document);
    let read = |(name, schema): (&String, &Value)| Schema {
        name: name.clone(),
        description: text(&schema["description"]),
        members: reader.members(schema, Some(name)),
    };
    sorted(&document["components"]["schemas"])
        .into_iter()
        .map(read)
        .filter(|schema| !schema.members.is_empty())
        .take(MAX_SCHEMAS)
        .collect()
}

/// Where callers send their key; without a word about it, in `X-API-Key`.
pub fn key_place(document: &Value) -> KeyPlace {
    let schemes = document["components"]["securitySchemes"].as_object();
    let place = |scheme: &Value| {
        let name = || scheme["name"].as_str().map(str::to_owned);
        match (
            scheme["type"].as_str()?,
            scheme["in"].as_str(),
            scheme["scheme"].as_str(),
        ) {
            ("apiKey", Some("header"), _) => name().map(KeyPlace::Header),
            ("apiKey", Some("query"), _) => name().map(KeyPlace::Query),
            ("http", _, Some(scheme)) if scheme.eq_ignore_ascii_case("bearer") => Some(KeyPlace::Bearer),
            _ => None,
        }
    };
    let mut places = schemes.into_iter().flatten().filter_map(|(_, scheme)| place(scheme));
    places
        .next()
        .unwrap_or_else(|| KeyPlace::Header("X-API-Key".to_owned()))
}

/// The introduction of a document.
pub fn introduction(document: &Value) -> String {
    text(&document["info"]["description"])
}

fn sorted(object: &Value) -> Vec<(&String, &Value)> {
    let mut members: Vec<_> = object.as_object().into_iter().flatten().collect();
    members.sort_by_key(|(name, _)| *name);
    members
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
