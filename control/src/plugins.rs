//! Plugin instances: their configuration is checked by the plugin's own type.

use ::plugins::{Combine, Phase, Place, PluginType, REGISTRY, arrange};
use model::actor::{Action, Actor, Resource};
use model::id::{RouteId, ServiceId};
use model::plugin::{PluginDraft, PluginSpec, Scope};
use model::validation::unknown_word;
use model::{Code, Errors, Kind, Noun as _, Stored};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::Result;
use crate::store::{Filter, Row, Table};
use crate::{Control, authorize, names, references};

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

    async fn history_name(connection: &mut PgConnection, spec: &Self) -> Result<String> {
        let (kind, id) = match spec.scope() {
            Scope::Global => return Ok(spec.name()),
            Scope::Service(id) => (Kind::Service, id.0),
            Scope::Route(id) => (Kind::Route, id.0),
            Scope::Consumer(id) => (Kind::Consumer, id.0),
            Scope::ConsumerGroup(id) => (Kind::ConsumerGroup, id.0),
        };
        let name = names::one(connection, kind, id).await?;
        Ok(name.map_or_else(|| spec.name(), |name| format!("{} on {kind} {name}", spec.plugin)))
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

/// One plugin instance in the chain of a route.
#[derive(Debug, Clone, PartialEq)]
pub struct ChainLink {
    /// The instance.
    pub stored: Stored<PluginSpec>,
    /// Whether an instance of a nearer scope runs instead of it.
    pub displaced: bool,
}

/// The plugin instances that apply to a route of a service, in the order in which they run, also those that are
/// switched off. Without a route, those of the service; without either, those of all traffic.
///
/// Instances of consumers and plans join them once the caller is known.
pub async fn chain(
    control: &Control,
    actor: &Actor,
    route: Option<RouteId>,
    service: Option<ServiceId>,
) -> Result<Vec<ChainLink>> {
    authorize(actor, Resource::Plugins, Action::Read)?;
    let rows = sqlx::query_as!(
        Row,
        "select id, spec, version, created_at, updated_at from plugins
         where route_id = $1 or service_id = $2
            or (route_id is null and service_id is null and consumer_id is null and consumer_group_id is null)
         order by id",
        route.map(|id| id.0),
        service.map(|id| id.0),
    )
    .fetch_all(control.pool())
    .await?;
    let mut scopes: [Vec<Stored<PluginSpec>>; 3] = Default::default();
    for row in rows {
        let stored = row.into_stored::<PluginSpec>()?;
        let nearness = match stored.spec.scope() {
            Scope::Route(_) => 0,
            Scope::Service(_) => 1,
            _ => 2,
        };
        scopes[nearness].push(stored);
    }
    let scopes: Vec<&[Stored<PluginSpec>]> = scopes.iter().map(Vec::as_slice).collect();
    let arranged = arrange(&scopes, |stored| place(&stored.spec)).into_iter();
    Ok(arranged
        .map(|one| ChainLink {
            stored: one.item.clone(),
            displaced: one.displaced,
        })
        .collect())
}

/// Puts the instances at one scope, such as a consumer, into the order in which they run.
pub fn in_order(instances: &[Stored<PluginSpec>]) -> Vec<ChainLink> {
    let arranged = arrange(&[instances], |stored| place(&stored.spec)).into_iter();
    arranged
        .map(|one| ChainLink {
            stored: one.item.clone(),
            displaced: one.displaced,
        })
        .collect()
}

/// A plugin that this program does not have runs nowhere; it is shown last.
fn place(spec: &PluginSpec) -> Place<'_> {
    let plugin = REGISTRY.find(&spec.plugin);
    Place {
        plugin: &spec.plugin,
        phase: plugin.map_or(Phase::Observe, |plugin| plugin.phase),
        position: spec.position,
        combine: plugin.map_or(Combine::All, |plugin| plugin.combine),
        enabled: spec.enabled,
    }
}
