//! Plugin instances: their configuration is checked by the plugin's own type.

use ::plugins::{PluginType, REGISTRY};
use model::actor::Resource;
use model::plugin::{PluginDraft, PluginSpec, Scope};
use model::validation::unknown_word;
use model::{Code, Errors, Kind};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::Result;
use crate::references;
use crate::store::{Filter, Table};

impl Table for PluginSpec {
    const TABLE: &'static str = "plugins";
    const RESOURCE: Resource = Resource::Plugins;
    const FILTERS: &'static [(&'static str, Filter)] = &[
        ("plugin", Filter::Text("plugin")),
        ("service", Filter::Reference("service_id", Kind::Service)),
        ("route", Filter::Reference("route_id", Kind::Route)),
        ("consumer", Filter::Reference("consumer_id", Kind::Consumer)),
        (
            "consumer_group",
            Filter::Reference("consumer_group_id", Kind::ConsumerGroup),
        ),
    ];

    async fn resolve(connection: &mut PgConnection, draft: &mut PluginDraft, errors: &mut Errors) -> Result<()> {
        let scopes = [
            (Kind::Service, "service", &mut draft.service),
            (Kind::Route, "route", &mut draft.route),
            (Kind::Consumer, "consumer", &mut draft.consumer),
            (Kind::ConsumerGroup, "consumer_group", &mut draft.consumer_group),
        ];
        for (kind, path, reference) in scopes {
            references::resolve(connection, kind, path, reference, errors).await?;
        }
        Ok(())
    }

    async fn check(
        _connection: &mut PgConnection,
        _id: Uuid,
        before: Option<&Self>,
        spec: &mut Self,
        errors: &mut Errors,
    ) -> Result<()> {
        let Some(plugin) = REGISTRY.find(&spec.plugin) else {
            errors.add(
                "plugin",
                Code::NotFound,
                unknown_word("plugin", &spec.plugin, &REGISTRY.names()),
            );
            return Ok(());
        };
        if before.is_some_and(|before| before.plugin != spec.plugin) {
            errors.add(
                "plugin",
                Code::Conflict,
                "cannot be changed; make a new instance and delete this one",
            );
        }
        check_scope(plugin, spec.scope(), errors);
        match plugin.validate(&spec.config) {
            Ok(complete) => spec.config = complete,
            Err(inner) => errors.nest("config", inner),
        }
        Ok(())
    }
}

/// A plugin that runs before the caller is known cannot depend on who calls.
fn check_scope(plugin: &PluginType, scope: Scope, errors: &mut Errors) {
    let path = match scope {
        Scope::Consumer(_) => "consumer",
        Scope::ConsumerGroup(_) => "consumer_group",
        Scope::Global | Scope::Service(_) | Scope::Route(_) => return,
    };
    if !plugin.phase.knows_consumer() {
        let message = format!(
            "cannot be the scope of `{}`, which runs before the caller is known",
            plugin.name
        );
        errors.add(path, Code::Conflict, message);
    }
}
