//! What every plugin of the registry must hold to.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;

use model::id::PluginId;
use plugins::{PluginType, REGISTRY};
use serde_json::{Value, json};

fn folder(plugin: &PluginType) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("src")
        .join(plugin.name.replace('-', "_"))
}

fn schema(plugin: &PluginType) -> Value {
    (plugin.schema)().to_value()
}

/// The first JSON block of a plugin's README.
fn example(plugin: &PluginType) -> Value {
    let readme = fs::read_to_string(folder(plugin).join("README.md")).expect("a README");
    let block = readme
        .split("```json")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("an example");
    serde_json::from_str(block).expect("valid JSON")
}

#[test]
fn names_are_unique_and_words_with_hyphens() {
    let names = REGISTRY.names();
    for (index, name) in names.iter().enumerate() {
        assert!(!names[..index].contains(name), "{name} twice");
        assert!(
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'),
            "{name}"
        );
    }
}

#[test]
fn the_example_of_every_readme_compiles() {
    for plugin in &REGISTRY {
        let complete = plugin
            .validate(&example(plugin))
            .unwrap_or_else(|errors| panic!("{}: {errors}", plugin.name));
        let services = plugins::testing::services();
        assert!(
            plugin.compile(&complete, PluginId::generate(), &services).is_ok(),
            "{}",
            plugin.name
        );
        assert!(
            !plugin.describe(&complete).is_empty(),
            "{} says nothing about itself",
            plugin.name
        );
    }
}

#[test]
fn a_complete_configuration_reads_back_as_itself() {
    for plugin in &REGISTRY {
        let complete = plugin.validate(&example(plugin)).expect("valid");
        assert_eq!(plugin.validate(&complete).expect("valid"), complete, "{}", plugin.name);
    }
}

#[test]
fn an_unknown_member_is_refused_by_name() {
    for plugin in &REGISTRY {
        let mut config = example(plugin);
        config["surprise"] = json!(1);
        let errors = plugin.validate(&config).expect_err("unknown");
        assert!(
            errors
                .at("surprise")
                .is_some_and(|error| error.code == model::Code::UnknownMember),
            "{errors}"
        );
    }
}

#[test]
fn every_member_has_words_for_people() {
    fn check(plugin: &str, path: &str, schema: &Value) {
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            let description = member["description"].as_str().unwrap_or_default();
            assert!(
                description.ends_with('.'),
                "{plugin}: {path}{name} lacks a sentence: {description:?}"
            );
        }
        for (name, definition) in schema["$defs"].as_object().into_iter().flatten() {
            check(plugin, &format!("{name}."), definition);
        }
    }
    for plugin in &REGISTRY {
        check(plugin.name, "", &schema(plugin));
        assert!(plugin.summary.ends_with('.') && !plugin.title.is_empty() && !plugin.icon.is_empty());
    }
}

#[test]
fn schemas_are_as_they_were_published() {
    for plugin in &REGISTRY {
        let path = folder(plugin).join("schema.json");
        let current = format!("{}\n", serde_json::to_string_pretty(&schema(plugin)).expect("JSON"));
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            fs::write(&path, &current).expect("writable");
        }
        let published = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            current, published,
            "{}: run the tests with UPDATE_SNAPSHOTS=1 when this is meant",
            plugin.name
        );
    }
}

#[test]
fn hostile_configurations_are_errors_and_never_panics() {
    let values = [
        json!(null),
        json!([]),
        json!("x"),
        json!(-1),
        json!(1e300),
        json!({"limits": "x"}),
        json!({"headers": {}}),
    ];
    for plugin in &REGISTRY {
        for value in &values {
            // `null` members and an empty object may be valid; what counts is that it returns.
            let _ = plugin.validate(value);
        }
        assert!(plugin.validate(&json!("x")).is_err());
    }
}

#[test]
fn openapi_components_refer_only_to_each_other() {
    let components = REGISTRY.openapi_components();
    let text = serde_json::to_string(&components).expect("JSON");
    for reference in text
        .split("\"$ref\":\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
    {
        let name = reference.strip_prefix("#/components/schemas/").expect("a component");
        assert!(components.contains_key(name), "{reference} leads nowhere");
    }
    assert!(components.contains_key("RateLimitConfig") && components.contains_key("RateLimitConfigLimit"));
}
