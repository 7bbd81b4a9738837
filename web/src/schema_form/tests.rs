//! Forms of the plugins that there are, and of schemas that there are not yet.

use plugins::REGISTRY;
use serde_json::json;

use super::*;
use crate::form::Form;
use crate::untouched;

#[test]
fn every_plugin_reads_back_what_its_form_shows() {
    let examples = [
        (
            "key-auth",
            json!({"headers": ["x-api-key", "x-key"], "anonymous_consumer": "guest", "bearer": true}),
        ),
        (
            "rate-limit",
            json!({"limits": [{"requests": 600, "window_seconds": 60, "by": "ip"}, {"requests": 5, "window_seconds": 1}]}),
        ),
        (
            "cors",
            json!({"allow_origins": ["https://shop.example"], "allow_credentials": true, "max_age_seconds": 5}),
        ),
        (
            "request-transform",
            json!({"headers": {"remove": ["x-a"], "set": [{"name": "x-b", "value": "1"}]}, "query": {"rename": [{"from": "a", "to": "b"}]}}),
        ),
    ];
    for plugin in &REGISTRY {
        let (_, example) = examples
            .iter()
            .find(|(name, _)| *name == plugin.name)
            .expect("an example for every plugin");
        let stored = plugin.validate(example).expect("a valid example");
        let schema = (plugin.schema)();
        let fields = Fields::of(&json!({ "config": stored }));
        let form =
            Form::parse(untouched::body(&SchemaForm::new(schema.as_value(), "config", &fields).to_string()).as_bytes())
                .expect("readable");
        assert!(form.errors().is_empty(), "{}: {:?}", plugin.name, form.errors());
        let config = form.json()["config"].clone();
        assert_eq!(plugin.validate(&config), Ok(stored), "{} sent {config}", plugin.name);
    }
}

#[test]
fn an_untouched_new_form_means_the_defaults() {
    for plugin in REGISTRY.iter().filter(|plugin| plugin.name != "rate-limit") {
        let schema = (plugin.schema)();
        let html = SchemaForm::new(schema.as_value(), "config", &Fields::empty()).to_string();
        let form = Form::parse(untouched::body(&html).as_bytes()).expect("readable");
        let config = form.json().get("config").cloned().unwrap_or_else(|| json!({}));
        assert_eq!(
            plugin.validate(&config),
            plugin.validate(&json!({})),
            "{} sent {config}",
            plugin.name
        );
    }
}

#[test]
fn what_a_schema_has_beyond_the_known_is_edited_as_json() {
    let schema =
        json!({"properties": {"odd": {"oneOf": [{"type": "object"}, {"type": "string"}]}, "same": {"$ref": "#"}}});
    let fields = Fields::of(&json!({"config": {"odd": {"a": 1}}}));
    let html = SchemaForm::new(&schema, "config", &fields).to_string();
    assert!(
        html.contains("name=\"_json\" value=\"config.odd\"") && html.contains("&#34;a&#34;: 1"),
        "{html}"
    );
}

#[test]
fn an_error_stands_beside_its_field_however_deep() {
    let plugin = REGISTRY.find("rate-limit").expect("known");
    let errors = model::Errors::one("config.limits.0.requests", model::Code::OutOfRange, "must be 1 to 5");
    let fields = Fields::of(&json!({"config": {"limits": [{"requests": 9}]}})).with_errors(&errors);
    let html = SchemaForm::new((plugin.schema)().as_value(), "config", &fields).to_string();
    assert!(
        html.contains("id=\"f-config-limits-0-requests-e\"") && html.contains("value=\"9\""),
        "{html}"
    );
}
