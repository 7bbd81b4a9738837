//! Usage: what the gateways counted, as series and sums.

use std::collections::BTreeMap;

use model::actor::{Action, Actor, Identity, Resource};
use model::clock::Timestamp;
use model::id::{ApplicationId, ConsumerId, CredentialId, RouteId, ServiceId};
use model::usage::{BUCKET_SECONDS, LATENCY_BUCKETS, quantile_ms};
use serde::Serialize;
use sqlx::types::Uuid;
use time::Duration;
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::error::{Error, Result};
use crate::{Control, applications, authorize};

/// The most points of a series.
const MAX_POINTS: i64 = 1_000;
/// How many points a series has when nothing is asked for.
const GOOD_POINTS: i64 = 120;
/// Widths of points, in seconds.
const STEPS: [i64; 12] = [
    10, 30, 60, 300, 600, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400, 604_800,
];
/// Longest span.
const MAX_SPAN: Duration = Duration::days(400);
/// How long fine buckets are kept before they are only part of their hour.
const FINE: Duration = Duration::days(2);
/// How long hourly buckets are kept.
const KEPT: Duration = Duration::days(400);
/// Rows that one step rolls up or drops.
const AT_ONCE: i64 = 20_000;
/// When no further step is begun; a job may take half a minute.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(15);

/// Which requests count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UsageFilter {
    /// Those of a route.
    pub route: Option<RouteId>,
    /// Those of a service.
    pub service: Option<ServiceId>,
    /// Those of a consumer.
    pub consumer: Option<ConsumerId>,
    /// Those with a credential.
    pub credential: Option<CredentialId>,
}

/// From when to when, with how wide points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first moment.
    pub from: Timestamp,
    /// The first moment after.
    pub to: Timestamp,
    /// The width of a point, in seconds.
    pub step: i64,
}

/// One point of a series.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Point {
    /// When it begins.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Requests.
    pub requests: i64,
    /// Of them, with a status from 400 to 499.
    pub client_errors: i64,
    /// Of them, with a status from 500 on.
    pub server_errors: i64,
    /// The latency below which half of them stayed, in milliseconds.
    pub p50_ms: Option<f64>,
    /// That below which 95 of 100 stayed.
    pub p95_ms: Option<f64>,
    /// That below which 99 of 100 stayed.
    pub p99_ms: Option<f64>,
}

/// Sums over a span.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Summary {
    /// Requests.
    pub requests: i64,
    /// Of them, with a status from 400 to 499.
    pub client_errors: i64,
    /// Of them, with a status from 500 on.
    pub server_errors: i64,
    /// Mean latency, in milliseconds.
    pub mean_ms: Option<f64>,
    /// The latency below which half of them stayed, in milliseconds.
    pub p50_ms: Option<f64>,
    /// That below which 95 of 100 stayed.
    pub p95_ms: Option<f64>,
    /// That below which 99 of 100 stayed.
    pub p99_ms: Option<f64>,
    /// Requests by status.
    pub statuses: BTreeMap<u16, i64>,
    /// Requests that the gateway answered itself, by reason.
    pub reasons: BTreeMap<String, i64>,
}

/// What a list of the busiest is by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopBy {
    /// Routes.
    Route,
    /// Services.
    Service,
    /// Consumers.
    Consumer,
}

impl TopBy {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Service => "service",
            Self::Consumer => "consumer",
        }
    }
}

/// One of the busiest.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Top {
    /// Which one.
    pub id: Uuid,
    /// What it is called; empty when it is gone.
    pub name: String,
    /// Requests.
    pub requests: i64,
    /// Of them, with a status from 400 on.
    pub errors: i64,
    /// The latency below which 95 of 100 stayed, in milliseconds.
    pub p95_ms: Option<f64>,
}

impl Span {
    /// A span with points of a good width.
    pub fn new(from: Timestamp, to: Timestamp, step: Option<i64>) -> Result<Self> {
        let wrong =
            |path: &str, message: &str| Error::InvalidQuery(model::Errors::one(path, model::Code::OutOfRange, message));
        let length = to - from;
        if !length.is_positive() || length > MAX_SPAN {
            return Err(wrong("from", "must lie before `to`, by at most 400 days"));
        }
        let seconds = length.whole_seconds().max(1);
        let step = match step {
            Some(step) if step >= BUCKET_SECONDS && step % BUCKET_SECONDS == 0 && seconds / step <= MAX_POINTS => step,
            Some(_) => {
                return Err(wrong(
                    "step",
                    "must be a multiple of 10 seconds that makes at most 1000 points",
                ));
            }
            None => STEPS
                .into_iter()
                .find(|step| seconds / step <= GOOD_POINTS)
                .unwrap_or(STEPS[STEPS.len() - 1]),
        };
        Ok(Self {
            from: floor(from, step),
            to,
            step,
        })
    }

