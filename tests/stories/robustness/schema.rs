//! Values made from the schemas of an OpenAPI document, good ones and others; and answers held against them.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

/// Texts that are good for something somewhere, or for nothing anywhere.
const TEXTS: [&str; 26] = [
    "",
    " ",
    "orders",
    "/v2",
    "=/exact",
    "/users/{id}/{*rest}",
    "~^/v\\d+/(a|b)",
    "~^/((",
    "*.example.org",
    "[::1]:80",
    "GET",
    "get it",
    "10.0.0.0/8",
    "127.0.0.1:8080",
    "http://127.0.0.1:9/base",
    "https://user:x@[::1",
    "2099-01-01T00:00:00Z",
    "x-api-key",
    "Content-Length",
    "consumer",
    "published",
    "manual",
    "\u{0}",
    "a\r\nx-evil: 1",
    "💥\u{202e}",
    "0198c1d2-6f2a-7c3e-9b1d-2f6a1c0e9d11",
];
/// How deep values without a schema go.
const DEPTH: u32 = 3;

/// The schemas of a document.
#[derive(Clone)]
pub(super) struct Schemas(Arc<Value>);

impl Schemas {
    /// Those of this document.
    pub(super) fn of(document: &Value) -> Self {
        Self(Arc::new(document.clone()))
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(reference) => self.0.pointer(reference.trim_start_matches('#')).expect("it is there"),
            None => schema,
        }
    }

    /// A body: the example with some of its members made anew, or one that is made from the schema alone.
    pub(super) fn body(&self, content: &Value, words: &[String]) -> BoxedStrategy<Value> {
        let example = content["example"].clone();
        let made = self.value(&content["schema"], words);
        let mixed = (
            Just(example),
            made.clone(),
            vec(prop::bool::weighted(0.15), 40),
            "[a-z]{8}",
        )
            .prop_map(|(mut example, made, taken, name)| {
                // What exists already is refused for that alone.
                if example["name"].is_string() {
                    example["name"] = name.clone().into();
                }
                if example["paths"].is_array() {
                    example["paths"] = json!([format!("/{name}")]);
                }
                let members = made.as_object().cloned().unwrap_or_default();
                for ((name, value), taken) in members.into_iter().zip(taken) {
                    if taken && example.is_object() {
                        example[name] = value;
                    }
                }
                example
            });
        prop_oneof![5 => mixed, 1 => made].boxed()
    }

    /// A pair of a query string.
    pub(super) fn parameter(&self, parameter: &Value, words: &[String]) -> BoxedStrategy<String> {
        let name = parameter["name"].as_str().unwrap_or_default().to_owned();
        let value = self.value(&parameter["schema"], words);
        value
            .prop_map(move |value| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                format!("{name}={}", super::encoded(&text))
            })
            .boxed()
    }

    fn value(&self, schema: &Value, words: &[String]) -> BoxedStrategy<Value> {
        let schema = self.resolved(schema);
        if let Some(one_of) = schema["oneOf"].as_array() {
            let all: Vec<_> = one_of.iter().map(|one| self.value(one, words)).collect();
            return proptest::strategy::Union::new(all).boxed();
        }
        if let Some(known) = schema["enum"].as_array() {
            return often(select(known.clone()), anything());
        }
        if let Some(constant) = schema.get("const") {
            return Just(constant.clone()).boxed();
        }
        match kind(schema) {
            "string" => often(text(schema, words), anything()),
            "integer" | "number" => often(number(schema), anything()),
            "boolean" => often(any::<bool>().prop_map(Value::from), anything()),
            "array" => often(
                vec(self.value(&schema["items"], words), 0..4).prop_map(Value::from),
                anything(),
            ),
            "object" => often(self.object(schema, words), anything()),
            _ => anything(),
        }
    }

    fn object(&self, schema: &Value, words: &[String]) -> BoxedStrategy<Value> {
        let properties = schema["properties"].as_object().cloned().unwrap_or_default();
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let members: Vec<_> = properties
            .iter()
            .map(|(name, schema)| {
                let share = if required.contains(&json!(name)) { 0.97 } else { 0.4 };
                let value = proptest::option::weighted(share, self.value(schema, words));
                (Just(name.clone()), value)
            })
            .collect();
        let more = match schema.get("additionalProperties") {
            Some(schema) if schema.is_object() => {
                vec((select(TEXTS.as_slice()), self.value(schema, words)), 0..2).boxed()
            }
            _ => Just(Vec::new()).boxed(),
        };
        (members, more)
            .prop_map(|(members, more)| {
                let members = members.into_iter().filter_map(|(name, value)| Some((name, value?)));
                let more = more.into_iter().map(|(name, value)| (name.to_owned(), value));
                Value::Object(members.chain(more).collect::<Map<_, _>>())
            })
            .boxed()
    }

    /// What of a value is not as its schema says, when something is.
    pub(super) fn mismatch(&self, schema: &Value, value: &Value) -> Option<String> {
        let schema = self.resolved(schema);
        if let Some(one_of) = schema["oneOf"].as_array() {
            let fits = one_of.iter().any(|one| self.mismatch(one, value).is_none());
            return (!fits).then(|| format!("{value} is none of those that it may be"));
        }
        if let Some(all_of) = schema["allOf"].as_array() {
            return all_of.iter().find_map(|one| self.mismatch(one, value));
        }
        if let Some(known) = schema["enum"].as_array()
            && !known.contains(value)
        {
            return Some(format!("{value} is not one of {known:?}"));
        }
        let kinds = kinds(schema);
        if !kinds.is_empty() && !kinds.iter().any(|kind| is_of(kind, value)) {
            return Some(format!("{value} is not {kinds:?}"));
        }
        match value {
            Value::Array(items) => items.iter().find_map(|item| self.mismatch(&schema["items"], item)),
            Value::Object(members) => self.mismatched_member(schema, members),
            _ => None,
        }
    }

    fn mismatched_member(&self, schema: &Value, members: &Map<String, Value>) -> Option<String> {
        let required = schema["required"].as_array().into_iter().flatten();
        let missing = required
            .filter_map(Value::as_str)
            .find(|name| !members.contains_key(*name));
        if let Some(name) = missing {
            return Some(format!("{name} is missing"));
        }
        members.iter().find_map(|(name, value)| {
            let member = schema["properties"].get(name)?;
            let wrong = self.mismatch(member, value)?;
            Some(format!("{name}: {wrong}"))
        })
    }
}

