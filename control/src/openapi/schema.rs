//! Schemas: their members, what they are in words, and examples made up from them.

use serde_json::Value;

use super::reader::{Reader, first_text};
use super::{Member, text};

/// The most members of a schema that are shown.
const MAX_MEMBERS: usize = 200;
/// How deep nested schemas are followed.
const MAX_DEPTH: usize = 6;
/// How deep one line of words goes into alternatives.
const MAX_NOUN_DEPTH: usize = 3;
/// Where named schemas are.
const NAMED: &str = "#/components/schemas/";
/// The most words of an enumeration that are listed.
const MAX_WORDS: usize = 20;

/// The way to a member.
struct Nesting<'a> {
    /// What its name begins with.
    prefix: String,
    /// The named schemas around it: they are not opened again.
    inside: Vec<&'a str>,
    depth: usize,
}

impl<'a> Reader<'a> {
    /// The members of a schema, those of what it consists of, and nested ones with dotted names. `name`: what it is
    /// known by, so that it is not opened in itself.
    pub(super) fn members(&self, schema: &'a Value, name: Option<&'a str>) -> Vec<Member> {
        let mut members = Vec::new();
        let nesting = Nesting {
            prefix: String::new(),
            inside: name.into_iter().collect(),
            depth: 0,
        };
        self.collect(schema, &nesting, &mut members);
        members
    }

