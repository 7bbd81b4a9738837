//! Ships usage: a batch arrives whole and once, however often it is sent.

use std::sync::Arc;
use std::time::Duration;

use model::clock::Timestamp;
use model::usage::{BUCKET_SECONDS, LATENCY_BUCKETS, UsageBatch, UsageCounts, UsageKey};
use serde::Serialize;
use sqlx::types::Json;
use sqlx::{PgPool, Postgres, Transaction};
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use super::postgres::within;
use crate::usage::Recorder;

/// How often usage is collected and shipped.
const PERIOD: Duration = Duration::from_secs(2);

/// Collects what was counted and ships it, again and again, and apart from everything else: while the database is away
/// it is collected all the same, and what is long in coming does not hold up the configuration.
pub(super) async fn regularly(pool: PgPool, usage: Arc<Recorder>) {
    let mut period = interval(PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut fails = false;
    loop {
        period.tick().await;
        usage.collect();
        let shipped = all(&pool, &usage).await;
        if let Err(error) = &shipped
            && !fails
        {
            tracing::warn!(%error, "usage waits until it can be shipped");
        }
        fails = shipped.is_err();
    }
}

/// Ships every batch that waits.
pub(super) async fn all(pool: &PgPool, usage: &Recorder) -> sqlx::Result<()> {
    while let Some(batch) = usage.batch() {
        within(ship(pool, &batch)).await?;
        usage.shipped(batch.number);
    }
    Ok(())
}

async fn ship(pool: &PgPool, batch: &UsageBatch) -> sqlx::Result<()> {
    let mut transaction = pool.begin().await?;
    let first = sqlx::query(
        "insert into usage_batches (gateway_id, started_at, number, received_at) values ($1, $2, $3, now())
         on conflict do nothing",
    )
    .bind(batch.gateway.0)
    .bind(batch.started_at)
    .bind(batch.number)
    .execute(&mut *transaction)
    .await?;
    if first.rows_affected() == 1 {
        // In one order everywhere, so that gateways which ship at once do not wait for each other in a circle.
        let mut rows: Vec<&(UsageKey, UsageCounts)> = batch.rows.iter().collect();
        rows.sort_by_key(|(key, _)| {
            (
                key.bucket,
                key.route,
                key.service,
                key.consumer,
                key.credential,
                key.status,
                key.reason,
            )
        });
        for chunk in rows.chunks(1_000) {
            add(&mut transaction, chunk).await?;
        }
        mark_used(&mut transaction, &batch.rows).await?;
    }
    transaction.commit().await
}

/// Adds counts to buckets. One parameter carries all rows, as a JSON array, because histograms are arrays themselves.
async fn add(transaction: &mut Transaction<'static, Postgres>, rows: &[&(UsageKey, UsageCounts)]) -> sqlx::Result<()> {
    let rows: Vec<Row<'_>> = rows.iter().map(|(key, counts)| row(key, counts)).collect();
    sqlx::query(
        "insert into usage_buckets as known
            (bucket, seconds, route_id, service_id, consumer_id, credential_id, status, reason,
             requests, latency_us, upstream_us, histogram)
         select to_timestamp(bucket), $2, route, service, consumer, credential, status, reason, requests, latency, upstream,
                histogram
         from jsonb_to_recordset($1) as rows(bucket bigint, route uuid, service uuid, consumer uuid, credential uuid,
              status smallint, reason text, requests bigint, latency bigint, upstream bigint, histogram bigint[])
         on conflict (bucket, seconds, route_id, service_id, consumer_id, credential_id, status, reason) do update set
            requests = known.requests + excluded.requests,
            latency_us = known.latency_us + excluded.latency_us,
            upstream_us = known.upstream_us + excluded.upstream_us,
            histogram = (select array_agg(mine + theirs order by place)
                         from unnest(known.histogram, excluded.histogram) with ordinality as both_(mine, theirs, place))",
    )
    .bind(Json(rows))
    .bind(i32::try_from(BUCKET_SECONDS).unwrap_or(i32::MAX))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// A row as the statement reads it.
#[derive(Serialize)]
struct Row<'a> {
    bucket: i64,
    route: Uuid,
    service: Uuid,
    consumer: Uuid,
    credential: Uuid,
    status: u16,
    reason: &'static str,
    requests: u64,
    latency: u64,
    upstream: u64,
    histogram: &'a [u64; LATENCY_BUCKETS],
}

fn row<'a>(key: &UsageKey, counts: &'a UsageCounts) -> Row<'a> {
    let id = |id: Option<Uuid>| id.unwrap_or(Uuid::nil());
    Row {
        bucket: key.bucket,
        route: id(key.route.map(|id| id.0)),
        service: id(key.service.map(|id| id.0)),
        consumer: id(key.consumer.map(|id| id.0)),
        credential: id(key.credential.map(|id| id.0)),
        status: key.status,
        reason: key.reason.map_or("", model::reason::Reason::code),
        requests: counts.requests,
        latency: counts.latency_us,
        upstream: counts.upstream_us,
        histogram: &counts.histogram,
    }
}

/// Notes when credentials were last accepted, to the width of a bucket.
async fn mark_used(
    transaction: &mut Transaction<'static, Postgres>,
    rows: &[(UsageKey, UsageCounts)],
) -> sqlx::Result<()> {
    let mut used: std::collections::BTreeMap<Uuid, i64> = std::collections::BTreeMap::new();
    for (key, _) in rows {
        if let Some(credential) = key.credential {
            let last = used.entry(credential.0).or_insert(key.bucket);
            *last = key.bucket.max(*last);
        }
    }
    let (ids, times): (Vec<Uuid>, Vec<Timestamp>) = used
        .into_iter()
        .map(|(id, bucket)| {
            (
                id,
                Timestamp::from_unix_timestamp(bucket).unwrap_or(Timestamp::UNIX_EPOCH),
            )
        })
        .unzip();
    sqlx::query(
        "update credentials set last_used_at = greatest(coalesce(last_used_at, used.at), used.at)
         from unnest($1::uuid[], $2::timestamptz[]) as used(id, at) where credentials.id = used.id",
    )
    .bind(ids)
    .bind(times)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
