//! Upstreams: who depends on one, and what gateways know of its targets.

use model::actor::{Action, Actor, Resource};
use model::clock::Timestamp;
use model::upstream::{ActiveHealth, TargetState, UpstreamDraft, UpstreamSpec};
use model::{Errors, Kind};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::{Dependant, Error, Result};
use crate::store::{self, Table};
use crate::{Control, authorize, references};

impl Table for UpstreamSpec {
    const TABLE: &'static str = "upstreams";
    const RESOURCE: Resource = Resource::Upstreams;

    async fn resolve(connection: &mut PgConnection, draft: &mut UpstreamDraft, errors: &mut Errors) -> Result<()> {
        let Some(active) = draft.health.as_mut().and_then(|health| health.active.as_mut()) else {
            return Ok(());
        };
        let (authorities, certificate) = (&mut active.ca_certificates, &mut active.client_certificate);
        references::resolve_tls(connection, "health.active.", authorities, certificate, errors).await
    }

    async fn check(
        connection: &mut PgConnection,
        _id: Uuid,
        _before: Option<&Self>,
        spec: &mut Self,
        errors: &mut Errors,
    ) -> Result<()> {
        match spec.health.active.as_ref().and_then(ActiveHealth::tls) {
            Some(tls) => references::hold_tls(connection, "health.active.", &tls, errors).await,
            None => Ok(()),
        }
    }

    async fn dependants(connection: &mut PgConnection, id: Uuid) -> Result<Vec<Dependant>> {
        let mut all = references::dependants(connection, Kind::Service, ("services", "upstream_id"), id).await?;
        all.extend(references::dependants(connection, Kind::Target, ("targets", "upstream_id"), id).await?);
        Ok(all)
    }
}

/// What the gateways know of an upstream's targets.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct UpstreamHealth {
    /// The upstream's id.
    pub upstream: Uuid,
    /// One report for each gateway that told of it.
    pub gateways: Vec<HealthReport>,
}

/// What one gateway knows of an upstream's targets.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct HealthReport {
    /// The gateway's id.
    pub gateway: Uuid,
    /// What it calls itself.
    pub name: String,
    /// Whether it was heard of within the last seconds: then the report holds.
    pub live: bool,
    /// How old the report is, in seconds: since the gateway was last heard of.
    pub age_seconds: i64,
    /// When what it tells last changed.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub told_at: Timestamp,
    /// The targets, each address on its own.
    pub targets: Vec<TargetState>,
}

/// What the gateways that were heard of within the last hour know of the targets of one upstream, by id or name.
pub async fn health(control: &Control, actor: &Actor, upstream: &str) -> Result<UpstreamHealth> {
    authorize(actor, Resource::Upstreams, Action::Read)?;
    let upstream = store::get::<UpstreamSpec>(control, actor, upstream).await?.id.0;
    // By the clock of the database, as `gateways` tells it.
    let rows = sqlx::query!(
        r#"select gateways.id, gateways.name, told_at, targets,
                  stopped_at is null and seen_at > now() - interval '5 seconds' as "live!",
                  greatest(floor(extract(epoch from now() - seen_at)), 0)::bigint as "age!"
           from gateway_upstreams join gateways on gateways.id = gateway_id
           where upstream_id = $1 and seen_at > now() - interval '1 hour' order by gateways.name, gateways.id"#,
        upstream,
    )
    .fetch_all(control.pool())
    .await?;
    let reports = rows.into_iter().map(|row| {
        let targets = serde_json::from_value(row.targets);
        Ok(HealthReport {
            gateway: row.id,
            name: row.name,
            live: row.live,
            age_seconds: row.age,
            told_at: row.told_at,
            targets: targets.map_err(|source| Error::Corrupt {
                what: "health report",
                source,
            })?,
        })
    });
    Ok(UpstreamHealth {
        upstream,
        gateways: reports.collect::<Result<_>>()?,
    })
}
