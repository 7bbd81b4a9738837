//! The shapes of bodies: JSON Schemas with the components that they refer to.

use serde_json::{Value, json};
use utoipa::openapi::{RefOr, schema::Schema};
use utoipa::{PartialSchema, ToSchema};

/// A schema for a body, with every component that it leads to.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// The schema, mostly a reference.
    pub(crate) schema: Value,
    /// Components by name.
    pub(crate) parts: Vec<(String, Value)>,
}

impl Shape {
    /// A reference to the schema of a type.
    pub(crate) fn of<T: ToSchema>() -> Self {
        let mut found: Vec<(String, RefOr<Schema>)> = vec![(T::name().into_owned(), <T as PartialSchema>::schema())];
        T::schemas(&mut found);
        Self {
            schema: reference(&T::name()),
            parts: found.into_iter().map(plain).collect(),
        }
    }

    /// A named component of its own that is made of other shapes' parts.
    pub(crate) fn named(name: &str, schema: Value, parts: Vec<(String, Value)>) -> Self {
        let mut all = vec![(name.to_owned(), schema)];
        all.extend(parts);
        Self {
            schema: reference(name),
            parts: all,
        }
    }

    /// A stored noun: its spec with id, version and times.
    pub(crate) fn stored<S: ToSchema>(name: &str, about: &str) -> Self {
        let spec = Self::of::<S>();
        let common = reference("Stored");
        let schema = json!({"description": about, "allOf": [spec.schema, common]});
        let mut parts = spec.parts;
        parts.push(("Stored".to_owned(), stored_members()));
        Self::named(name, schema, parts)
    }

    /// One page of a list of these.
    pub(crate) fn page(self, name: &str) -> Self {
        let schema = json!({
            "description": "One page of a list.",
            "type": "object",
            "required": ["items", "next_cursor", "total"],
            "properties": {
                "items": {"type": "array", "description": "The objects of this page.", "items": self.schema},
                "next_cursor": {
                    "type": ["string", "null"],
                    "description": "What to send as `cursor` for the next page; `null` on the last one.",
                },
                "total": {"type": "integer", "format": "int64", "description": "How many objects match, on all pages."},
            },
        });
        Self::named(&format!("{name}Page"), schema, self.parts)
    }

    /// The same with another member that is shown once.
    pub(crate) fn with_secret(self, name: &str, member: &str, about: &str) -> Self {
        let secret = json!({"type": "object", "properties": {member: {"type": "string", "description": about}}});
        let schema = json!({"allOf": [self.schema, secret]});
        Self::named(name, schema, self.parts)
    }
}

/// A reference to a component.
pub(crate) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn plain((name, schema): (String, RefOr<Schema>)) -> (String, Value) {
    // A schema of ours is always JSON; `true`, which allows anything, is the honest rest.
    let mut value = serde_json::to_value(schema).unwrap_or(Value::Bool(true));
    // Every member of a draft may be left out: what is missing is said by the answer, with all other mistakes.
    if name.ends_with("Draft")
        && let Some(members) = value.as_object_mut()
    {
        members.shift_remove("required");
    }
    (name, value)
}

fn stored_members() -> Value {
    json!({
        "description": "What every stored object has.",
        "type": "object",
        "required": ["id", "version", "created_at", "updated_at"],
        "properties": {
            "id": {"type": "string", "format": "uuid", "description": "The id, a UUID version 7."},
            "version": {
                "type": "integer",
                "format": "int64",
                "description": "Counts the changes of this object; also its `ETag`.",
            },
            "created_at": {"type": "string", "format": "date-time", "description": "When it was made."},
            "updated_at": {"type": "string", "format": "date-time", "description": "When it last changed."},
            "warnings": {
                "type": "array",
                "description": "In the answer to a write only: what is odd about the object, which is stored all the same.",
                "items": {
                    "type": "object",
                    "required": ["path", "message"],
                    "properties": {
                        "path": {"type": "string", "description": "The member; empty for the object as a whole."},
                        "message": {"type": "string", "description": "A sentence part that follows the member's name."},
                    },
                },
            },
        },
    })
}
