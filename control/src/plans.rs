//! Plans: each compiles to a consumer group that carries its limits.

use ::plugins::rate_limit::RateLimit;
use model::actor::Resource;
use model::plan::{PlanDraft, PlanLimit, PlanSpec};
use model::plugin::PluginSpec;
use model::{Code, Errors, Kind, Noun};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::change::Change;
use crate::error::{Dependant, Result};
use crate::references;
use crate::store::{Filter, Table, to_json};

impl Table for PlanSpec {
    const TABLE: &'static str = "plans";
    const RESOURCE: Resource = Resource::Products;
    const FILTERS: &'static [(&'static str, Filter)] = &[
        ("product", Filter::Reference("product_id", Kind::Product)),
        ("state", Filter::Text("state")),
    ];

    async fn resolve(connection: &mut PgConnection, draft: &mut PlanDraft, errors: &mut Errors) -> Result<()> {
        references::resolve(connection, Kind::Product, "product", &mut draft.product, errors).await
    }

    async fn check(
        _connection: &mut PgConnection,
        _id: Uuid,
        before: Option<&Self>,
        spec: &mut Self,
        errors: &mut Errors,
    ) -> Result<()> {
        let Some(before) = before else { return Ok(()) };
        if !before.state.may_become(spec.state) {
            let message = format!(
                "cannot go from `{}` to `{}`",
                before.state.as_str(),
                spec.state.as_str()
            );
            errors.add("state", Code::Conflict, message);
        }
        if before.product != spec.product {
            errors.add("product", Code::Conflict, "cannot be changed: subscriptions rest on it");
        }
        Ok(())
    }

    async fn dependants(connection: &mut PgConnection, id: Uuid) -> Result<Vec<Dependant>> {
        let rows = sqlx::query!(
            "select subscriptions.id, applications.name from subscriptions
             join applications on applications.id = subscriptions.application_id
             where subscriptions.plan_id = $1 order by applications.name",
            id,
        )
        .fetch_all(&mut *connection)
        .await?;
        let dependant = |id, name| Dependant {
            kind: Kind::Subscription,
            id,
            name,
        };
        let mut all: Vec<Dependant> = rows.into_iter().map(|row| dependant(row.id, row.name)).collect();
        all.extend(references::dependants(connection, Kind::Plugin, ("plugins", "consumer_group_id"), id).await?);
        Ok(all)
    }

    async fn publish(change: &mut Change, id: Uuid, spec: Option<&Self>) -> Result<()> {
        if let Some(spec) = spec {
            sqlx::query!(
                "insert into consumer_groups (id, name, plan_id) values ($1, $2, $1)
                 on conflict (id) do update set name = excluded.name",
                id,
                spec.name(),
            )
            .execute(change.connection())
            .await?;
        }
        let plugin = match spec {
            Some(spec) if !spec.limits.is_empty() => Some(to_json(&limit_plugin(id, spec.name(), &spec.limits)?)?),
            _ => None,
        };
        change.publish(Kind::Plugin, id, plugin);
        Ok(())
    }
}

/// The rate limit of a plan's group. The group and the instance have the plan's id, so that counters stay when
/// the limits change; being made, not written, the instance is not among those that people edit.
fn limit_plugin(id: Uuid, name: String, limits: &[PlanLimit]) -> Result<PluginSpec> {
    Ok(PluginSpec {
        plugin: <RateLimit as ::plugins::Plugin>::NAME.to_owned(),
        service: None,
        route: None,
        consumer: None,
        consumer_group: Some(model::id::ConsumerGroupId(id)),
        config: to_json(&RateLimit::for_plan(limits))?,
        position: 0,
        tags: vec![format!("plan:{name}")],
        enabled: true,
    })
}