    /// The last so much time before `now`.
    pub fn last(now: Timestamp, length: Duration) -> Self {
        let from = now - length;
        let fallback = Self {
            from,
            to: now,
            step: STEPS[STEPS.len() - 1],
        };
        Self::new(from, now, None).unwrap_or(fallback)
    }

    /// When each step begins, in seconds since 1970; the first one may begin before the span.
    pub(crate) fn moments(self) -> impl Iterator<Item = i64> {
        let first = self.from.unix_timestamp().div_euclid(self.step) * self.step;
        let end = self.to.unix_timestamp();
        (0..)
            .map(move |index| first + index * self.step)
            .take_while(move |at| *at < end)
    }

    /// The span of the same length just before.
    pub fn before(self) -> Self {
        Self {
            from: self.from - (self.to - self.from),
            to: self.from,
            step: self.step,
        }
    }
}

/// The beginning of the step that `at` is in, so that figures and charts of a span count the same requests.
fn floor(at: Timestamp, step: i64) -> Timestamp {
    Timestamp::from_unix_timestamp(at.unix_timestamp().div_euclid(step) * step).unwrap_or(at)
}

/// Administrators see everything, developers what their applications did.
async fn check(control: &Control, actor: &Actor, filter: &UsageFilter) -> Result<()> {
    let Identity::Developer(developer) = actor.identity else {
        return authorize(actor, Resource::Usage, Action::Read);
    };
    let consumer = filter.consumer.map(|consumer| consumer.0);
    let own = sqlx::query_scalar!(
        r#"select exists(select 1 from applications where consumer_id = $1 and developer_id = $2) as "own!""#,
        consumer,
        developer.0,
    )
    .fetch_one(control.pool())
    .await?;
    if own {
        Ok(())
    } else {
        authorize(actor, Resource::Usage, Action::Read)
    }
}

/// The filter for what an application did.
pub async fn of_application(control: &Control, actor: &Actor, application: ApplicationId) -> Result<UsageFilter> {
    let application = applications::get(control, actor, application).await?;
    Ok(UsageFilter {
        consumer: Some(application.consumer),
        ..UsageFilter::default()
    })
}

/// A point for every step of the span, also where nothing happened.
pub async fn series(control: &Control, actor: &Actor, span: Span, filter: UsageFilter) -> Result<Vec<Point>> {
    check(control, actor, &filter).await?;
    // Each place of the histograms is summed; the first one also carries what there is once in a bucket.
    let rows = sqlx::query!(
        r#"select at as "at!", class as "class!", sum(requests)::bigint as "requests!",
                  array_agg(value order by place) as "histogram!"
           from (select (floor(extract(epoch from bucket) / $3::bigint) * $3::bigint)::bigint as at,
                        (status / 100)::smallint as class, place, sum(value)::bigint as value,
                        sum(requests) filter (where place = 1) as requests
                 from usage_buckets, unnest(histogram) with ordinality as part (value, place)
                 where bucket >= to_timestamp(floor(extract(epoch from $1::timestamptz) / $3::bigint) * $3::bigint)
                   and bucket < $2
                   and ($4::uuid is null or route_id = $4) and ($5::uuid is null or service_id = $5)
                   and ($6::uuid is null or consumer_id = $6) and ($7::uuid is null or credential_id = $7)
                 group by 1, 2, 3) as places
           group by at, class"#,
        span.from,
        span.to,
        span.step,
        filter.route.map(|id| id.0),
        filter.service.map(|id| id.0),
        filter.consumer.map(|id| id.0),
        filter.credential.map(|id| id.0),
    )
    .fetch_all(control.pool())
    .await?;
    let mut sums: BTreeMap<i64, Sums> = BTreeMap::new();
    for row in rows {
        sums.entry(row.at)
            .or_default()
            .add(row.class, row.requests, &row.histogram);
    }
    Ok(span
        .moments()
        .map(|at| sums.remove(&at).unwrap_or_default().point(at))
        .collect())
}

