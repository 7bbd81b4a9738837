//! Splits of a route over several services: their fields, and how a page tells them.

use std::collections::HashMap;

use control::names;
use model::Kind;
use model::route::split::{Override, Split, StickyOn};
use serde_json::{Value, json};
use uuid::Uuid;

use super::references;
use crate::schema_form::SchemaForm;
use crate::{Console, Fields, PageError, urls};

/// The weight of a service that is added.
const WEIGHT: u16 = 100;

/// The fields of a split.
pub(super) async fn fields(console: &Console, fields: &Fields) -> Result<SchemaForm, PageError> {
    let services = references::choices(console, Kind::Service).await?;
    Ok(SchemaForm::new(&schema(&services), "split", fields))
}

fn schema(services: &[(Uuid, String)]) -> Value {
    let service = service(services);
    let choice = |title: &str| {
        json!({"type": "array", "items": {
            "type": "object", "title": title, "required": ["name", "value", "service"],
            "properties": {
                "name": {"type": "string"},
                "value": {"type": "string", "description": "Compared exactly."},
                "service": service
            }
        }})
    };
    let (mut by_header, mut by_cookie) = (choice("header"), choice("cookie"));
    by_header["title"] = json!("Headers that choose a service");
    by_header["description"] = json!("Whatever the weights say; the first that fits counts.");
    by_cookie["title"] = json!("Cookies that choose a service");
    by_cookie["description"] = json!("After the headers.");
    json!({"type": "object", "required": ["sticky"], "properties": {
        "services": {
            "type": "array", "title": "Services", "description": "Each gets requests by its weight, 0 to 1000. \
             Without any, all go to the service above.",
            "items": {"type": "object", "title": "service", "required": ["service", "weight"], "properties": {
                "service": service,
                "weight": {"type": "integer", "default": WEIGHT}
            }}
        },
        "sticky": {"title": "Callers stay with their service by", "default": "none", "oneOf": [
            {"const": "none", "description": "Nothing: each request is drawn"},
            {"const": "consumer", "description": "Their consumer"},
            {"const": "ip", "description": "Their address"},
            {"const": "header", "description": "A header"},
            {"const": "cookie", "description": "A cookie"}
        ]},
        "sticky_name": {"type": "string", "title": "Name of that header or cookie"},
        "by_header": by_header,
        "by_cookie": by_cookie
    }})
}

/// One of the services; with very many of them its name or id is typed.
fn service(services: &[(Uuid, String)]) -> Value {
    if services.is_empty() {
        return json!({"type": "string", "description": "Its name or id."});
    }
    let mut choices = vec![json!({"const": "", "description": "Choose a service"})];
    choices.extend(
        services
            .iter()
            .map(|(id, name)| json!({"const": id, "description": name})),
    );
    json!({ "oneOf": choices })
}

/// A split as the page of its route tells it.
pub(super) struct Shown {
    pub(super) shares: Vec<Line>,
    /// What chooses a service whatever the weights say.
    pub(super) choices: Vec<Line>,
    /// What keeps a caller with its service.
    pub(super) sticky: String,
}

/// One way to a service.
#[derive(Clone)]
pub(super) struct Line {
    /// What leads there.
    pub(super) what: String,
    pub(super) service: String,
    pub(super) href: String,
}

/// What a page tells of a split.
pub(super) async fn shown(console: &Console, split: &Split) -> Result<Shown, PageError> {
    let choices = || split.by_header.iter().chain(&split.by_cookie);
    let shares = split.services.iter().map(|share| share.service.0);
    let ids = shares.chain(choices().map(|choice| choice.service.0));
    let known = names::of(console.control(), Kind::Service, ids).await?;
    let total: u32 = split.services.iter().map(|share| u32::from(share.weight)).sum();
    let share = |weight: u16| format!("{}%", (u32::from(weight) * 100 + total / 2) / total.max(1));
    let of_kind = |kind: &'static str, choices: &[Override]| -> Vec<Line> {
        let words = |choice: &Override| format!("{kind} {}: {}", choice.name, choice.value);
        let lines = choices.iter();
        lines
            .map(|choice| line(words(choice), choice.service.0, &known))
            .collect()
    };
    Ok(Shown {
        shares: split
            .services
            .iter()
            .map(|one| line(share(one.weight), one.service.0, &known))
            .collect(),
        choices: [of_kind("header", &split.by_header), of_kind("cookie", &split.by_cookie)].concat(),
        sticky: sticky(split),
    })
}

fn line(what: String, service: Uuid, known: &HashMap<Uuid, String>) -> Line {
    let name = known.get(&service).cloned().unwrap_or_else(|| service.to_string());
    Line {
        what,
        href: urls::console::object(Kind::Service, &name),
        service: name,
    }
}

fn sticky(split: &Split) -> String {
    let name = split.sticky_name.as_deref().unwrap_or_default();
    match split.sticky {
        StickyOn::None => String::new(),
        StickyOn::Consumer => "their consumer".to_owned(),
        StickyOn::Ip => "their address".to_owned(),
        StickyOn::Header => format!("the header {name}"),
        StickyOn::Cookie => format!("the cookie {name}"),
    }
}
