//! Reading forms: the fields become the JSON that the REST API would get, so both make the same drafts.
//!
//! A field's name is the path of its member: `hosts.0`, `config.limits.1.requests` (also `hosts[]`, `limits[1].requests`).
//! Everything in a form is text; a hidden field says of a path what it means (`_integer`, `_boolean`, …).

use std::collections::HashMap;

use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest, dev::Payload};
use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use model::{Code, Draft, Errors, Submission};
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::error::PageError;
use crate::visit::Visit;

/// The largest form; an OpenAPI document fits.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;
const MAX_FIELDS: usize = 5_000;
const MAX_DEPTH: usize = 16;

/// What the text at a path means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Integer,
    Number,
    Boolean,
    /// Words between commas or spaces.
    Words,
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
    fn parse(marker: &str) -> Option<Self> {
        Some(match marker {
            "_integer" => Self::Integer,
            "_number" => Self::Number,
            "_boolean" => Self::Boolean,
            "_words" => Self::Words,
            "_lines" => Self::Lines,
            "_list" => Self::List,
            "_map" => Self::Map,
            "_multimap" => Self::MultiMap,
            "_object" => Self::Object,
            "_json" => Self::Json,
            _ => return None,
        })
    }
}

/// A form that was sent, proven to come from a page of ours.
#[derive(Debug, Clone, Default)]
pub struct Form {
    typed: Value,
    json: Value,
    errors: Errors,
    buttons: HashMap<String, String>,
}

impl Form {
    /// Reads an urlencoded body.
    pub fn parse(body: &[u8]) -> Result<Self, PageError> {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(body)
            .take(MAX_FIELDS + 1)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        if pairs.len() > MAX_FIELDS {
            return Err(PageError::BadForm(format!("has more than {MAX_FIELDS} fields")));
        }
        let mut form = Self::default();
        let mut meanings = HashMap::new();
        let mut root = Node::default();
        let removed = pairs
            .iter()
            .find(|(name, _)| name == "_remove")
            .map(|(_, path)| path.clone());
        for (name, value) in pairs {
            if let Some(meaning) = Meaning::parse(&name) {
                meanings.insert(value, meaning);
            } else if name.starts_with('_') || name == "csrf" {
                form.buttons.insert(name, value);
            } else if !removed.as_ref().is_some_and(|path| is_within(&name, path)) {
                root.insert(&path_of(&name)?, value);
            }
        }
        for path in meanings
            .keys()
            .filter(|path| !removed.as_ref().is_some_and(|removed| is_within(path, removed)))
        {
            if matches!(
                meanings[path],
                Meaning::List | Meaning::Map | Meaning::MultiMap | Meaning::Object
            ) {
                root.branch(&path_of(path)?);
            }
        }
        let mut reader = Reader {
            meanings: &meanings,
            errors: Errors::new(),
        };
        (form.typed, form.json) = reader.object(root, "", "");
        form.errors = reader.errors;
        Ok(form)
    }

    /// The members as the REST API would get them; what is left empty is `null`.
    pub fn json(&self) -> &Value {
        &self.json
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
        D::read(&self.json)
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
            let form = Self::parse(&read(&mut payload).await?)?;
            let token = header
                .or_else(|| form.button("csrf").map(str::to_owned))
                .unwrap_or_default();
            if visit?.accepts(&token) {
                Ok(form)
            } else {
                Err(PageError::StaleForm)
            }
        })
    }
}

async fn read(payload: &mut Payload) -> Result<Bytes, PageError> {
    let mut body = Vec::new();
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(|_| PageError::BadForm("ended early".to_owned()))?;
        if body.len() + piece.len() > MAX_BYTES {
            return Err(PageError::FormTooLarge(MAX_BYTES));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.into())
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

/// The parts of a name; `a[0].b` and `a.0.b` are the same, `a[]` is the next item of `a`.
fn path_of(name: &str) -> Result<Vec<String>, PageError> {
    let dotted = name.replace("[]", ".+").replace('[', ".").replace(']', "");
    let parts: Vec<String> = dotted
        .split('.')
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect();
    if parts.is_empty() || parts.len() > MAX_DEPTH {
        return Err(PageError::BadForm(format!(
            "has a field with a wrong name of {} parts",
            parts.len()
        )));
    }
    Ok(parts)
}

/// The fields as they came, before anything is known of their meaning.
#[derive(Debug, Default)]
struct Node {
    text: Option<String>,
    children: Vec<(String, Node)>,
}

impl Node {
    fn branch(&mut self, path: &[String]) -> &mut Self {
        path.iter().fold(self, |node, part| {
            let part = if part == "+" {
                node.children.len().to_string()
            } else {
                part.clone()
            };
            let at = node
                .children
                .iter()
                .position(|(name, _)| *name == part)
                .unwrap_or_else(|| {
                    node.children.push((part, Self::default()));
                    node.children.len() - 1
                });
            &mut node.children[at].1
        })
    }

    /// The last one counts: a checkbox follows the hidden field that says what no tick means.
    fn insert(&mut self, path: &[String], text: String) {
        self.branch(path).text = Some(text);
    }

    fn is_list(&self) -> bool {
        !self.children.is_empty() && self.children.iter().all(|(name, _)| name.parse::<u32>().is_ok())
    }
}

/// Gives the fields their meaning. Everything exists twice: as typed, and as JSON.
struct Reader<'a> {
    meanings: &'a HashMap<String, Meaning>,
    errors: Errors,
}

