//! What people set.

use std::fmt;

use http::{HeaderName, HeaderValue};
use model::{Code, Errors};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::filter::TransformFilter;
use crate::plugin::{Combine, Context, Filter, Phase, Plugin};
use crate::protected::is_protected;

/// Headers and query parameters are changed before a request is forwarded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "Request transform")]
pub struct RequestTransform {
    /// Changes of request headers.
    #[schemars(title = "Headers")]
    pub headers: HeaderChanges,
    /// Changes of query parameters.
    #[schemars(title = "Query parameters")]
    pub query: QueryChanges,
}

/// Changes of request headers, made in the order in which they stand here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "Header changes")]
pub struct HeaderChanges {
    /// Headers that are not forwarded.
    #[schemars(title = "Remove", length(max = 64), inner(length(min = 1, max = 128)))]
    pub remove: Vec<String>,
    /// Headers that are forwarded under another name, in place of any that the client sent under it.
    #[schemars(title = "Rename", length(max = 64))]
    pub rename: Vec<Rename>,
    /// Headers that have exactly this value, whatever the client sent.
    #[schemars(title = "Set", length(max = 64))]
    pub set: Vec<Pair>,
    /// Headers that are sent besides those that the client sent.
    #[schemars(title = "Add", length(max = 64))]
    pub add: Vec<Pair>,
}

/// Changes of query parameters, made in the order in which they stand here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "Query changes")]
pub struct QueryChanges {
    /// Parameters that are not forwarded.
    #[schemars(title = "Remove", length(max = 64), inner(length(min = 1, max = 128)))]
    pub remove: Vec<String>,
    /// Parameters that are forwarded under another name, in place of any that the client sent under it.
    #[schemars(title = "Rename", length(max = 64))]
    pub rename: Vec<Rename>,
    /// Parameters that have exactly this value, whatever the client sent.
    #[schemars(title = "Set", length(max = 64))]
    pub set: Vec<Pair>,
    /// Parameters that are sent besides those that the client sent.
    #[schemars(title = "Add", length(max = 64))]
    pub add: Vec<Pair>,
}

/// A new name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Rename")]
pub struct Rename {
    /// The name that the client uses.
    #[schemars(title = "From", length(min = 1, max = 128), example = &"x-tenant")]
    pub from: String,
    /// The name that the service sees.
    #[schemars(title = "To", length(min = 1, max = 128), example = &"x-tenant-id")]
    pub to: String,
}

/// A name with a value.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Name and value")]
pub struct Pair {
    /// The name.
    #[schemars(title = "Name", length(min = 1, max = 128), example = &"x-source")]
    pub name: String,
    /// The value.
    #[schemars(title = "Value", length(max = 8_192), example = &"gateway")]
    pub value: String,
}

impl fmt::Debug for Pair {
    /// Without the value, which may be the service's own key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Plugin for RequestTransform {
    const NAME: &'static str = "request-transform";
    const TITLE: &'static str = "Request transform";
    const SUMMARY: &'static str = "Headers and query parameters are changed before a request is forwarded.";
    const ICON: &'static str = "replace";
    const PHASE: Phase = Phase::Transform;
    const COMBINE: Combine = Combine::All;

    fn validate(&self, errors: &mut Errors) {
        for (path, name) in self.headers.names() {
            if let Some(message) = header_problem(name) {
                errors.add(format!("headers.{path}"), Code::Invalid, message);
            }
        }
        for (member, pairs) in [("set", &self.headers.set), ("add", &self.headers.add)] {
            for (index, pair) in pairs.iter().enumerate() {
                if HeaderValue::from_str(&pair.value).is_err() {
                    let path = format!("headers.{member}.{index}.value");
                    errors.add(path, Code::Invalid, "must be printable, without line breaks");
                }
            }
        }
        for (path, name) in self.query.names() {
            if name.is_empty() || name.chars().any(char::is_control) {
                errors.add(
                    format!("query.{path}"),
                    Code::Invalid,
                    "must be the name of a query parameter",
                );
            }
        }
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

impl HeaderChanges {
    fn names(&self) -> impl Iterator<Item = (String, &str)> {
        names(&self.remove, &self.rename, &self.set, &self.add)
    }
}

impl QueryChanges {
    fn names(&self) -> impl Iterator<Item = (String, &str)> {
        names(&self.remove, &self.rename, &self.set, &self.add)
    }
}

/// Every name with its path.
fn names<'a>(
    remove: &'a [String],
    rename: &'a [Rename],
    set: &'a [Pair],
    add: &'a [Pair],
) -> impl Iterator<Item = (String, &'a str)> {
    let renamed = |(index, rename): (usize, &'a Rename)| {
        let path = |end: &str| format!("rename.{index}.{end}");
        [(path("from"), rename.from.as_str()), (path("to"), rename.to.as_str())]
    };
    let paired = |member: &'static str| {
        move |(index, pair): (usize, &'a Pair)| (format!("{member}.{index}.name"), pair.name.as_str())
    };
    let removed = remove
        .iter()
        .enumerate()
        .map(|(index, name)| (format!("remove.{index}"), name.as_str()));
    removed
        .chain(rename.iter().enumerate().flat_map(renamed))
        .chain(set.iter().enumerate().map(paired("set")))
        .chain(add.iter().enumerate().map(paired("add")))
}

fn header_problem(name: &str) -> Option<String> {
    let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else {
        return Some("must be a header name".to_owned());
    };
    is_protected(&header).then(|| format!("is `{header}`, which belongs to the gateway and cannot be changed"))
}
