//! What the first page of the console shows: how much there is, what needs somebody, and where the traffic goes.

use std::collections::{BTreeMap, HashMap};

use model::actor::{Action, Actor, Resource};
use model::certificate::EXPIRING;
use model::clock::Timestamp;
use model::route::RouteSpec;
use serde::Serialize;
use time::Duration;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::usage::{self, Span, Top, TopBy};
use crate::{Control, authorize, certificates};

/// Names of one condition that are listed at most.
const NAMED: i64 = 20;
/// How long before its end a token is spoken of.
const ENDING: Duration = Duration::days(7);

/// How many objects there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Counts {
    /// Services.
    pub services: i64,
    /// Routes.
    pub routes: i64,
    /// Consumers.
    pub consumers: i64,
    /// Credentials that are not revoked.
    pub credentials: i64,
    /// Developers.
    pub developers: i64,
    /// Applications.
    pub applications: i64,
    /// Subscriptions that wait for an administrator.
    pub pending_subscriptions: i64,
}

/// What may need somebody; each is seen in the database alone, without asking a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conditions {
    /// Subscriptions that wait for an administrator.
    pub pending_subscriptions: i64,
    /// Since when the first of them waits.
    pub oldest_pending: Option<Timestamp>,
    /// Mails that were given up.
    pub failed_mails: i64,
    /// Mails that were not sent for want of a mail server.
    pub kept_mails: i64,
    /// Services that are switched off.
    pub disabled_services: Vec<String>,
    /// Routes that are switched off.
    pub disabled_routes: Vec<String>,
    /// Upstreams that services use and that have no target to send anything to.
    pub empty_upstreams: Vec<String>,
    /// Upstreams that go on, with some of their targets switched off.
    pub thinned_upstreams: Vec<String>,
    /// Certificates that have ended.
    pub expired_certificates: Vec<String>,
    /// Certificates that end within a week; automatic ones only when their renewal fails.
    pub ending_certificates: Vec<String>,
    /// Certificates that end within 30 days, but not within a week; without automatic ones.
    pub aging_certificates: Vec<String>,
    /// Certificates that could not be got or renewed.
    pub failing_certificates: Vec<String>,
    /// What the last attempt at the first of them came to.
    pub failing_reason: Option<String>,
    /// API tokens that end within a week.
    pub ending_tokens: Vec<String>,
}

/// An upstream with targets that gateways do not trust now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailingTargets {
    /// The upstream's name.
    pub upstream: String,
    /// Targets that are unhealthy or ejected for some gateway.
    pub failing: i64,
    /// Targets that some service stopped to ask.
    pub open: i64,
}

/// How many consumers sent requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveConsumers {
    /// In the whole span.
    pub total: i64,
    /// In each step of it, like the points of [`usage::series`].
    pub points: Vec<i64>,
}

/// One of the busiest routes, with what people know it by.
#[derive(Debug, Clone, PartialEq)]
pub struct BusyRoute {
    /// Its figures.
    pub top: Top,
    /// What it matches; absent when it was deleted since.
    pub spec: Option<RouteSpec>,
    /// The service that it leads to.
    pub service: String,
}

/// Counts everything.
pub async fn counts(control: &Control, actor: &Actor) -> Result<Counts> {
    authorize(actor, Resource::Usage, Action::Read)?;
    let counts = sqlx::query_as!(
        Counts,
        r#"select (select count(*) from services) as "services!", (select count(*) from routes) as "routes!",
                  (select count(*) from consumers) as "consumers!",
                  (select count(*) from credentials where status <> 'revoked') as "credentials!",
                  (select count(*) from developers) as "developers!",
                  (select count(*) from applications where deleted_at is null) as "applications!",
                  (select count(*) from subscriptions where state = 'pending') as "pending_subscriptions!""#
    )
    .fetch_one(control.pool())
    .await?;
    Ok(counts)
}