/// Sums over the span.
pub async fn summary(control: &Control, actor: &Actor, span: Span, filter: UsageFilter) -> Result<Summary> {
    check(control, actor, &filter).await?;
    let rows = sqlx::query!(
        r#"select status as "status!", reason as "reason!", sum(requests)::bigint as "requests!",
                  sum(latency_us)::bigint as "latency_us!", array_agg(value order by place) as "histogram!"
           from (select status, reason, place, sum(value)::bigint as value,
                        sum(requests) filter (where place = 1) as requests,
                        sum(latency_us) filter (where place = 1) as latency_us
                 from usage_buckets, unnest(histogram) with ordinality as part (value, place)
                 where bucket >= $1 and bucket < $2
                   and ($3::uuid is null or route_id = $3) and ($4::uuid is null or service_id = $4)
                   and ($5::uuid is null or consumer_id = $5) and ($6::uuid is null or credential_id = $6)
                 group by 1, 2, 3) as places
           group by status, reason"#,
        span.from,
        span.to,
        filter.route.map(|id| id.0),
        filter.service.map(|id| id.0),
        filter.consumer.map(|id| id.0),
        filter.credential.map(|id| id.0),
    )
    .fetch_all(control.pool())
    .await?;
    let (mut sums, mut latency_us) = (Sums::default(), 0_i64);
    let (mut statuses, mut reasons) = (BTreeMap::new(), BTreeMap::new());
    for row in rows {
        sums.add(row.status / 100, row.requests, &row.histogram);
        latency_us += row.latency_us;
        *statuses.entry(u16::try_from(row.status).unwrap_or(0)).or_insert(0) += row.requests;
        if !row.reason.is_empty() {
            *reasons.entry(row.reason).or_insert(0) += row.requests;
        }
    }
    let point = sums.point(0);
    Ok(Summary {
        requests: point.requests,
        client_errors: point.client_errors,
        server_errors: point.server_errors,
        mean_ms: (point.requests > 0).then(|| as_float(latency_us) / 1_000.0 / as_float(point.requests)),
        p50_ms: point.p50_ms,
        p95_ms: point.p95_ms,
        p99_ms: point.p99_ms,
        statuses,
        reasons,
    })
}

/// The busiest, busiest first.
pub async fn top(control: &Control, actor: &Actor, span: Span, by: TopBy, limit: usize) -> Result<Vec<Top>> {
    authorize(actor, Resource::Usage, Action::Read)?;
    let rows = sqlx::query!(
        r#"with counted as not materialized (
               select case $3 when 'route' then route_id when 'service' then service_id else consumer_id end as id,
                      status, requests, histogram
               from usage_buckets where bucket >= $1 and bucket < $2
           ), busiest as (
               select id from counted where id <> '00000000-0000-0000-0000-000000000000'
               group by id order by sum(requests) desc, id limit $4
           ), places as (
               select id, (status / 100)::smallint as class, place, sum(value)::bigint as value,
                      sum(requests) filter (where place = 1) as requests
               from counted join busiest using (id), unnest(histogram) with ordinality as part (value, place)
               group by 1, 2, 3
           )
           select b.id as "id!", coalesce(r.name, s.name, c.name, '') as "name!", b.class as "class!",
                  b.requests as "requests!", b.histogram as "histogram!"
           from (select id, class, sum(requests)::bigint as requests, array_agg(value order by place) as histogram
                 from places group by id, class) b
           left join routes r on $3 = 'route' and r.id = b.id
           left join services s on $3 = 'service' and s.id = b.id
           left join consumers c on $3 = 'consumer' and c.id = b.id"#,
        span.from,
        span.to,
        by.as_str(),
        i64::try_from(limit).unwrap_or(i64::MAX),
    )
    .fetch_all(control.pool())
    .await?;
    let mut sums: BTreeMap<(Uuid, String), Sums> = BTreeMap::new();
    for row in rows {
        sums.entry((row.id, row.name))
            .or_default()
            .add(row.class, row.requests, &row.histogram);
    }
    let mut top: Vec<Top> = sums
        .into_iter()
        .map(|((id, name), sums)| {
            let point = sums.point(0);
            let errors = point.client_errors + point.server_errors;
            Top {
                id,
                name,
                requests: point.requests,
                errors,
                p95_ms: point.p95_ms,
            }
        })
        .collect();
    top.sort_by_key(|top| std::cmp::Reverse(top.requests));
    Ok(top)
}

/// How many requests each of `ids` had; those without any are left out.
pub async fn counts(
    control: &Control,
    actor: &Actor,
    span: Span,
    by: TopBy,
    ids: &[Uuid],
) -> Result<BTreeMap<Uuid, i64>> {
    authorize(actor, Resource::Usage, Action::Read)?;
    let rows = sqlx::query!(
        r#"select case $3 when 'route' then route_id when 'service' then service_id else consumer_id end as "id!",
                  sum(requests)::bigint as "requests!"
           from usage_buckets
           where bucket >= $1 and bucket < $2
             and case $3 when 'route' then route_id when 'service' then service_id else consumer_id end = any($4)
           group by 1"#,
        span.from,
        span.to,
        by.as_str(),
        ids,
    )
    .fetch_all(control.pool())
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.requests)).collect())
}

/// Puts fine buckets that have become old together by the hour, and drops hours that nobody asks for any more: so many at a
/// time that each step is done well within the time of a job, step by step until nothing is left or the time is over.
pub(crate) async fn roll_up(control: &Control) -> Result<u64> {
    let end = Instant::now() + PATIENCE;
    let mut done = 0;
    loop {
        let rolled = roll_up_some(control, AT_ONCE).await? + drop_some(control, AT_ONCE).await?;
        done += rolled;
        if rolled == 0 || Instant::now() >= end {
            return Ok(done);
        }
    }
}

