//! Forms of the plugins that there are, and of schemas that there are not yet.

use plugins::REGISTRY;
use serde_json::json;

use super::*;
use crate::form::Form;

/// The form as a browser would send it back, without touching anything.
fn sent(html: &str) -> String {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    let visible = html.split("<template>").enumerate().map(|(at, part)| {
        if at == 0 {
            part
        } else {
            part.split_once("</template>").map_or("", |(_, rest)| rest)
        }
    });
    let html: String = visible.collect();
    for tag in html
        .split('<')
        .filter(|tag| tag.starts_with("input ") || tag.starts_with("select "))
    {
        let attribute = |name: &str| {
            tag.split_once(&format!(" {name}=\""))
                .and_then(|(_, rest)| rest.split('"').next())
                .unwrap_or_default()
        };
        let unticked = attribute("type") == "checkbox" && !tag.contains(" checked");
        if tag.starts_with("select ") {
            let options = html
                .split_once(tag)
                .map(|(_, rest)| rest.split("</select>").next().unwrap_or_default())
                .unwrap_or_default();
            let chosen = options
                .split("<option value=\"")
                .skip(1)
                .find(|option| option.contains(" selected"))
                .or_else(|| options.split("<option value=\"").nth(1));
            body.append_pair(
                attribute("name"),
                chosen.and_then(|option| option.split('"').next()).unwrap_or_default(),
            );
        } else if !unticked {
            body.append_pair(attribute("name"), attribute("value"));
        }
    }
    body.finish()
}

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
        let form = Form::parse(sent(&SchemaForm::new(schema.as_value(), "config", &fields).to_string()).as_bytes())
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
        let form = Form::parse(sent(&html).as_bytes()).expect("readable");
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