/// Looks for what needs somebody.
pub async fn conditions(control: &Control, actor: &Actor) -> Result<Conditions> {
    authorize(actor, Resource::Usage, Action::Read)?;
    let now = control.now();
    let conditions = sqlx::query_as!(
        Conditions,
        r#"select (select count(*) from subscriptions where state = 'pending') as "pending_subscriptions!",
                  (select min(created_at) from subscriptions where state = 'pending') as "oldest_pending",
                  (select count(*) from mails where state = 'failed') as "failed_mails!",
                  (select count(*) from mails where state = 'kept') as "kept_mails!",
                  array(select name from services where not enabled order by name limit $1) as "disabled_services!",
                  array(select name from routes where not enabled order by name limit $1) as "disabled_routes!",
                  array(select name from upstreams u
                        where exists (select 1 from services s where s.upstream_id = u.id and s.enabled)
                          and not (enabled and exists (select 1 from targets t where t.upstream_id = u.id and t.enabled
                                                       and (t.spec ->> 'weight')::int > 0))
                        order by name limit $1) as "empty_upstreams!",
                  array(select name from upstreams u
                        where exists (select 1 from services s where s.upstream_id = u.id and s.enabled)
                          and exists (select 1 from targets t where t.upstream_id = u.id and not t.enabled)
                          and enabled and exists (select 1 from targets t where t.upstream_id = u.id and t.enabled
                                                  and (t.spec ->> 'weight')::int > 0)
                        order by name limit $1) as "thinned_upstreams!",
                  array(select name from certificates where enabled and expires_at collate "C" < $4
                        order by expires_at limit $1) as "expired_certificates!",
                  array(select name from certificates
                        where enabled and expires_at collate "C" >= $4 and expires_at collate "C" < $5
                          and not exists (select 1 from acme_orders
                                          where certificate_id = id and last_error is null and next_attempt_at > $2)
                        order by expires_at limit $1) as "ending_certificates!",
                  array(select name from certificates
                        where enabled and expires_at collate "C" >= $5 and expires_at collate "C" < $6
                          and not exists (select 1 from acme_orders
                                          where certificate_id = id and (last_error is not null or next_attempt_at > $2))
                        order by expires_at limit $1) as "aging_certificates!",
                  array(select name from certificates join acme_orders on certificate_id = id
                        where enabled and last_error is not null
                        order by expires_at nulls first, name limit $1) as "failing_certificates!",
                  (select last_error from certificates join acme_orders on certificate_id = id
                        where enabled and last_error is not null
                        order by expires_at nulls first, name limit 1) as "failing_reason",
                  array(select name from api_tokens
                        where revoked_at is null and expires_at > $2 and expires_at <= $3
                        order by expires_at limit $1) as "ending_tokens!""#,
        NAMED,
        now,
        now + ENDING,
        certificates::as_text(now),
        certificates::as_text(now + ENDING),
        certificates::as_text(now + EXPIRING),
    )
    .fetch_one(control.pool())
    .await?;
    Ok(conditions)
}

/// The upstreams with targets that fail now, as the running gateways tell; the first by name.
pub async fn failing_targets(control: &Control, actor: &Actor) -> Result<Vec<FailingTargets>> {
    authorize(actor, Resource::Usage, Action::Read)?;
    let failing = sqlx::query_as!(
        FailingTargets,
        r#"select upstreams.name as upstream,
                  count(distinct told ->> 'target') filter (where told ->> 'health' in ('unhealthy', 'ejected'))
                    as "failing!",
                  count(distinct told ->> 'target') filter (where told ->> 'breaker' = 'open') as "open!"
           from gateway_upstreams
                join gateways on gateways.id = gateway_id
                join upstreams on upstreams.id = upstream_id
                cross join jsonb_array_elements(targets) as told
           where stopped_at is null and seen_at > now() - interval '5 seconds'
             and (told ->> 'health' in ('unhealthy', 'ejected') or told ->> 'breaker' = 'open')
           group by upstreams.name order by upstreams.name limit $1"#,
        NAMED,
    )
    .fetch_all(control.pool())
    .await?;
    Ok(failing)
}

/// Counts the consumers that sent requests, over the span and in each step of it.
pub async fn active_consumers(control: &Control, actor: &Actor, span: Span) -> Result<ActiveConsumers> {
    authorize(actor, Resource::Usage, Action::Read)?;
    let total = sqlx::query_scalar!(
        r#"select count(distinct consumer_id) as "count!" from usage_buckets
           where bucket >= $1 and bucket < $2 and consumer_id <> '00000000-0000-0000-0000-000000000000'"#,
        span.from,
        span.to,
    )
    .fetch_one(control.pool())
    .await?;
    let rows = sqlx::query!(
        r#"select (floor(extract(epoch from bucket) / $3::bigint) * $3::bigint)::bigint as "at!",
                  count(distinct consumer_id) as "count!" from usage_buckets
           where bucket >= to_timestamp(floor(extract(epoch from $1::timestamptz) / $3::bigint) * $3::bigint)
             and bucket < $2 and consumer_id <> '00000000-0000-0000-0000-000000000000'
           group by 1"#,
        span.from,
        span.to,
        span.step,
    )
    .fetch_all(control.pool())
    .await?;
    let counts: BTreeMap<i64, i64> = rows.into_iter().map(|row| (row.at, row.count)).collect();
    let points = span.moments().map(|at| counts.get(&at).copied().unwrap_or(0)).collect();
    Ok(ActiveConsumers { total, points })
}

/// The busiest routes with what they match, busiest first.
pub async fn busiest_routes(control: &Control, actor: &Actor, span: Span, limit: usize) -> Result<Vec<BusyRoute>> {
    authorize(actor, Resource::Routes, Action::Read)?;
    let tops = usage::top(control, actor, span, TopBy::Route, limit).await?;
    let ids: Vec<Uuid> = tops.iter().map(|top| top.id).collect();
    let rows = sqlx::query!(
        "select routes.id, routes.spec, services.name as service
         from routes join services on services.id = routes.service_id where routes.id = any($1)",
        &ids,
    )
    .fetch_all(control.pool())
    .await?;
    let mut known = HashMap::new();
    for row in rows {
        let spec: RouteSpec =
            serde_json::from_value(row.spec).map_err(|source| Error::Corrupt { what: "route", source })?;
        known.insert(row.id, (spec, row.service));
    }
    let busy = tops.into_iter().map(|top| {
        let (spec, service) = known.remove(&top.id).unzip();
        BusyRoute {
            top,
            spec,
            service: service.unwrap_or_default(),
        }
    });
    Ok(busy.collect())
}
