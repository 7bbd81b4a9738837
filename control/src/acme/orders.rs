//! How far each automatic certificate is: when the next attempt is due, what the last one came to.

use std::collections::HashMap;

use model::actor::{Action, Actor, Resource};
use model::certificate::{Acme, CertificateSpec, Issuance, IssuanceState, pause};
use model::clock::Timestamp;
use model::{Kind, Stored};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::challenges::{self, Trace};
use crate::audit::{self, Event};
use crate::change::Change;
use crate::error::{Error, Result};
use crate::store::{self, to_json};
use crate::{Control, Mode};

/// The pause after an attempt that never came to the authority.
const SHORT_PAUSE: time::Duration = time::Duration::minutes(1);

/// How often an order is tried before another one is made: perhaps it alone is what the authority trips over.
const MOST_FAILURES: i32 = 5;

/// An attempt that began, with the order that an earlier one left.
#[derive(Debug)]
pub(super) struct Begun {
    /// For which certificate.
    pub(super) certificate: Uuid,
    /// Where the authority has the order.
    pub(super) url: Option<String>,
    /// The sealed key that its certificate will have.
    pub(super) key: Option<Vec<u8>>,
    /// Another one as soon as something else is wanted: from then on this attempt may write nothing.
    wish: i64,
    /// Another one as soon as somebody asks for an attempt at once, whatever comes of this one.
    asked: i64,
}

/// Why an attempt came to nothing.
#[derive(Debug)]
pub(super) struct Failure {
    /// A sentence for people.
    pub(super) message: String,
    /// When the authority wants to be asked again.
    pub(super) retry_after: Option<std::time::Duration>,
    /// Whether the order is of no more use.
    pub(super) spent: bool,
    /// Whether the authority was asked, and may count it.
    pub(super) counts: bool,
}

/// Follows a certificate that was made, changed or deleted.
pub(crate) async fn follow(change: &mut Change, id: Uuid, spec: Option<&CertificateSpec>) -> Result<()> {
    let Some((spec, acme)) = spec.and_then(|spec| Some((spec, spec.acme.as_ref()?))) else {
        sqlx::query!("delete from acme_orders where certificate_id = $1", id)
            .execute(change.connection())
            .await?;
        return challenges::withdraw(change, id, Trace::WithCertificate).await;
    };
    let fingerprint = spec.details().next().map(|details| details.fingerprint.as_str());
    let now = change.now();
    sqlx::query!(
        "insert into acme_orders (certificate_id, wanted, fingerprint, next_attempt_at) values ($1, $2, $3, $4)
         on conflict (certificate_id) do update
         set wanted = excluded.wanted, fingerprint = excluded.fingerprint, next_attempt_at = excluded.next_attempt_at,
             failures = 0, last_error = null, issued_at = null, order_url = null, order_key = null,
             wish = acme_orders.wish + 1
         where acme_orders.wanted <> excluded.wanted or acme_orders.fingerprint is distinct from excluded.fingerprint",
        id,
        to_json(acme)?,
        fingerprint,
        now,
    )
    .execute(change.connection())
    .await?;
    Ok(())
}

/// How far these certificates are.
pub(crate) async fn of(connection: &mut PgConnection, ids: &[Uuid]) -> Result<HashMap<Uuid, Issuance>> {
    let rows = sqlx::query!(
        "select certificate_id, failures, last_error, attempted_at, issued_at, next_attempt_at
         from acme_orders where certificate_id = any($1)",
        ids,
    )
    .fetch_all(connection)
    .await?;
    let issuances = rows.into_iter().map(|row| {
        let state = match (&row.last_error, row.issued_at) {
            (Some(_), _) => IssuanceState::Failing,
            (_, None) => IssuanceState::Pending,
            (_, Some(_)) => IssuanceState::Issued,
        };
        let issuance = Issuance {
            state,
            failures: row.failures.try_into().unwrap_or_default(),
            last_error: row.last_error,
            attempted_at: row.attempted_at,
            issued_at: row.issued_at,
            next_attempt_at: row.next_attempt_at,
        };
        (row.certificate_id, issuance)
    });
    Ok(issuances.collect())
}

