//! The OpenAPI document: kept in the repository, complete, and without loose ends.

use std::path::Path;

use actix_web::http::StatusCode;
use serde_json::Value;

use crate::support::Api;
use crate::support::world::DOCUMENT;

#[test]
fn the_document_is_the_one_in_the_repository() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let mut now = serde_json::to_string_pretty(&*DOCUMENT).expect("json");
    now.push('\n');
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &now).expect("written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let line = kept.lines().zip(now.lines()).position(|(kept, now)| kept != now);
    let advice = "the API changed: look at the difference that UPDATE_SNAPSHOTS=1 makes, and commit it";
    assert!(
        kept == now,
        "{} line {}: {advice}",
        path.display(),
        line.map_or(0, |line| line + 1)
    );
}

#[test]
fn every_reference_leads_somewhere() {
    let mut references = Vec::new();
    find_references(&DOCUMENT, &mut references);
    assert!(references.len() > 100, "only {} references", references.len());
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("a reference within the document");
        assert!(DOCUMENT.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

fn find_references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(target) if name == "$ref" => found.push(target),
                    other => find_references(other, found),
                }
            }
            if let Some(mapping) = value["discriminator"]["mapping"].as_object() {
                found.extend(mapping.values().filter_map(Value::as_str));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| find_references(item, found)),
        _ => {}
    }
}

#[test]
fn every_component_is_used() {
    let mut references = Vec::new();
    find_references(&DOCUMENT, &mut references);
    for section in ["schemas", "parameters", "responses"] {
        for name in DOCUMENT["components"][section].as_object().expect("components").keys() {
            let reference = format!("#/components/{section}/{name}");
            assert!(references.contains(&reference.as_str()), "{reference} is not used");
        }
    }
}

#[test]
fn every_operation_says_what_it_does_takes_and_answers() {
    let mut ids = Vec::new();
    for (path, methods) in DOCUMENT["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let place = format!("{method} {path}");
            let id = operation["operationId"].as_str().unwrap_or_default();
            assert!(!id.is_empty() && !ids.contains(&id), "{place}: `{id}`");
            ids.push(id);
            assert!(
                operation["summary"].as_str().is_some_and(|text| !text.is_empty()),
                "{place}"
            );
            let tag = operation["tags"][0].as_str().unwrap_or_default();
            let tags = DOCUMENT["tags"].as_array().expect("tags");
            let described = tags
                .iter()
                .find(|known| known["name"] == tag)
                .map(|tag| &tag["description"]);
            assert!(
                described.and_then(Value::as_str).is_some_and(|text| !text.is_empty()),
                "{place}: tag `{tag}`"
            );
            let in_path = path.matches('{').count();
            let parameters = operation["parameters"].as_array().expect("parameters");
            let known = parameters
                .iter()
                .filter(|one| one["in"] == "path" || one["$ref"] == "#/components/parameters/Id");
            assert_eq!(known.count(), in_path, "{place}");
            if let Some(body) = operation.get("requestBody") {
                let content = body["content"].as_object().and_then(|content| content.values().next());
                assert!(
                    content.is_some_and(|content| content["example"].is_object()),
                    "{place} has no example"
                );
            }
            for status in ["400", "401", "403", "503"] {
                assert!(
                    operation["responses"].get(status).is_some(),
                    "{place} does not document {status}"
                );
            }
        }
    }
}

#[test]
fn every_plugin_has_its_configuration_among_the_components() {
    let schemas = &DOCUMENT["components"]["schemas"];
    let alternatives = schemas["PluginDraft"]["oneOf"].as_array().expect("one for each");
    assert_eq!(alternatives.len(), plugins::REGISTRY.names().len());
    for plugin in &plugins::REGISTRY {
        let draft = schemas["PluginDraft"]["discriminator"]["mapping"][plugin.name]
            .as_str()
            .expect("mapped");
        let draft = DOCUMENT.pointer(draft.trim_start_matches('#')).expect("there");
        assert_eq!(draft["properties"]["plugin"]["enum"][0], plugin.name);
        let config = draft["properties"]["config"]["$ref"].as_str().expect("a reference");
        assert_eq!(config, format!("#/components/schemas/{}", plugin.component()));
    }
}

#[actix_web::test]
async fn the_document_and_its_pages_are_open_and_strict() {
    let api = Api::start().await;
    let served = api
        .call_as(None, "GET", "/openapi.json")
        .send()
        .await
        .expect(StatusCode::OK);
    assert_eq!(served.body, *DOCUMENT);
    assert_eq!(
        api.call_as(None, "GET", "/docs").send().await.header("location"),
        "/docs/"
    );
    for file in [
        "",
        "swagger-ui.css",
        "swagger-ui-bundle.js",
        "swagger-initializer.js",
        "index.css",
    ] {
        let page = api
            .call_as(None, "GET", &format!("/docs/{file}"))
            .send()
            .await
            .expect(StatusCode::OK);
        let policy = page.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("script-src 'self';"),
            "{file}: {policy}"
        );
        let text = page.body.as_str().unwrap_or_default();
        assert!(!text.is_empty(), "{file} is empty");
        if file.is_empty() {
            assert!(!text.contains("<script>") && !text.contains("onclick"), "{text}");
        }
        if file == "swagger-initializer.js" {
            assert!(
                text.contains("/api/v1/openapi.json") && !text.contains("petstore"),
                "{text}"
            );
        }
    }
    assert_eq!(
        api.call_as(None, "GET", "/docs/nothing").send().await.status,
        StatusCode::NOT_FOUND
    );
}