impl Reader<'_> {
    /// `came` is the path in the form, `path` the one after empty rows were left out.
    fn read(&mut self, node: Node, came: &str, path: &str) -> (Value, Value) {
        let meaning = self.meanings.get(came).copied();
        match meaning {
            Some(Meaning::List | Meaning::Map | Meaning::MultiMap) => self.list(node, came, path, meaning),
            Some(Meaning::Object) => self.object(node, came, path),
            _ if node.is_list() => self.list(node, came, path, None),
            _ if !node.children.is_empty() => self.object(node, came, path),
            _ => {
                let text = node.text.unwrap_or_default();
                let json = self.leaf(&text, meaning, path);
                (Value::String(text), json)
            }
        }
    }

    fn object(&mut self, node: Node, came: &str, path: &str) -> (Value, Value) {
        let (mut typed, mut json) = (Map::new(), Map::new());
        for (name, child) in node.children {
            let (child_typed, child_json) = self.read(child, &join(came, &name), &join(path, &name));
            typed.insert(name.clone(), child_typed);
            json.insert(name, child_json);
        }
        (Value::Object(typed), Value::Object(json))
    }

    fn list(&mut self, mut node: Node, came: &str, path: &str, meaning: Option<Meaning>) -> (Value, Value) {
        node.children
            .sort_by_key(|(name, _)| name.parse::<u32>().unwrap_or(u32::MAX));
        let (mut typed, mut json) = (Vec::new(), Vec::new());
        for (name, child) in node.children {
            let here = join(path, &typed.len().to_string());
            let (child_typed, child_json) = self.read(child, &join(came, &name), &here);
            if !is_blank(&child_typed) {
                typed.push(child_typed);
                json.push(child_json);
            }
        }
        let json = match meaning {
            Some(Meaning::Map) => map_of(json, false),
            Some(Meaning::MultiMap) => map_of(json, true),
            _ => Value::Array(json),
        };
        (Value::Array(typed), json)
    }

    fn leaf(&mut self, text: &str, meaning: Option<Meaning>, path: &str) -> Value {
        let trimmed = text.trim();
        let items = |separator: fn(char) -> bool| {
            let words = trimmed.split(separator).map(str::trim).filter(|word| !word.is_empty());
            Value::Array(words.map(Value::from).collect())
        };
        match meaning {
            Some(Meaning::Words) => items(|c| c == ',' || c.is_whitespace()),
            Some(Meaning::Lines) => items(|c| c == '\n' || c == '\r'),
            _ if trimmed.is_empty() => Value::Null,
            Some(Meaning::Boolean) => Value::Bool(trimmed == "true"),
            Some(Meaning::Integer) => self.or_error(
                trimmed.parse::<i64>().ok().map(Value::from),
                text,
                path,
                "must be a whole number",
            ),
            Some(Meaning::Number) => {
                let number = trimmed
                    .parse::<f64>()
                    .ok()
                    .filter(|number| number.is_finite())
                    .map(Value::from);
                self.or_error(number, text, path, "must be a number")
            }
            Some(Meaning::Json) => match serde_json::from_str(trimmed) {
                Ok(value) => value,
                Err(error) => self.or_error(None, text, path, &format!("is not JSON: {error}")),
            },
            _ => Value::from(text),
        }
    }

    fn or_error(&mut self, value: Option<Value>, text: &str, path: &str, message: &str) -> Value {
        value.unwrap_or_else(|| {
            self.errors.add(path, Code::WrongType, message);
            Value::from(text)
        })
    }
}

fn join(path: &str, part: &str) -> String {
    if path.is_empty() {
        part.to_owned()
    } else {
        format!("{path}.{part}")
    }
}

