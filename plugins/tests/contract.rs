//! What every plugin of the registry must hold to.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;

use model::id::PluginId;
use plugins::{PluginType, REGISTRY};
use proptest::prelude::*;
use serde_json::{Value, json};
use utoipa::openapi::{RefOr, Schema};

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
fn every_member_and_every_word_has_words_for_people() {
    fn check(place: &str, schema: &Value) {
        let sentence = |place: &str, schema: &Value| {
            let description = schema["description"].as_str().unwrap_or_default();
            assert!(description.ends_with('.'), "{place} lacks a sentence: {description:?}");
        };
        sentence(place, schema);
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            let place = format!("{place}.{name}");
            sentence(&place, member);
            assert!(member["title"].is_string(), "{place} lacks a title");
        }
        for word in schema["oneOf"].as_array().into_iter().flatten() {
            sentence(&format!("{place}.{}", word["const"]), word);
        }
        for (name, definition) in schema["$defs"].as_object().into_iter().flatten() {
            check(&format!("{place}.{name}"), definition);
        }
    }
    for plugin in &REGISTRY {
        check(plugin.name, &schema(plugin));
        assert!(plugin.summary.ends_with('.') && !plugin.title.is_empty() && !plugin.icon.is_empty());
    }
}

#[test]
fn what_the_schema_calls_the_default_is_what_is_filled_in() {
    for plugin in &REGISTRY {
        let complete = plugin.validate(&example(plugin)).expect("valid");
        for (name, member) in schema(plugin)["properties"].as_object().into_iter().flatten() {
            let Some(default) = member.get("default") else { continue };
            let mut config = example(plugin);
            config.as_object_mut().expect("an object").shift_remove(name);
            // One member may rest on another; then the configuration without it is refused.
            let Ok(filled) = plugin.validate(&config) else { continue };
            assert_eq!(&filled[name], default, "{}: {name}", plugin.name);
            assert!(
                complete.get(name).is_some(),
                "{}: {name} is not in a complete configuration",
                plugin.name
            );
        }
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

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_u64..100).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[a-z*:/.-]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-z_]{1,8}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The value at one of the places of `config`, chosen by `choice`.
fn place(config: &mut Value, choice: usize) -> &mut Value {
    fn count(value: &Value) -> usize {
        let children: usize = match value {
            Value::Object(members) => members.values().map(count).sum(),
            Value::Array(items) => items.iter().map(count).sum(),
            _ => 0,
        };
        children + 1
    }
    fn nth<'a>(value: &'a mut Value, left: &mut usize) -> Option<&'a mut Value> {
        if *left == 0 {
            return Some(value);
        }
        *left -= 1;
        match value {
            Value::Object(members) => members.values_mut().find_map(|member| nth(member, left)),
            Value::Array(items) => items.iter_mut().find_map(|item| nth(item, left)),
            _ => None,
        }
    }
    let mut left = choice % count(config);
    nth(config, &mut left).expect("no more than there are")
}

proptest! {
    #[test]
    fn any_configuration_compiles_or_is_refused_in_words_for_people(
        at in any::<usize>(),
        value in any_json(),
        whole in any::<bool>(),
    ) {
        for plugin in &REGISTRY {
            let mut config = example(plugin);
            if whole {
                config = value.clone();
            } else {
                *place(&mut config, at) = value.clone();
            }
            match plugin.validate(&config) {
                Ok(complete) => {
                    let services = plugins::testing::services();
                    let compiled = plugin.compile(&complete, PluginId::generate(), &services);
                    prop_assert!(compiled.is_ok(), "{}: {complete}: {:?}", plugin.name, compiled.err());
                }
                Err(errors) => {
                    prop_assert!(!errors.is_empty());
                    for error in &errors {
                        prop_assert!(!error.path.starts_with('.') && !error.path.ends_with('.'), "{errors}");
                        prop_assert!(!error.message.contains("expected") && !error.message.is_empty(), "{errors}");
                    }
                }
            }
        }
    }
}

#[test]
fn all_mistakes_are_named_at_once_at_dotted_paths() {
    let rate_limit = REGISTRY.find("rate-limit").expect("registered");
    let config =
        json!({"limits": [{"requests": 0, "windowseconds": 60}, {"requests": "x", "window_seconds": 60, "by": "ips"}]});
    let errors = rate_limit.validate(&config).expect_err("wrong");
    let found: Vec<String> = errors
        .iter()
        .map(|error| format!("{} {}", error.path, error.message))
        .collect();
    assert_eq!(
        found,
        [
            "limits.0.requests must be 1 to 4294967295",
            "limits.0.windowseconds unknown member `windowseconds`, did you mean `window_seconds`?",
            "limits.0.window_seconds is required",
            "limits.1.requests must be a whole number",
            "limits.1.by unknown word `ips`, did you mean `ip`?",
        ]
    );
}

#[test]
fn a_configuration_that_was_never_checked_does_not_compile_when_it_is_wrong() {
    let plugin = REGISTRY.find("cors").expect("registered");
    let services = plugins::testing::services();
    let config = json!({"allow_credentials": true});
    let error = plugin.compile(&config, PluginId::generate(), &services).err();
    assert!(error.is_some_and(|error| error.contains("allow_credentials")));
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

#[test]
fn openapi_components_survive_the_types_of_an_openapi_document() {
    for (name, component) in REGISTRY.openapi_components() {
        let read: RefOr<Schema> = serde_json::from_value(component.clone()).expect("a schema");
        assert_eq!(serde_json::to_value(read).expect("JSON"), component, "{name}");
    }
}