/// Has a certificate got anew at once, whatever its turn is.
pub async fn renew(change: &mut Change, reference: &str) -> Result<Stored<CertificateSpec>> {
    change.authorize(Resource::Certificates, Action::Write)?;
    let found = store::find::<CertificateSpec>(change.connection(), reference, true).await?;
    let stored = found.ok_or_else(|| Error::not_found(Kind::Certificate, reference))?;
    let name = stored.spec.name.to_string();
    let Some(acme) = &stored.spec.acme else {
        return Err(Error::Conflict(format!(
            "certificate `{name}` is not got automatically: send another chain and key, or set `acme`"
        )));
    };
    if !stored.spec.enabled || !is_on(change.connection(), acme).await? {
        return Err(Error::Conflict(format!(
            "certificate `{name}` or its ACME account is off: switch it on first"
        )));
    }
    let (actor, now) = (change.actor().clone(), change.now());
    sqlx::query!(
        "update acme_orders set next_attempt_at = $2, asked = asked + 1 where certificate_id = $1",
        stored.id.0,
        now
    )
    .execute(change.connection())
    .await?;
    let event = Event {
        action: "certificate.renewal_asked",
        object: Some((Kind::Certificate, stored.id.0, &name)),
        detail: Some(json!({"domains": acme.domains})),
    };
    audit::record(change.connection(), &actor, now, event).await?;
    store::shown(change.connection(), stored, now).await
}

async fn is_on(connection: &mut PgConnection, acme: &Acme) -> Result<bool> {
    let on = sqlx::query_scalar!("select enabled from acme_accounts where id = $1", acme.account.0);
    Ok(on.fetch_optional(connection).await?.unwrap_or(false))
}

/// Has what failed under an account, or fails just now, tried again at once.
pub(crate) async fn retry(change: &mut Change, account: Uuid) -> Result<()> {
    let now = change.now();
    sqlx::query!(
        "update acme_orders
         set asked = asked + 1, next_attempt_at = case when last_error is null then next_attempt_at else $2 end
         from certificates where certificates.id = certificate_id and acme_account_id = $1",
        account,
        now,
    )
    .execute(change.connection())
    .await?;
    Ok(())
}

/// The certificates whose turn it is, the longest waiting first.
pub(super) async fn due(control: &Control, busy: &[Uuid], limit: i64) -> Result<Vec<Uuid>> {
    let due = sqlx::query_scalar!(
        "select certificate_id from acme_orders
              join certificates on certificates.id = certificate_id
              join acme_accounts on acme_accounts.id = acme_account_id
         where next_attempt_at <= $1 and certificates.enabled and acme_accounts.enabled and certificate_id <> all($2)
         order by next_attempt_at, certificate_id limit $3",
        control.now(),
        busy,
        limit,
    );
    Ok(due.fetch_all(control.pool()).await?)
}

/// Notes that an attempt begins; returns what an earlier one left behind. Nothing when there is nothing to get any more.
pub(super) async fn begin(control: &Control, id: Uuid) -> Result<Option<Begun>> {
    let row = sqlx::query!(
        "update acme_orders set attempted_at = $2 where certificate_id = $1
         returning order_url, order_key, wish, asked",
        id,
        control.now(),
    )
    .fetch_optional(control.pool())
    .await?;
    Ok(row.map(|row| Begun {
        certificate: id,
        url: row.order_url,
        key: row.order_key,
        wish: row.wish,
        asked: row.asked,
    }))
}

