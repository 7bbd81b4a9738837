//! Work in the background: what has ended is removed, some rows at a time.
//!
//! Every node may run the jobs: they only remove what is over, so that doing it twice does no harm.

use std::pin::pin;
use std::time::Duration;

use crate::accounts::AccountKind;
use crate::error::Result;
use crate::{Control, idempotency};

/// How often the jobs run.
const PAUSE: Duration = Duration::from_mins(1);
/// How long one job may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// Rows that one job removes at a time; the rest follows a minute later.
const BATCH: i64 = 10_000;
/// How long attempts are counted at most.
const ATTEMPTS: time::Duration = time::Duration::hours(1);
/// How long mails are kept, readable ones too.
const MAILS: time::Duration = time::Duration::days(7);
/// How long a used or ended link is remembered.
const LINKS: time::Duration = time::Duration::days(1);

/// Runs the jobs every minute until `shutdown`.
pub async fn run(control: Control, shutdown: impl Future<Output = ()>) {
    let mut shutdown = pin!(shutdown);
    loop {
        let work = async {
            run_once(&control).await;
            tokio::time::sleep(PAUSE).await;
        };
        tokio::select! {
            () = &mut shutdown => return,
            () = work => {}
        }
    }
}

/// Runs every job once; one that fails does not keep the others from running.
pub async fn run_once(control: &Control) {
    run_job("sessions", sessions(control)).await;
    run_job("links", links(control)).await;
    run_job("idempotency keys", idempotency_keys(control)).await;
    run_job("attempts", attempts(control)).await;
    run_job("mails", mails(control)).await;
    run_job("gateways", gateways(control)).await;
    run_job("credentials", crate::credentials::remove_ended(control)).await;
    run_job("usage", crate::usage::roll_up(control)).await;
}

async fn run_job(name: &str, job: impl Future<Output = Result<u64>>) {
    match tokio::time::timeout(DEADLINE, job).await {
        Ok(Ok(0)) => {}
        Ok(Ok(removed)) => tracing::debug!(job.name = name, job.removed = removed, "removed what has ended"),
        Ok(Err(error)) => tracing::error!(job.name = name, error = %error, "a background job failed"),
        Err(_) => tracing::error!(job.name = name, "a background job took too long"),
    }
}

async fn sessions(control: &Control) -> Result<u64> {
    let now = control.now();
    let removed = sqlx::query!(
        "delete from sessions where token_hash in (
             select token_hash from sessions
             where expires_at <= $1 or seen_at <= case account_kind when 'admin' then $2::timestamptz else $3::timestamptz end limit $4
         )",
        now,
        now - AccountKind::Admin.idle(),
        now - AccountKind::Developer.idle(),
        BATCH,
    );
    Ok(removed.execute(control.pool()).await?.rows_affected())
}

async fn links(control: &Control) -> Result<u64> {
    let removed = sqlx::query!(
        "delete from one_time_tokens where token_hash in (
             select token_hash from one_time_tokens where expires_at <= $1 or used_at <= $1 limit $2
         )",
        control.now() - LINKS,
        BATCH,
    );
    Ok(removed.execute(control.pool()).await?.rows_affected())
}

async fn idempotency_keys(control: &Control) -> Result<u64> {
    let removed = sqlx::query!(
        "delete from idempotency_keys where (actor, key) in (
             select actor, key from idempotency_keys where created_at <= $1 limit $2
         )",
        control.now() - idempotency::KEPT,
        BATCH,
    );
    Ok(removed.execute(control.pool()).await?.rows_affected())
}

async fn attempts(control: &Control) -> Result<u64> {
    let removed = sqlx::query!(
        "delete from attempts where ctid in (select ctid from attempts where at <= $1 limit $2)",
        control.now() - ATTEMPTS,
        BATCH,
    );
    Ok(removed.execute(control.pool()).await?.rows_affected())
}

async fn mails(control: &Control) -> Result<u64> {
    let removed = sqlx::query!(
        "delete from mails where id in (
             select id from mails where state <> 'queued' and created_at <= $1 limit $2
         )",
        control.now() - MAILS,
        BATCH,
    );
    Ok(removed.execute(control.pool()).await?.rows_affected())
}

async fn gateways(control: &Control) -> Result<u64> {
    // They are heard of by the clock of the database.
    let removed = sqlx::query!("delete from gateways where seen_at <= now() - interval '1 day'");
    Ok(removed.execute(control.pool()).await?.rows_affected())
}
