//! The OpenAPI 3.1 document, made from the table of operations.

mod parts;

use serde_json::{Map, Value, json};

use crate::operation::{Body, Operation};
use crate::problem::{self, Problem};
use crate::query::Parameter;
use crate::shape::{Shape, reference};
use crate::{api, call, waiting};

use parts::{parameter_reference, response_reference};

/// The document.
pub fn document() -> Value {
    let mut paths = Map::new();
    let mut schemas = Components::default();
    schemas.add(&Shape::of::<Problem>());
    schemas.add(&Shape::of::<call::DryRun>());
    schemas.add(&Shape::of::<waiting::Pending>());
    let mut tags: Vec<&str> = Vec::new();
    for row in api::operations() {
        if !tags.contains(&row.words.tag) {
            tags.push(row.words.tag);
        }
        let path = paths.entry(row.path.clone()).or_insert_with(|| json!({}));
        if let Some(methods) = path.as_object_mut() {
            methods.insert(row.method.as_str().to_ascii_lowercase(), operation(row, &mut schemas));
        }
    }
    let tags: Vec<Value> = tags
        .into_iter()
        .map(|name| json!({"name": name, "description": parts::about(name)}))
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Gatehouse Admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": parts::INTRODUCTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/api/v1", "description": "This Gatehouse"}],
        "security": [{"token": []}, {"session": []}],
        "tags": tags,
        "paths": paths,
        "components": {
            "securitySchemes": parts::security_schemes(),
            "parameters": parts::parameters(),
            "responses": parts::responses(&reference("Problem"), &problem::example()),
            "schemas": schemas.sorted(),
        },
    })
}

/// Components by name; one name stands for one schema.
#[derive(Default)]
struct Components(Map<String, Value>);

impl Components {
    /// Adds what a shape leads to, and gives the reference to it.
    fn add(&mut self, shape: &Shape) -> Value {
        for (name, schema) in &shape.parts {
            let known = self.0.entry(name.clone()).or_insert_with(|| schema.clone());
            debug_assert_eq!(known, schema, "two schemas are named `{name}`");
        }
        shape.schema.clone()
    }

    fn sorted(self) -> Map<String, Value> {
        let mut all: Vec<(String, Value)> = self.0.into_iter().collect();
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        all.into_iter().collect()
    }
}

fn operation(row: &Operation, schemas: &mut Components) -> Value {
    let (resource, action) = row.right;
    let right = format!("{}:{}", resource.as_str(), action.as_str());
    let notes = match row.words.notes.as_str() {
        "" => format!("Needs the right `{right}`."),
        notes => format!("{notes}\n\nNeeds the right `{right}`."),
    };
    let mut described = json!({
        "tags": [row.words.tag],
        "summary": row.words.summary,
        "description": notes,
        "operationId": row.words.id,
        "x-right": right,
        "parameters": parameters(row),
        "responses": responses(row, schemas),
    });
    if let (Some(members), Some(body)) = (described.as_object_mut(), &row.body) {
        members.insert("requestBody".to_owned(), request_body(row, body, schemas));
    }
    described
}

fn parameters(row: &Operation) -> Vec<Value> {
    let in_path = row.path_parameters().into_iter().map(|name| match name {
        "id" => parameter_reference("Id"),
        "name" => json!({"name": name, "in": "path", "required": true, "description": "The name.", "schema": {"type": "string"}}),
        number => json!({
            "name": number, "in": "path", "required": true, "description": "The number of a revision.",
            "schema": {"type": "integer", "format": "int64", "minimum": 0},
        }),
    });
    let in_query = row.query.iter().map(|parameter: &Parameter| {
        json!({"name": parameter.name, "in": "query", "description": parameter.about, "schema": parameter.schema()})
    });
    let mut all: Vec<Value> = in_path.chain(in_query).collect();
    if row.conditional {
        all.push(parameter_reference("IfMatch"));
        all.extend((row.method == "PUT").then(|| parameter_reference("IfNoneMatch")));
    }
    if row.answer.etag && row.method == "GET" {
        all.push(parameter_reference("Known"));
    }
    if row.configures {
        all.push(parameter_reference("Prefer"));
    }
    if row.method == "POST" {
        all.push(parameter_reference("IdempotencyKey"));
    }
    all
}

fn request_body(row: &Operation, body: &Body, schemas: &mut Components) -> Value {
    let content = json!({"schema": schemas.add(&body.shape), "example": body.example});
    let content = if row.method == "PATCH" {
        json!({"application/merge-patch+json": content, "application/json": content})
    } else {
        json!({"application/json": content})
    };
    json!({"required": !body.optional, "content": content})
}

fn responses(row: &Operation, schemas: &mut Components) -> Map<String, Value> {
    let mut all = Map::new();
    let good = success(row, schemas);
    if row.method == "PUT" {
        let mut made = good.clone();
        made["description"] = json!("It was not there, and is made.");
        made["headers"]["Location"] = parts::header("Location");
        all.insert("201".to_owned(), made);
    }
    all.insert(row.answer.status.to_string(), good);
    if row.configures {
        // A dry run answers 200 whatever the real one would.
        let dry = json!({"schema": reference("DryRun")});
        match all.get_mut("200") {
            Some(ok) => {
                ok["content"]["application/json"]["schema"] =
                    json!({"anyOf": [ok["content"]["application/json"]["schema"], dry["schema"]]});
            }
            None => {
                let answer = json!({"description": "With `dry_run=true`: what would happen.", "content": {"application/json": dry}});
                all.insert("200".to_owned(), answer);
            }
        }
        all.insert("202".to_owned(), response_reference("Pending"));
    }
    if row.answer.etag && row.method == "GET" {
        all.insert("304".to_owned(), response_reference("NotModified"));
    }
    for (status, name, wanted) in [
        ("400", "BadRequest", true),
        ("401", "Unauthorized", true),
        ("403", "Forbidden", true),
        ("404", "NotFound", row.path.contains('{')),
        ("406", "NotAcceptable", true),
        ("408", "BodyTooSlow", row.body.is_some()),
        ("409", "Conflict", row.conflicts || row.method == "POST"),
        ("412", "Changed", row.conditional),
        ("413", "BodyTooLarge", row.body.is_some()),
        ("415", "UnsupportedMediaType", row.body.is_some()),
        ("422", "Invalid", row.body.is_some() || row.method == "POST"),
        ("503", "Unavailable", true),
    ] {
        if wanted {
            all.insert(status.to_owned(), response_reference(name));
        }
    }
    all.sort_keys();
    all
}

fn success(row: &Operation, schemas: &mut Components) -> Value {
    let mut answer = json!({"description": row.answer.about});
    let mut headers = Map::new();
    for (name, wanted) in [
        ("ETag", row.answer.etag),
        ("Location", row.answer.location),
        ("X-Config-Revision", row.configures),
    ] {
        if wanted {
            headers.insert(name.to_owned(), parts::header(name));
        }
    }
    if !headers.is_empty() {
        answer["headers"] = Value::Object(headers);
    }
    if let Some(shape) = &row.answer.shape {
        let mut content = json!({"schema": schemas.add(shape)});
        if let Some(example) = &row.answer.example {
            content["example"] = example.clone();
        }
        answer["content"] = json!({"application/json": content});
    }
    answer
}
