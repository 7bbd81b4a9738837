//! Reading forms: the fields become the JSON that the REST API would get, so both make the same drafts.
//!
//! A field's name is the path of its member: `hosts.0`, `config.limits.1.requests` (also `hosts[]`, `limits[1].requests`).
//! Everything in a form is text; a hidden field says of a path what it means (`_integer`, `_boolean`, …).

mod reader;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::rt::time::timeout;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use control::Precondition;
use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use model::{Draft, Errors, Submission};
use serde_json::Value;
use url::form_urlencoded;

use crate::error::PageError;
use crate::visit::Visit;
pub(crate) use reader::join;
use reader::{Meaning, Node, Reader, path_of, without_nulls};

/// The largest form; an OpenAPI document fits.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;
/// The largest form of somebody who is not signed in: names, addresses and passwords fit.
const MAX_STRANGERS_BYTES: usize = 16 * 1024;
/// How long a form may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);
const MAX_FIELDS: usize = 1_000;

/// A form that was sent, proven to come from a page of ours.
#[derive(Debug, Clone, Default)]
pub struct Form {
    typed: Value,
    json: Value,
    errors: Errors,
    maps: Vec<String>,
    buttons: HashMap<String, String>,
}

impl Form {
    /// Reads an urlencoded body.
    pub fn parse(body: &[u8]) -> Result<Self, PageError> {
        let pairs: Vec<_> = form_urlencoded::parse(body).take(MAX_FIELDS + 1).collect();
        if pairs.len() > MAX_FIELDS {
            return Err(PageError::BadForm(format!("has more than {MAX_FIELDS} fields")));
        }
        let removed = pairs
            .iter()
            .find(|(name, _)| name == "_remove")
            .map(|(_, path)| path.clone().into_owned());
        let is_removed = |name: &str| removed.as_deref().is_some_and(|path| is_within(name, path));
        let mut buttons = HashMap::new();
        let mut meanings = HashMap::new();
        let mut root = Node::default();
        for (name, value) in pairs {
            let value = value.into_owned();
            match Meaning::parse(&name) {
                Some(_) if is_removed(&value) => {}
                Some(meaning) => {
                    if meaning.stands_alone() {
                        root.branch(&path_of(&value)?);
                    }
                    meanings.insert(value, meaning);
                }
                None if name.starts_with('_') || name == "csrf" => drop(buttons.insert(name.into_owned(), value)),
                None if is_removed(&name) => {}
                None => root.insert(&path_of(&name)?, value),
            }
        }
        meanings.insert(String::new(), Meaning::Object);
        let mut reader = Reader {
            meanings: &meanings,
            errors: Errors::new(),
            maps: Vec::new(),
        };
        let read = reader.read(root, "", "");
        let Reader { errors, maps, .. } = reader;
        Ok(Self {
            typed: read.typed,
            json: read.json,
            errors,
            maps,
            buttons,
        })
    }

    /// The members as the body of a REST request would have them; what was left empty is not there.
    pub fn json(&self) -> Value {
        without_nulls(self.json.clone())
    }

    /// The members as a merge patch (RFC 7396) on the stored object: what was left empty is `null`, and so is
    /// every entry of a map that has no row any more. What the form does not know stays.
    pub fn patch(&self, stored: &Value) -> Value {
        let mut patch = self.json.clone();
        for path in &self.maps {
            let pointer = format!("/{}", path.replace('.', "/"));
            let (Some(Value::Object(now)), Some(Value::Object(before))) =
                (patch.pointer_mut(&pointer), stored.pointer(&pointer))
            else {
                continue;
            };
            for name in before.keys() {
                now.entry(name.as_str()).or_insert(Value::Null);
            }
        }
        patch
    }

    /// Which version of the object the form was made from, so that nobody's change is overwritten unseen.
    pub fn precondition(&self) -> Precondition {
        Precondition(self.button("_version").and_then(|version| version.parse().ok()))
    }

    /// What was typed, to show it again.
    pub(crate) fn typed(&self) -> &Value {
        &self.typed
    }

    /// Text that is not what its field asks for, such as letters for a number.
    pub fn errors(&self) -> &Errors {
        &self.errors
    }

    /// The draft that the same members in a REST body would make.
    pub fn submission<D: Draft>(&self) -> Submission<D> {
        D::read(&self.json())
    }

    /// The text at a path, without space around it; empty when there is none.
    pub fn text(&self, path: &str) -> &str {
        value_at(&self.typed, path)
            .and_then(Value::as_str)
            .map(str::trim)
            .unwrap_or_default()
    }

    /// The value of a field whose name begins with `_`, such as the button that was pressed.
    pub fn button(&self, name: &str) -> Option<&str> {
        self.buttons.get(name).map(String::as_str)
    }

    /// Whether a button asked for one row more or less, so that nothing is to be saved yet: show the form again.
    pub fn is_editing(&self) -> bool {
        self.button("_add").is_some() || self.button("_remove").is_some()
    }

    /// Whether a name that had to be typed to confirm was.
    pub fn confirms(&self, name: &str) -> bool {
        self.button("_confirm").is_some_and(|typed| typed.trim() == name)
    }
}

impl FromRequest for Form {
    type Error = PageError;
    type Future = LocalBoxFuture<'static, Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let visit = Visit::of(request);
        let header = request
            .headers()
            .get("x-csrf-token")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let mut payload = payload.take();
        Box::pin(async move {
            let visit = visit?;
            let most = if visit.session().is_some() {
                MAX_BYTES
            } else {
                MAX_STRANGERS_BYTES
            };
            let form = Self::parse(&read(&mut payload, most, PATIENCE).await?)?;
            let token = header
                .or_else(|| form.button("csrf").map(str::to_owned))
                .unwrap_or_default();
            if visit.accepts(&token) {
                Ok(form)
            } else {
                Err(PageError::StaleForm)
            }
        })
    }
}

async fn read(payload: &mut Payload, most: usize, patience: Duration) -> Result<Bytes, PageError> {
    let whole = async {
        let mut body = Vec::new();
        while let Some(piece) = payload.next().await {
            let piece = piece.map_err(|_| PageError::BadForm("ended early".to_owned()))?;
            if body.len() + piece.len() > most {
                return Err(PageError::FormTooLarge(most));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body.into())
    };
    timeout(patience, whole)
        .await
        .map_err(|_| PageError::FormTooSlow(patience))?
}

/// The value at a dotted path.
pub(crate) fn value_at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.')
        .filter(|part| !part.is_empty())
        .try_fold(value, |value, part| match value {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?),
            other => other.get(part),
        })
}

fn is_within(name: &str, path: &str) -> bool {
    name.strip_prefix(path)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
