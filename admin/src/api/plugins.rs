//! Plugin instances: each kind of plugin has a configuration of its own.

use ::plugins::REGISTRY;
use model::Kind;
use model::plugin::{PluginDraft, PluginSpec};
use serde_json::{Map, Value, json};

use crate::noun::{self, Noun};
use crate::operation::Operation;
use crate::shape::{Shape, reference};

pub(super) fn operations() -> Vec<Operation> {
    noun::operations::<PluginSpec>(&words())
}

/// The plugin instances of one scope.
pub(super) fn of(parent: Kind, member: &'static str) -> Vec<Operation> {
    let mut words = words();
    // The scope is in the path; the example must not name another.
    if let Some(example) = words.example.as_object_mut() {
        example.shift_remove("service");
    }
    noun::nested::<PluginSpec>(parent, member, &words)
}

fn words() -> Noun {
    let example = json!({
        "plugin": "rate-limit",
        "service": "orders",
        "config": {"limits": [{"requests": 600, "window_seconds": 60}]},
        "tags": ["team:commerce"],
    });
    let about = "The use of a plugin at a scope: all traffic, a service, a route, a consumer or a consumer group.";
    let words = Noun::of::<PluginSpec>("Plugins", about, example);
    let plain = Shape::of::<PluginDraft>();
    Noun {
        draft: draft_shape(&plain),
        patch: patch_shape(&plain),
        ..words
    }
}

/// One alternative for every plugin, so that tools know which configuration belongs to which.
fn draft_shape(plain: &Shape) -> Shape {
    let members = members(plain);
    let mut parts: Vec<(String, Value)> = REGISTRY.openapi_components().into_iter().collect();
    let (mut alternatives, mut mapping) = (Vec::new(), Map::new());
    for plugin in &REGISTRY {
        let name = format!("{}Draft", plugin.component().trim_end_matches("Config"));
        let mut members = members.clone();
        members.insert("plugin".to_owned(), json!({"type": "string", "enum": [plugin.name]}));
        members.insert("config".to_owned(), reference(&plugin.component()));
        let summary = format!("{}: {}", plugin.title, plugin.summary);
        let schema = json!({"type": "object", "description": summary, "required": ["plugin"], "properties": members});
        mapping.insert(plugin.name.to_owned(), json!(format!("#/components/schemas/{name}")));
        alternatives.push(reference(&name));
        parts.push((name, schema));
    }
    let schema = json!({
        "description": "A plugin instance as it is sent; without a scope it applies to all traffic.",
        "oneOf": alternatives,
        "discriminator": {"propertyName": "plugin", "mapping": mapping},
    });
    Shape::named("PluginDraft", schema, parts)
}

fn patch_shape(plain: &Shape) -> Shape {
    let mut members = members(plain);
    members.shift_remove("plugin");
    let schema = json!({"type": "object", "description": "What changes of a plugin instance.", "properties": members});
    Shape::named("PluginPatch", schema, Vec::new())
}

fn members(plain: &Shape) -> Map<String, Value> {
    let draft = plain
        .parts
        .iter()
        .find(|(name, _)| name == "PluginDraft")
        .map(|(_, schema)| schema);
    draft
        .and_then(|schema| schema["properties"].as_object())
        .cloned()
        .unwrap_or_default()
}
