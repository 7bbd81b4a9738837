//! Reads OpenAPI 3 documents for people: operations, parameters, bodies, answers.
//!
//! Documents come from anywhere, so nothing in them is relied on: what is missing is left out, references that lead in
//! circles end, and everything has a bound.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

/// The most operations of a document that are shown.
const MAX_OPERATIONS: usize = 500;
/// The most members of a schema that are shown.
const MAX_MEMBERS: usize = 200;
/// How deep references and nested schemas are followed.
const MAX_DEPTH: usize = 6;
/// Methods, in the order in which they are listed.
const METHODS: [&str; 7] = ["get", "post", "put", "patch", "delete", "head", "options"];

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
    /// What it is, in words: `string`, `integer, 1 to 99`.
    pub kind: String,
    /// Whether it must be given.
    pub required: bool,
    /// What it means.
    pub description: String,
}

/// A body.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Body {
    /// Its media type.
    pub media_type: String,
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

/// How many operations a document has.
pub fn count_operations(document: &Value) -> usize {
    let paths = document["paths"].as_object();
    paths.map_or(0, |paths| {
        let methods = |item: &Value| METHODS.iter().filter(|method| item[**method].is_object()).count();
        paths.values().map(methods).sum::<usize>().min(MAX_OPERATIONS)
    })
}

/// The operations of a document, in its order.
pub fn operations(document: &Value) -> Vec<Operation> {
    let reader = Reader(document);
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        let item = reader.resolve(item);
        for method in METHODS {
            if item[method].is_object() && operations.len() < MAX_OPERATIONS {
                operations.push(reader.operation(path, method, item));
            }
        }
    }
    operations
}

/// The introduction of a document.
pub fn introduction(document: &Value) -> String {
    text(&document["info"]["description"])
}

struct Reader<'a>(&'a Value);

impl<'a> Reader<'a> {
    /// Follows references within the document.
    fn resolve(&self, mut value: &'a Value) -> &'a Value {
        for _ in 0..MAX_DEPTH {
            let Some(pointer) = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) else {
                break;
            };
            match self.0.pointer(pointer) {
                Some(target) => value = target,
                None => break,
            }
        }
        value
    }

    fn operation(&self, path: &str, method: &str, item: &'a Value) -> Operation {
        let operation = &item[method];
        let listed = |value: &'a Value| value.as_array().into_iter().flatten();
        let mut parameters: Vec<Member> = Vec::new();
        // Those of the operation come first: they replace equal ones of the path.
        for parameter in listed(&operation["parameters"])
            .chain(listed(&item["parameters"]))
            .take(MAX_MEMBERS)
        {
            let parameter = self.parameter(self.resolve(parameter));
            if !parameters
                .iter()
                .any(|known| (&known.name, &known.place) == (&parameter.name, &parameter.place))
            {
                parameters.push(parameter);
            }
        }
        let body = self.resolve(&operation["requestBody"]);
        let responses = operation["responses"].as_object().into_iter().flatten().take(50);
        Operation {
            id: operation["operationId"]
                .as_str()
                .map_or_else(|| slug(method, path), str::to_owned),
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: operation["summary"].as_str().unwrap_or(path).to_owned(),
            description: text(&operation["description"]),
            tag: operation["tags"][0].as_str().unwrap_or("Operations").to_owned(),
            deprecated: operation["deprecated"].as_bool().unwrap_or(false),
            parameters,
            body: body.is_object().then(|| self.body(body)).flatten(),
            responses: responses
                .map(|(status, response)| self.response(status, response))
                .collect(),
        }
    }

    fn parameter(&self, parameter: &'a Value) -> Member {
        let schema = self.resolve(&parameter["schema"]);
        Member {
            name: text(&parameter["name"]),
            place: text(&parameter["in"]),
            kind: self.kind(schema),
            required: parameter["required"].as_bool().unwrap_or(false),
            description: first_text([&parameter["description"], &schema["description"]]),
        }
    }

    fn response(&self, status: &str, response: &'a Value) -> Response {
        let response = self.resolve(response);
        Response {
            status: status.to_owned(),
            description: text(&response["description"]),
            body: self.body(response),
        }
    }

    fn body(&self, holder: &'a Value) -> Option<Body> {
        let content = holder["content"].as_object()?;
        let json = content.iter().find(|(name, _)| name.contains("json"));
        let (media_type, media) = json.or_else(|| content.iter().next())?;
        let schema = self.resolve(&media["schema"]);
        let mut members = Vec::new();
        self.members(schema, "", 0, &mut members);
        let given = [
            &media["example"],
            &media["examples"]["default"]["value"],
            &schema["example"],
        ];
        let given = given.into_iter().find(|example| !example.is_null()).cloned();
        let example = given.or_else(|| self.example(schema, 0));
        Some(Body {
            media_type: media_type.clone(),
            members,
            example,
        })
    }

