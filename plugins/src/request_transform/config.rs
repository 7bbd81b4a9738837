//! What people set.

use http::{HeaderName, HeaderValue};
use model::{Code, Errors};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::filter::TransformFilter;
use crate::plugin::{Combine, Context, Filter, Phase, Plugin};

/// Headers that frame the message or that the gateway itself answers for.
const PROTECTED: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers and query parameters are changed before a request is forwarded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "Request transform")]
pub struct RequestTransform {
    /// Changes of request headers.
    pub headers: HeaderChanges,
    /// Changes of query parameters.
    pub query: QueryChanges,
}

/// Changes of request headers, made in the order in which they stand here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "Header changes")]
pub struct HeaderChanges {
    /// Headers that are not forwarded.
    #[schemars(length(max = 64))]
    pub remove: Vec<String>,
    /// Headers that are forwarded under another name.
    #[schemars(length(max = 64))]
    pub rename: Vec<Rename>,
    /// Headers that have exactly this value, whatever the client sent.
    #[schemars(length(max = 64))]
    pub set: Vec<Pair>,
    /// Headers that are sent besides those that the client sent.
    #[schemars(length(max = 64))]
    pub add: Vec<Pair>,
}

/// Changes of query parameters, made in the order in which they stand here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "Query changes")]
pub struct QueryChanges {
    /// Parameters that are not forwarded.
    #[schemars(length(max = 64))]
    pub remove: Vec<String>,
    /// Parameters that are forwarded under another name.
    #[schemars(length(max = 64))]
    pub rename: Vec<Rename>,
    /// Parameters that have exactly this value, whatever the client sent.
    #[schemars(length(max = 64))]
    pub set: Vec<Pair>,
    /// Parameters that are sent besides those that the client sent.
    #[schemars(length(max = 64))]
    pub add: Vec<Pair>,
}

/// A new name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Rename")]
pub struct Rename {
    /// The name that the client uses.
    pub from: String,
    /// The name that the service sees.
    pub to: String,
}

/// A name with a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Name and value")]
pub struct Pair {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

impl Plugin for RequestTransform {
    const NAME: &'static str = "request-transform";
    const TITLE: &'static str = "Request transform";
    const SUMMARY: &'static str = "Headers and query parameters are changed before a request is forwarded.";
    const ICON: &'static str = "replace";
    const PHASE: Phase = Phase::Transform;
    const COMBINE: Combine = Combine::All;

    fn validate(&self, errors: &mut Errors) {
        let HeaderChanges {
            remove,
            rename,
            set,
            add,
        } = &self.headers;
        check(remove, rename, [set, add], "headers", header_problem, errors);
        for (member, pairs) in [("set", set), ("add", add)] {
            for (index, pair) in pairs.iter().enumerate() {
                if HeaderValue::from_str(&pair.value).is_err() {
                    let path = format!("headers.{member}.{index}.value");
                    errors.add(path, Code::Invalid, "must be printable, without line breaks");
                }
            }
        }
        let QueryChanges {
            remove,
            rename,
            set,
            add,
        } = &self.query;
        check(remove, rename, [set, add], "query", parameter_problem, errors);
    }

    fn describe(&self) -> String {
        let (headers, query) = (&self.headers, &self.query);
        let counts = [
            ("removed", headers.remove.len() + query.remove.len()),
            ("renamed", headers.rename.len() + query.rename.len()),
            ("set", headers.set.len() + query.set.len()),
            ("added", headers.add.len() + query.add.len()),
        ];
        let words: Vec<String> = counts
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(word, count)| format!("{count} {word}"))
            .collect();
        if words.is_empty() {
            "Changes nothing".to_owned()
        } else {
            words.join(", ")
        }
    }

    fn filter(self, _context: &Context<'_>) -> Result<Box<dyn Filter>, String> {
        Ok(Box::new(TransformFilter::new(self)?))
    }
}

fn check(
    remove: &[String],
    rename: &[Rename],
    [set, add]: [&[Pair]; 2],
    part: &str,
    problem: fn(&str) -> Option<String>,
    errors: &mut Errors,
) {
    let removed = remove
        .iter()
        .enumerate()
        .map(|(index, name)| (format!("{part}.remove.{index}"), name));
    let from = rename
        .iter()
        .enumerate()
        .map(|(index, rename)| (format!("{part}.rename.{index}.from"), &rename.from));
    let to = rename
        .iter()
        .enumerate()
        .map(|(index, rename)| (format!("{part}.rename.{index}.to"), &rename.to));
    let set = set
        .iter()
        .enumerate()
        .map(|(index, pair)| (format!("{part}.set.{index}.name"), &pair.name));
    let add = add
        .iter()
        .enumerate()
        .map(|(index, pair)| (format!("{part}.add.{index}.name"), &pair.name));
    for (path, name) in removed.chain(from).chain(to).chain(set).chain(add) {
        if let Some(message) = problem(name) {
            errors.add(path, Code::Invalid, message);
        }
    }
}

fn header_problem(name: &str) -> Option<String> {
    let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else {
        return Some("must be a header name".to_owned());
    };
    let protected = PROTECTED.contains(&header.as_str());
    protected.then(|| format!("`{header}` belongs to the gateway and cannot be changed"))
}

fn parameter_problem(name: &str) -> Option<String> {
    let empty = name.is_empty() || name.chars().any(char::is_control);
    empty.then(|| "must be the name of a query parameter".to_owned())
}