/// Nine times in ten the one.
fn often(
    one: impl Strategy<Value = Value> + 'static,
    other: impl Strategy<Value = Value> + 'static,
) -> BoxedStrategy<Value> {
    prop_oneof![30 => one, 1 => other].boxed()
}

fn kinds(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn kind(schema: &Value) -> &str {
    kinds(schema).first().copied().unwrap_or_default()
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => value.is_null(),
    }
}

fn text(schema: &Value, words: &[String]) -> BoxedStrategy<Value> {
    let mut known: Vec<String> = TEXTS.iter().map(|text| (*text).to_owned()).collect();
    known.extend(schema["example"].as_str().map(str::to_owned));
    known.extend(words.iter().cloned());
    prop_oneof![4 => select(known), 2 => "[a-z]{1,12}", 1 => "\\PC{0,40}", 1 => "[ -~]{0,300}"]
        .prop_map(Value::from)
        .boxed()
}

fn number(schema: &Value) -> BoxedStrategy<Value> {
    let bound = |name: &str, default: i64| schema[name].as_i64().unwrap_or(default);
    let (least, most) = (bound("minimum", 0), bound("maximum", 100_000));
    let edges = [
        least,
        most,
        least - 1,
        most.saturating_add(1),
        0,
        -1,
        i64::MAX,
        i64::MIN,
    ];
    prop_oneof![4 => least..=most, 1 => select(edges.to_vec())]
        .prop_map(Value::from)
        .boxed()
}

/// Any JSON.
fn anything() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        select(TEXTS.as_slice()).prop_map(Value::from),
    ];
    leaf.prop_recursive(DEPTH, 12, 3, |inner| {
        let object = vec((select(TEXTS.as_slice()), inner.clone()), 0..3);
        let object = object.prop_map(|pairs| {
            pairs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()
        });
        prop_oneof![vec(inner, 0..3).prop_map(Value::from), object.prop_map(Value::Object)]
    })
    .boxed()
}
