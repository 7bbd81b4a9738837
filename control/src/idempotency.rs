//! `Idempotency-Key`: a POST that is sent again within a day gets its first answer again and does nothing.
//!
//! Answers may hold secrets that are shown once, so they are sealed at rest under the secret of the deployment.

use model::actor::Actor;
use model::clock::Timestamp;
use model::{Code, Errors};
use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use crate::error::{Error, Result};
use crate::{Control, Secrets};

/// How long an answer is kept.
pub const KEPT: time::Duration = time::Duration::hours(24);
/// A request that did not end within this time is taken for dead, and its key can be used again.
const RUNNING: time::Duration = time::Duration::minutes(1);
/// The longest key, in characters.
const MAX_KEY: usize = 255;
/// The largest answer that is kept, in bytes; a larger one is not, and a repeated request is then refused.
const MAX_BODY: usize = 1024 * 1024;
const HEADER: &str = "Idempotency-Key";

/// What to do with a request that carries a key.
#[derive(Debug)]
pub enum Start {
    /// Do it, best with [`Control::write_once`], then hand the claim to [`finish`] or [`abandon`].
    New(Claim),
    /// It was done; this was the answer.
    Answered(Answer),
}

/// The right to answer for a key.
#[derive(Debug, Clone)]
pub struct Claim {
    actor: String,
    key: String,
    created_at: Timestamp,
}

/// An answer as it was given.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers that are to be given again.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// Claims a key for a request, or finds the answer that it got. `request` is everything that makes it the same
/// request: method, target and body.
pub async fn begin(control: &Control, actor: &Actor, key: &str, request: &[u8]) -> Result<Start> {
    if key.is_empty() || key.len() > MAX_KEY || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!("must be 1 to {MAX_KEY} visible ASCII characters");
        return Err(Error::InvalidQuery(Errors::one(HEADER, Code::Invalid, message)));
    }
    let hash = Sha256::digest(request).to_vec();
    let claim = Claim {
        actor: owner(actor),
        key: key.to_owned(),
        created_at: now(control),
    };
    if take(control, &claim, &hash).await? {
        return Ok(Start::New(claim));
    }
    let row = sqlx::query!(
        "select request_hash, status, headers, body from idempotency_keys where actor = $1 and key = $2",
        claim.actor,
        claim.key,
    )
    .fetch_optional(control.pool())
    .await?;
    // It may be purged or abandoned just now; the client is about to try again anyway.
    let Some(row) = row else { return Err(running()) };
    if row.request_hash != hash {
        let message = "was used for another request; take a new key for every request";
        return Err(Error::Invalid(Errors::one(HEADER, Code::Conflict, message)));
    }
    let Some(status) = row.status else {
        return Err(running());
    };
    let body = row
        .body
        .and_then(|sealed| control.secrets().open(&label(&claim), &sealed));
    let (Some(body), Ok(status)) = (body, u16::try_from(status)) else {
        return Err(Error::Conflict(
            "the request was done, but its answer is not kept".to_owned(),
        ));
    };
    let headers = row
        .headers
        .and_then(|headers| serde_json::from_value(headers).ok())
        .unwrap_or_default();
    Ok(Start::Answered(Answer { status, headers, body }))
}

fn running() -> Error {
    Error::Conflict("a request with this Idempotency-Key is still running".to_owned())
}

/// Inserts the key, or takes over one whose answer is too old or whose request died.
async fn take(control: &Control, claim: &Claim, hash: &[u8]) -> Result<bool> {
    let taken = sqlx::query!(
        "insert into idempotency_keys (actor, key, request_hash, created_at) values ($1, $2, $3, $4)
         on conflict (actor, key) do update
             set request_hash = excluded.request_hash, created_at = excluded.created_at,
                 status = null, headers = null, body = null
             where idempotency_keys.created_at <= $5
                or (idempotency_keys.status is null and idempotency_keys.created_at <= $6)",
        claim.actor,
        claim.key,
        hash,
        claim.created_at,
        claim.created_at - KEPT,
        claim.created_at - RUNNING,
    )
    .execute(control.pool())
    .await?;
    Ok(taken.rows_affected() == 1)
}

/// Keeps the answer of a request that was done or refused for good. One that was taken for dead has none to give.
pub async fn finish(control: &Control, claim: Claim, answer: &Answer) -> Result<()> {
    let mut connection = control.pool().acquire().await?;
    store(&mut connection, control.secrets(), &claim, answer).await?;
    Ok(())
}

/// Keeps the answer together with what it tells of. A request that was taken for dead meanwhile does nothing: another
/// one does it in its place.
pub(crate) async fn keep(
    connection: &mut PgConnection,
    secrets: &Secrets,
    claim: &Claim,
    answer: &Answer,
) -> Result<()> {
    if store(connection, secrets, claim, answer).await? {
        Ok(())
    } else {
        Err(running())
    }
}

async fn store(connection: &mut PgConnection, secrets: &Secrets, claim: &Claim, answer: &Answer) -> Result<bool> {
    let body = (answer.body.len() <= MAX_BODY).then(|| secrets.seal(&label(claim), &answer.body));
    let kept = sqlx::query!(
        "update idempotency_keys set status = $4, headers = $5, body = $6
         where actor = $1 and key = $2 and created_at = $3",
        claim.actor,
        claim.key,
        claim.created_at,
        i16::try_from(answer.status).unwrap_or(0),
        json!(answer.headers),
        body,
    )
    .execute(connection)
    .await?;
    Ok(kept.rows_affected() == 1)
}

/// Forgets a request that failed for no fault of its own, so that it can be sent again.
pub async fn abandon(control: &Control, claim: Claim) -> Result<()> {
    sqlx::query!(
        "delete from idempotency_keys where actor = $1 and key = $2 and created_at = $3 and status is null",
        claim.actor,
        claim.key,
        claim.created_at,
    )
    .execute(control.pool())
    .await?;
    Ok(())
}

/// Keys of one actor say nothing to another one.
fn owner(actor: &Actor) -> String {
    match actor.identity.id() {
        Some(id) => format!("{}:{id}", actor.identity.as_str()),
        None => actor.identity.as_str().to_owned(),
    }
}

/// Binds a sealed answer to its place.
fn label(claim: &Claim) -> String {
    format!("idempotency\n{}\n{}", claim.actor, claim.key)
}

/// The time to the precision of the database, as it is compared again.
fn now(control: &Control) -> Timestamp {
    let now = control.now();
    now.replace_microsecond(now.microsecond()).unwrap_or(now)
}