/// Keeps where an order is, so that it is gone on with whatever happens; its key comes later.
pub(super) async fn keep_order(control: &Control, begun: &Begun, url: &str) -> Result<(), Failure> {
    let kept = sqlx::query!(
        "update acme_orders set order_url = $3, order_key = null where certificate_id = $1 and wish = $2",
        begun.certificate,
        begun.wish,
        url
    );
    wanted(kept.execute(control.pool()).await?.rows_affected() == 1)
}

/// Keeps the sealed key of an order before the authority gets to know of it.
pub(super) async fn keep_key(control: &Control, begun: &Begun, key: &[u8]) -> Result<(), Failure> {
    let kept = sqlx::query!(
        "update acme_orders set order_key = $3 where certificate_id = $1 and wish = $2",
        begun.certificate,
        begun.wish,
        key
    );
    wanted(kept.execute(control.pool()).await?.rows_affected() == 1)
}

/// Whether what the attempt is about is wanted still, and will be until the change ends.
pub(super) async fn hold(change: &mut Change, begun: &Begun) -> Result<bool> {
    let row = sqlx::query!(
        "select wish from acme_orders where certificate_id = $1 for update",
        begun.certificate
    );
    let row = row.fetch_optional(change.connection()).await?;
    Ok(row.is_some_and(|row| row.wish == begun.wish))
}

/// Gives an attempt up whose certificate is gone, or shall be another one now.
pub(super) fn wanted(still: bool) -> Result<(), Failure> {
    if still {
        return Ok(());
    }
    Err(Failure::new("something else is wanted since the attempt began").at_home())
}

/// Notes that a certificate was got.
pub(super) async fn succeed(change: &mut Change, id: Uuid, next: Timestamp) -> Result<()> {
    let now = change.now();
    sqlx::query!(
        "update acme_orders
         set failures = 0, last_error = null, order_url = null, order_key = null, issued_at = $2, next_attempt_at = $3
         where certificate_id = $1",
        id,
        now,
        next,
    )
    .execute(change.connection())
    .await?;
    Ok(())
}

/// Notes that an attempt failed, and takes its challenges back. It says nothing of what is wanted instead by now.
pub(super) async fn fail(control: &Control, begun: &Begun, failure: &Failure) -> Result<()> {
    let author = Actor::system();
    let written = control.write(&author, Mode::Commit, async |change| {
        // First the order, then its challenges: in the order in which a change of the certificate takes them.
        let still = hold(change, begun).await?;
        challenges::withdraw(change, begun.certificate, Trace::Recorded).await?;
        if still {
            note(change, begun, failure).await?;
        }
        Ok(())
    });
    written.await.map(|_| ())
}

/// What somebody asked for meanwhile stays due at once.
async fn note(change: &mut Change, begun: &Begun, failure: &Failure) -> Result<()> {
    let id = begun.certificate;
    let failures = sqlx::query_scalar!("select failures from acme_orders where certificate_id = $1", id)
        .fetch_one(change.connection())
        .await?;
    let failures = failures.saturating_add(i32::from(failure.counts));
    let spent = failure.spent || failures >= MOST_FAILURES;
    let next = change.now() + until_next(id, failures, failure);
    sqlx::query!(
        "update acme_orders
         set failures = $2, last_error = $3,
             next_attempt_at = case when asked = $6 then $4::timestamptz else next_attempt_at end,
             order_url = case when $5 then null else order_url end,
             order_key = case when $5 then null else order_key end
         where certificate_id = $1",
        id,
        failures,
        failure.message,
        next,
        spent,
        begun.asked,
    )
    .execute(change.connection())
    .await?;
    Ok(())
}

fn until_next(id: Uuid, failures: i32, failure: &Failure) -> time::Duration {
    if !failure.counts {
        return SHORT_PAUSE;
    }
    let pause = pause(id, failures.try_into().unwrap_or(1));
    let asked = failure.retry_after.unwrap_or_default();
    time::Duration::try_from(pause.max(asked)).unwrap_or(time::Duration::DAY)
}