    fn collect(&self, schema: &'a Value, nesting: &Nesting<'a>, members: &mut Vec<Member>) {
        let name = component(schema);
        if nesting.depth >= MAX_DEPTH || !self.goes_on() || name.is_some_and(|name| nesting.inside.contains(&name)) {
            return;
        }
        let deeper = |prefix: String| Nesting {
            prefix,
            inside: nesting.inside.iter().copied().chain(name).collect(),
            depth: nesting.depth + 1,
        };
        let schema = self.resolve(schema);
        for part in parts(schema, "allOf") {
            self.collect(part, &deeper(nesting.prefix.clone()), members);
        }
        if schema["items"].is_object() {
            let prefix = format!("{}[].", nesting.prefix.trim_end_matches('.'));
            self.collect(&schema["items"], &deeper(prefix), members);
        }
        let required = |name: &str| parts(schema, "required").any(|required| required == name);
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            if members.len() >= MAX_MEMBERS {
                return;
            }
            let path = format!("{}{name}", nesting.prefix);
            members.push(self.member(path.clone(), member, required(name)));
            self.collect(member, &deeper(format!("{path}.")), members);
        }
    }

    fn member(&self, name: String, member: &'a Value, required: bool) -> Member {
        let schema = self.resolve(member);
        Member {
            name,
            place: "body".to_owned(),
            kind: self.kind(member),
            schema: self.named(member).map(str::to_owned),
            required,
            description: first_text([&member["description"], &schema["description"]]),
            example: self.given(schema),
        }
    }

    /// The named schema that this is, or is an array of.
    pub(super) fn named(&self, schema: &'a Value) -> Option<&'a str> {
        let items = || component(&self.resolve(schema)["items"]);
        component(schema).filter(|_| self.has_members(schema)).or_else(items)
    }

    fn has_members(&self, schema: &'a Value) -> bool {
        let schema = self.resolve(schema);
        schema["properties"].is_object() || schema["allOf"].is_array()
    }

    /// A schema in words.
    pub(super) fn kind(&self, schema: &'a Value) -> String {
        let mut words = vec![self.noun(schema, 0)];
        let schema = self.resolve(schema);
        words.extend(schema["format"].as_str().map(str::to_owned));
        words.extend(range(schema, "minimum", "maximum", ""));
        words.extend(range(schema, "minLength", "maxLength", " characters"));
        words.extend(range(schema, "minItems", "maxItems", " items"));
        if let Some(choices) = schema["enum"].as_array() {
            let choices: Vec<String> = choices.iter().take(MAX_WORDS).map(plain).collect();
            if let Some(noun) = words.first_mut() {
                *noun = format!("{noun}: {}", choices.join(", "));
            }
        }
        if !schema["default"].is_null() {
            words.push(format!("default {}", plain(&schema["default"])));
        }
        words.join(", ")
    }

    /// `integer`, `Order`, `array of Order`, `Card or Wallet`.
    fn noun(&self, schema: &'a Value, depth: usize) -> String {
        if let Some(name) = component(schema).filter(|_| self.has_members(schema)) {
            return name.to_owned();
        }
        let schema = self.resolve(schema);
        if depth >= MAX_NOUN_DEPTH || !self.goes_on() {
            return "any".to_owned();
        }
        let nouns = |choices: &mut dyn Iterator<Item = &'a Value>| {
            let nouns: Vec<String> = choices.take(MAX_WORDS).map(|one| self.noun(one, depth + 1)).collect();
            nouns.join(" or ")
        };
        let name = match &schema["type"] {
            Value::String(name) => name.clone(),
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
            _ if schema["oneOf"].is_array() => nouns(&mut parts(schema, "oneOf")),
            _ if schema["anyOf"].is_array() => nouns(&mut parts(schema, "anyOf")),
            _ if parts(schema, "allOf").count() == 1 => nouns(&mut parts(schema, "allOf")),
            _ if schema["enum"].is_array() => "string".to_owned(),
            _ if self.has_members(schema) => "object".to_owned(),
            _ => "any".to_owned(),
        };
        match name.as_str() {
            "array" => format!("array of {}", self.noun(&schema["items"], depth + 1)),
            "object" if schema["additionalProperties"].is_object() => {
                format!("map to {}", self.noun(&schema["additionalProperties"], depth + 1))
            }
            _ => name,
        }
    }

    /// A value that the schema itself gives.
    pub(super) fn given(&self, schema: &'a Value) -> Option<Value> {
        let schema = self.resolve(schema);
        let given = [
            &schema["example"],
            &schema["examples"][0],
            &schema["default"],
            &schema["enum"][0],
            &schema["const"],
        ];
        given.into_iter().find(|value| !value.is_null()).cloned()
    }

    /// An example made up from a schema's own examples, defaults and types.
    pub(super) fn example(&self, schema: &'a Value) -> Option<Value> {
        self.example_at(schema, 0)
    }

    fn example_at(&self, schema: &'a Value, depth: usize) -> Option<Value> {
        if depth >= MAX_DEPTH || !self.goes_on() {
            return None;
        }
        let schema = self.resolve(schema);
        if let Some(given) = self.given(schema) {
            return Some(given);
        }
        let inner = |schema| self.example_at(schema, depth + 1);
        if let Some(members) = schema["properties"].as_object() {
            let member = |(name, member): (&String, &'a Value)| Some((name.clone(), inner(member)?));
            return Some(Value::Object(
                members.iter().take(MAX_MEMBERS).filter_map(member).collect(),
            ));
        }
        let mut alternatives = ["oneOf", "anyOf"].into_iter().flat_map(|key| parts(schema, key));
        if let Some(example) = alternatives.find_map(inner) {
            return Some(example);
        }
        if schema["allOf"].is_array() {
            let parts = parts(schema, "allOf").filter_map(inner);
            let members = parts.filter_map(|part| part.as_object().cloned()).flatten();
            return Some(Value::Object(members.take(MAX_MEMBERS).collect()));
        }
        match schema["type"].as_str()? {
            "string" => Some(sample_text(schema["format"].as_str()).into()),
            "integer" | "number" => Some(schema["minimum"].as_i64().unwrap_or(1).into()),
            "boolean" => Some(true.into()),
            "array" => Some(Value::Array(inner(&schema["items"]).into_iter().collect())),
            _ => None,
        }
    }
}

/// The name of a schema that is referred to by name.
fn component(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix(NAMED)
}

fn parts<'a>(schema: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    schema[key].as_array().into_iter().flatten()
}

/// `1 to 99`, `3 or more characters`.
fn range(schema: &Value, low: &str, high: &str, unit: &str) -> Option<String> {
    match (&schema[low], &schema[high]) {
        (Value::Number(low), Value::Number(high)) => Some(format!("{low} to {high}{unit}")),
        (Value::Number(low), _) => Some(format!("{low} or more{unit}")),
        (_, Value::Number(high)) => Some(format!("{high} or less{unit}")),
        _ => None,
    }
}

fn sample_text(format: Option<&str>) -> &'static str {
    match format {
        Some("date-time") => "2026-11-23T12:00:00Z",
        Some("date") => "2026-11-23",
        Some("uuid") => "0193a5e0-7c1c-7a4e-9d1f-3b0c52d2e6aa",
        Some("email") => "ada@example.com",
        Some("uri" | "url") => "https://example.com",
        _ => "text",
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(_) => text(value),
        other => other.to_string(),
    }
}