    fn members(&self, schema: &'a Value, prefix: &str, depth: usize, members: &mut Vec<Member>) {
        if depth >= MAX_DEPTH {
            return;
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.members(self.resolve(part), prefix, depth + 1, members);
        }
        let items = self.resolve(&schema["items"]);
        if items.is_object() {
            self.members(items, &format!("{prefix}[]."), depth + 1, members);
        }
        let required: BTreeSet<&str> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            if members.len() >= MAX_MEMBERS {
                return;
            }
            let resolved = self.resolve(member);
            members.push(Member {
                name: format!("{prefix}{name}"),
                place: "body".to_owned(),
                kind: self.kind(resolved),
                required: required.contains(name.as_str()),
                description: first_text([&member["description"], &resolved["description"]]),
            });
            self.members(resolved, &format!("{prefix}{name}."), depth + 1, members);
        }
    }

    /// A schema in words.
    fn kind(&self, schema: &'a Value) -> String {
        let name = match &schema["type"] {
            Value::String(name) => name.clone(),
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
            _ if schema["enum"].is_array() => "string".to_owned(),
            _ if schema["properties"].is_object() || schema["allOf"].is_array() => "object".to_owned(),
            _ => "any".to_owned(),
        };
        let mut words = match name.as_str() {
            "array" => format!("array of {}", self.kind_of_items(schema)),
            _ => name,
        };
        if let Some(format) = schema["format"].as_str() {
            words.push_str(&format!(", {format}"));
        }
        if let Some(choices) = schema["enum"].as_array() {
            let choices: Vec<String> = choices.iter().take(20).map(plain).collect();
            words.push_str(&format!(": {}", choices.join(", ")));
        }
        match (&schema["minimum"], &schema["maximum"]) {
            (Value::Number(low), Value::Number(high)) => words.push_str(&format!(", {low} to {high}")),
            (Value::Number(low), _) => words.push_str(&format!(", {low} or more")),
            (_, Value::Number(high)) => words.push_str(&format!(", {high} or less")),
            _ => {}
        }
        if !schema["default"].is_null() {
            words.push_str(&format!(", default {}", plain(&schema["default"])));
        }
        words
    }

    fn kind_of_items(&self, schema: &'a Value) -> String {
        let items = self.resolve(&schema["items"]);
        items["type"].as_str().unwrap_or("any").to_owned()
    }

    /// An example made up from a schema's own examples, defaults and types.
    fn example(&self, schema: &'a Value, depth: usize) -> Option<Value> {
        if depth >= MAX_DEPTH {
            return None;
        }
        let schema = self.resolve(schema);
        let given = [
            &schema["example"],
            &schema["examples"][0],
            &schema["default"],
            &schema["enum"][0],
            &schema["const"],
        ];
        if let Some(given) = given.into_iter().find(|value| !value.is_null()) {
            return Some(given.clone());
        }
        if let Some(members) = schema["properties"].as_object() {
            let member = |(name, member): (&String, &'a Value)| Some((name.clone(), self.example(member, depth + 1)?));
            return Some(Value::Object(
                members.iter().take(MAX_MEMBERS).filter_map(member).collect(),
            ));
        }
        match schema["type"].as_str()? {
            "string" => Some(Value::from(if schema["format"] == "date-time" {
                "2026-11-23T12:00:00Z"
            } else {
                "text"
            })),
            "integer" | "number" => Some(schema["minimum"].as_i64().unwrap_or(1).into()),
            "boolean" => Some(true.into()),
            "array" => Some(Value::Array(
                self.example(&schema["items"], depth + 1).into_iter().collect(),
            )),
            _ => None,
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn first_text(values: [&Value; 2]) -> String {
    values
        .into_iter()
        .map(text)
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn slug(method: &str, path: &str) -> String {
    let words: String = path
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    format!("{method}{words}").trim_end_matches('-').replace("--", "-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn document() -> Value {
        json!({"openapi": "3.1.0", "paths": {"/orders/{id}": {
            "parameters": [{"$ref": "#/components/parameters/Id"}],
            "get": {"operationId": "getOrder", "summary": "Get an order", "tags": ["Orders"], "responses": {
                "200": {"description": "The order.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}},
            }},
            "put": {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}}},
        }}, "components": {
            "parameters": {"Id": {"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}},
            "schemas": {"Order": {"type": "object", "required": ["amount"], "properties": {
                "amount": {"type": "integer", "minimum": 1, "maximum": 99, "description": "In cents."},
                "status": {"enum": ["placed", "shipped"]},
                "parent": {"$ref": "#/components/schemas/Order"},
            }}},
        }})
    }

    #[test]
    fn an_operation_has_what_its_references_say() {
        let operations = operations(&document());
        assert_eq!(operations.len(), 2);
        let get = &operations[0];
        assert_eq!(
            (get.method.as_str(), get.tag.as_str(), get.id.as_str()),
            ("GET", "Orders", "getOrder")
        );
        assert_eq!(get.parameters[0].name, "id");
        let body = get.responses[0].body.as_ref().expect("a body");
        assert_eq!(body.members[0].kind, "integer, 1 to 99");
        assert!(body.members[0].required && body.members[0].description == "In cents.");
        assert_eq!(body.members[1].kind, "string: placed, shipped");
        assert_eq!(operations[1].id, "put-orders-id");
        assert_eq!(
            operations[1]
                .body
                .as_ref()
                .and_then(|body| body.example.as_ref())
                .expect("one")["amount"],
            json!(1)
        );
    }

    #[test]
    fn references_in_circles_end() {
        let looped = json!({"paths": {"/a": {"$ref": "#/paths/~1b"}, "/b": {"$ref": "#/paths/~1a"}}});
        assert!(operations(&looped).is_empty());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let words = [
            "$ref",
            "#/paths",
            "get",
            "parameters",
            "schema",
            "properties",
            "items",
            "type",
            "array",
            "responses",
        ];
        let word = prop::sample::select(words.to_vec());
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(Value::from),
            word.clone().prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 64, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::vec((word.clone(), inner), 0..4).prop_map(|members| Value::Object(
                    members
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect()
                )),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_document_is_too_strange(item in any_json()) {
            let document = json!({"paths": {"/a": {"get": item.clone(), "parameters": item.clone()}}, "components": item});
            let operations = operations(&document);
            prop_assert!(operations.len() <= count_operations(&document).max(1));
        }
    }
}