/// Whether nothing was filled in. A tick or a choice alone does not fill a row.
fn is_blank(typed: &Value) -> bool {
    match typed {
        Value::String(text) => text.trim().is_empty() || text == "false",
        Value::Array(items) => items.iter().all(is_blank),
        Value::Object(members) => members.values().all(is_blank),
        _ => false,
    }
}

fn map_of(rows: Vec<Value>, several: bool) -> Value {
    let mut map = Map::new();
    for mut row in rows {
        let name = row
            .get("name")
            .and_then(Value::as_str)
            .map(str::trim)
            .unwrap_or_default()
            .to_owned();
        let value = row.get_mut("value").map(Value::take).unwrap_or_default();
        match (several, map.get_mut(&name)) {
            (true, Some(Value::Array(values))) => values.push(value),
            (true, _) => drop(map.insert(name, Value::Array(vec![value]))),
            (false, _) => drop(map.insert(name, value)),
        }
    }
    Value::Object(map)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse(body: &str) -> Form {
        Form::parse(body.as_bytes()).expect("readable")
    }

    #[test]
    fn names_are_paths() {
        let form = parse(
            "name=a&match.hosts[]=x&match.hosts[]=y&limits[0].rate=5&limits[2].rate=7&csrf=t&_integer=limits.0.rate",
        );
        // The second limit has another index in the form than in the list, as a row between was taken out.
        assert_eq!(
            *form.json(),
            json!({"name": "a", "match": {"hosts": ["x", "y"]}, "limits": [{"rate": 5}, {"rate": "7"}]})
        );
        assert_eq!(form.button("csrf"), Some("t"));
    }

    #[test]
    fn markers_give_text_its_meaning() {
        let form = parse(
            "_integer=port&port=80&_number=ratio&ratio=.5&_boolean=on&on=false&on=true&_words=tags&tags=a,+b+c&_lines=ips&ips=1%0D%0A2\
             &_map=add&add.0.name=X-A&add.0.value=1&_list=hosts&_object=tls&_json=extra&extra=%7B%22a%22:1%7D&note=",
        );
        let expected = json!({
            "port": 80, "ratio": 0.5, "on": true, "tags": ["a", "b", "c"], "ips": ["1", "2"], "add": {"X-A": "1"},
            "extra": {"a": 1}, "note": null, "hosts": [], "tls": {}
        });
        assert_eq!(*form.json(), expected);
        assert!(form.errors().is_empty());
    }

    #[test]
    fn wrong_text_is_an_error_at_the_path_after_empty_rows_are_left_out() {
        let form = parse("limits.0.rate=&limits.3.rate=ten&_integer=limits.0.rate&_integer=limits.3.rate");
        assert_eq!(*form.json(), json!({"limits": [{"rate": "ten"}]}));
        assert_eq!(
            form.errors().at("limits.0.rate").map(|error| error.message.as_str()),
            Some("must be a whole number")
        );
    }

    #[test]
    fn a_name_may_come_several_times() {
        let form = parse(
            "_multimap=h&h.0.name=A&h.0.value=1&h.1.name=A&h.1.value=2&h.2.name=B&h.2.value=3&h.3.name=&h.3.value=",
        );
        assert_eq!(*form.json(), json!({"h": {"A": ["1", "2"], "B": ["3"]}}));
    }

    #[test]
    fn a_removed_row_is_gone() {
        let form = parse("hosts.0=a&hosts.1=b&hosts.10=c&_remove=hosts.1&_list=hosts");
        assert_eq!(*form.json(), json!({"hosts": ["a", "c"]}));
        assert!(form.is_editing());
    }

    #[test]
    fn hostile_forms_are_refused() {
        assert!(matches!(
            Form::parse("a.".repeat(40).as_bytes()),
            Err(PageError::BadForm(_))
        ));
        assert!(matches!(
            Form::parse("a=1&".repeat(MAX_FIELDS + 1).as_bytes()),
            Err(PageError::BadForm(_))
        ));
        assert_eq!(*parse("a.4294967295=x").json(), json!({"a": ["x"]}));
    }

    proptest! {
        #[test]
        fn any_body_is_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Form::parse(&body);
        }

        #[test]
        fn what_is_written_is_read(pairs in proptest::collection::btree_map("[a-z]{1,6}", "\\PC{1,20}", 0..8)) {
            let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            let form = Form::parse(body.as_bytes()).expect("readable");
            for (name, text) in pairs.iter().filter(|(_, text)| !text.trim().is_empty()) {
                prop_assert_eq!(form.json().get(name), Some(&Value::from(text.as_str())));
            }
        }
    }
}