/// Returns how many fine buckets became part of their hour.
async fn roll_up_some(control: &Control, most: i64) -> Result<u64> {
    let mut transaction = control.pool().begin().await?;
    // One at a time: two would add the same buckets to an hour twice.
    sqlx::query!("select pg_advisory_xact_lock(hashtext('gatehouse_usage_roll_up'))")
        .execute(&mut *transaction)
        .await?;
    let rolled = sqlx::query_scalar!(
        r#"with fine as (
               delete from usage_buckets where ctid = any (array(
                   select ctid from usage_buckets
                   where seconds = $1 and bucket < date_trunc('hour', $2::timestamptz) order by bucket limit $3))
               returning *
           ), hours as (
               select date_trunc('hour', bucket) as hour, route_id, service_id, consumer_id, credential_id, status, reason,
                      sum(requests)::bigint as requests, sum(latency_us)::bigint as latency_us,
                      sum(upstream_us)::bigint as upstream_us
               from fine group by 1, 2, 3, 4, 5, 6, 7
           ), places as (
               select date_trunc('hour', bucket) as hour, route_id, service_id, consumer_id, credential_id, status, reason,
                      place, sum(value)::bigint as value
               from fine, unnest(histogram) with ordinality as part(value, place) group by 1, 2, 3, 4, 5, 6, 7, 8
           ), rolled as (
               insert into usage_buckets (bucket, seconds, route_id, service_id, consumer_id, credential_id, status, reason,
                                          requests, latency_us, upstream_us, histogram)
               select h.hour, 3600, h.route_id, h.service_id, h.consumer_id, h.credential_id, h.status, h.reason,
                      h.requests, h.latency_us, h.upstream_us, array_agg(p.value order by p.place)
               from hours h join places p using (hour, route_id, service_id, consumer_id, credential_id, status, reason)
               group by h.hour, h.route_id, h.service_id, h.consumer_id, h.credential_id, h.status, h.reason,
                        h.requests, h.latency_us, h.upstream_us
               on conflict (bucket, seconds, route_id, service_id, consumer_id, credential_id, status, reason) do update set
                   requests = usage_buckets.requests + excluded.requests,
                   latency_us = usage_buckets.latency_us + excluded.latency_us,
                   upstream_us = usage_buckets.upstream_us + excluded.upstream_us,
                   histogram = (select array_agg(mine + theirs order by place)
                                from unnest(usage_buckets.histogram, excluded.histogram)
                                     with ordinality as pairs(mine, theirs, place))
           )
           select count(*) as "count!" from fine"#,
        i32::try_from(BUCKET_SECONDS).unwrap_or(i32::MAX),
        control.now() - FINE,
        most,
    )
    .fetch_one(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(rolled.try_into().unwrap_or_default())
}

/// Returns how many hours and notes of batches were dropped.
async fn drop_some(control: &Control, most: i64) -> Result<u64> {
    let hours = sqlx::query!(
        "delete from usage_buckets where ctid = any (array(
             select ctid from usage_buckets where bucket < $1 order by bucket limit $2))",
        control.now() - KEPT,
        most,
    )
    .execute(control.pool())
    .await?;
    let batches = sqlx::query!(
        "delete from usage_batches where ctid = any (array(
             select ctid from usage_batches where received_at < $1 order by received_at limit $2))",
        control.now() - FINE,
        most,
    )
    .execute(control.pool())
    .await?;
    Ok(hours.rows_affected() + batches.rows_affected())
}

/// Sums of buckets.
#[derive(Default)]
struct Sums {
    requests: i64,
    client_errors: i64,
    server_errors: i64,
    histogram: [u64; LATENCY_BUCKETS],
}

impl Sums {
    fn add(&mut self, class: i16, requests: i64, histogram: &[i64]) {
        self.requests += requests;
        match class {
            4 => self.client_errors += requests,
            5.. => self.server_errors += requests,
            _ => {}
        }
        for (sum, value) in self.histogram.iter_mut().zip(histogram) {
            *sum += u64::try_from(*value).unwrap_or(0);
        }
    }

    fn point(&self, at: i64) -> Point {
        Point {
            at: Timestamp::from_unix_timestamp(at).unwrap_or(Timestamp::UNIX_EPOCH),
            requests: self.requests,
            client_errors: self.client_errors,
            server_errors: self.server_errors,
            p50_ms: quantile_ms(&self.histogram, 0.5),
            p95_ms: quantile_ms(&self.histogram, 0.95),
            p99_ms: quantile_ms(&self.histogram, 0.99),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
fn as_float(value: i64) -> f64 {
    value as f64
}
