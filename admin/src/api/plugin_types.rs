//! The plugins of this program, each with the JSON Schema of its configuration.

use ::plugins::{Combine, Phase, PluginType as Known, REGISTRY};
use actix_web::http::Method;
use model::actor::Resource;
use model::validation::unknown_word;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::call::Call;
use crate::noun;
use crate::operation::{Operation, Outcome};
use crate::problem::Problem;
use crate::reply::Reply;
use crate::shape::Shape;

/// A plugin that instances can be made of.
#[derive(Debug, Serialize, ToSchema)]
struct PluginType {
    /// The word that names it.
    #[schema(example = "rate-limit")]
    name: &'static str,
    /// What people call it.
    title: &'static str,
    /// What it does.
    summary: &'static str,
    /// When in the life of a request it runs.
    #[schema(value_type = String, example = "limit")]
    phase: Phase,
    /// What happens at several scopes: `all` run, or only those at the `nearest` scope.
    #[schema(value_type = String, example = "all")]
    combine: Combine,
    /// Whether it finds out who calls.
    authenticates: bool,
    /// The JSON Schema (2020-12) of its configuration.
    #[schema(value_type = Object)]
    schema: Value,
}

pub(super) fn operations() -> Vec<Operation> {
    let (read, _) = noun::rights(Resource::Plugins);
    vec![
        Operation::new(Method::GET, "/plugin-types", read, list)
            .words("Plugins", "list_plugin_types", "List the plugins that there are")
            .answers(200, "All of them.", Some(Shape::of::<PluginType>().page("PluginType"))),
        Operation::new(Method::GET, "/plugin-types/{name}", read, get)
            .words(
                "Plugins",
                "get_plugin_type",
                "Get a plugin with the schema of its configuration",
            )
            .answers(200, "It is this.", Some(Shape::of::<PluginType>())),
    ]
}

fn shown(plugin: &Known) -> PluginType {
    PluginType {
        name: plugin.name,
        title: plugin.title,
        summary: plugin.summary,
        phase: plugin.phase,
        combine: plugin.combine,
        authenticates: plugin.authenticates,
        schema: (plugin.schema)().to_value(),
    }
}

async fn list(_: Call) -> Outcome {
    let items: Vec<PluginType> = REGISTRY.iter().map(shown).collect();
    Ok(Reply::ok(
        &json!({"total": items.len(), "items": items, "next_cursor": null}),
    ))
}

async fn get(call: Call) -> Outcome {
    let name = call.reference(model::Kind::Plugin, "name")?;
    let found = REGISTRY.find(&name).map(shown);
    let plugin = found.ok_or_else(|| {
        Problem::not_found(format!(
            "There is no such plugin: {}.",
            unknown_word("plugin", &name, &REGISTRY.names())
        ))
    })?;
    Ok(Reply::ok(&plugin))
}
