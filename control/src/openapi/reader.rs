//! Operations, with what their references say.

use std::cell::Cell;

use serde_json::Value;

use super::{Body, Member, Operation, Response, text};

/// How often a reference may lead to a reference.
const MAX_STEPS: usize = 6;
/// The most parameters of an operation that are shown.
const MAX_PARAMETERS: usize = 200;
/// The most answers of an operation that are shown.
const MAX_RESPONSES: usize = 50;

/// How many places of a document are looked at in all: references make small documents large.
const MAX_VISITS: usize = 50_000;

/// A document that is read.
pub(super) struct Reader<'a> {
    document: &'a Value,
    visits: Cell<usize>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(document: &'a Value) -> Self {
        Self {
            document,
            visits: Cell::new(0),
        }
    }

    /// Whether there is leave to look at one more place.
    pub(super) fn goes_on(&self) -> bool {
        self.visits.set(self.visits.get() + 1);
        self.visits.get() <= MAX_VISITS
    }

    /// Follows references within the document.
    pub(super) fn resolve(&self, mut value: &'a Value) -> &'a Value {
        for _ in 0..MAX_STEPS {
            let Some(pointer) = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) else {
                break;
            };
            match self.document.pointer(pointer) {
                Some(target) => value = target,
                None => break,
            }
        }
        value
    }

    pub(super) fn operation(&self, path: &str, method: &str, item: &'a Value) -> Operation {
        let operation = &item[method];
        let body = self.resolve(&operation["requestBody"]);
        let responses = operation["responses"].as_object().into_iter().flatten();
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
            parameters: self.parameters(operation, item),
            body: body.is_object().then(|| self.body(body)).flatten(),
            responses: responses
                .take(MAX_RESPONSES)
                .map(|(status, response)| self.response(status, response))
                .collect(),
        }
    }

    /// Those of the operation come first: they replace equal ones of the path.
    fn parameters(&self, operation: &'a Value, item: &'a Value) -> Vec<Member> {
        let listed = |value: &'a Value| value["parameters"].as_array().into_iter().flatten();
        let mut parameters: Vec<Member> = Vec::new();
        for parameter in listed(operation).chain(listed(item)).take(MAX_PARAMETERS) {
            let parameter = self.parameter(self.resolve(parameter));
            let same = |known: &Member| (&known.name, &known.place) == (&parameter.name, &parameter.place);
            if !parameters.iter().any(same) {
                parameters.push(parameter);
            }
        }
        parameters
    }

    fn parameter(&self, parameter: &'a Value) -> Member {
        let schema = self.resolve(&parameter["schema"]);
        let descriptions = [&parameter["description"], &schema["description"]];
        Member {
            name: text(&parameter["name"]),
            place: text(&parameter["in"]),
            kind: self.kind(&parameter["schema"]),
            schema: self.named(&parameter["schema"]).map(str::to_owned),
            required: parameter["required"].as_bool().unwrap_or(false),
            description: first_text(descriptions),
            example: given(parameter).or_else(|| self.given(schema)),
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

    /// The body in JSON, or else the first one.
    fn body(&self, holder: &'a Value) -> Option<Body> {
        let content = holder["content"].as_object()?;
        let json = content.iter().find(|(name, _)| name.contains("json"));
        let (media_type, media) = json.or_else(|| content.iter().next())?;
        let schema = &media["schema"];
        Some(Body {
            media_type: media_type.clone(),
            kind: self.kind(schema),
            schema: self.named(schema).map(str::to_owned),
            members: self.members(schema, None),
            example: given(media).or_else(|| self.example(schema)),
        })
    }
}

/// The example that a parameter or a body carries beside its schema.
fn given(holder: &Value) -> Option<Value> {
    let examples = holder["examples"].as_object();
    let first = examples.and_then(|examples| examples.values().next());
    let example = match &holder["example"] {
        Value::Null => &first?["value"],
        example => example,
    };
    (!example.is_null()).then(|| example.clone())
}

pub(super) fn first_text(values: [&Value; 2]) -> String {
    let texts = values.into_iter().map(text);
    texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
}

fn slug(method: &str, path: &str) -> String {
    let words: String = path
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    format!("{method}{words}").trim_end_matches('-').replace("--", "-")
}
