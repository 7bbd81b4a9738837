//! Emptying the outbox: one mail after the other, with pauses that grow, until a mail is given up.
//!
//! A mail is claimed by moving its next attempt into the future, so that several nodes share the work and a mail of
//! a node that died is tried again. A mail can thus arrive twice, but none is lost.

use std::pin::pin;
use std::time::Duration;

use model::clock::Timestamp;

use crate::Control;
use crate::error::Result;

use super::transport::{SendError, Transport, Way};
use super::{Mail, MailDetail, Row};

/// How often the outbox is looked at.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause while the database is down.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Mails of one look.
const BATCH: usize = 50;
/// How long a claimed mail is left to its node; longer than the deadline of sending.
const CLAIM: time::Duration = time::Duration::minutes(2);
/// Attempts before a mail is given up: the last one is about five hours after the first.
const MOST_ATTEMPTS: i32 = 10;

/// Sends what is in the outbox until `shutdown`.
pub async fn run(control: Control, transport: Transport, shutdown: impl Future<Output = ()>) {
    let mut shutdown = pin!(shutdown);
    let mut pause = PAUSE;
    loop {
        let look = async {
            match round(&control, &transport).await {
                Ok(_) => pause = PAUSE,
                Err(error) => {
                    tracing::error!(error = %error, "the outbox cannot be read");
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
            tokio::time::sleep(pause).await;
        };
        tokio::select! {
            () = &mut shutdown => return,
            () = look => {}
        }
    }
}

/// Sends the mails that are due, at most `BATCH`; says how many there were.
pub async fn round(control: &Control, transport: &Transport) -> Result<usize> {
    for count in 0..BATCH {
        let Some((mail, html)) = claim(control).await? else {
            return Ok(count);
        };
        match &transport.0 {
            Way::Keep(hook) => {
                keep(control, &mail).await?;
                hook(&mail);
            }
            Way::Smtp(smtp) => match smtp.send(&mail, html).await {
                Ok(()) => sent(control, &mail).await?,
                Err(error) => failed(control, &mail, error).await?,
            },
        }
    }
    Ok(BATCH)
}

async fn claim(control: &Control) -> Result<Option<(MailDetail, String)>> {
    let now = control.now();
    let row = sqlx::query!(
        "update mails set attempts = attempts + 1, next_attempt_at = $2
         where id = (
             select id from mails where state = 'queued' and next_attempt_at <= $1
             order by next_attempt_at limit 1 for update skip locked
         )
         returning id, recipient, subject, state, attempts, created_at, next_attempt_at, sent_at, last_error, body, html",
        now,
        now + CLAIM,
    )
    .fetch_optional(control.pool())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let mail = Mail::from(Row {
        id: row.id,
        recipient: row.recipient,
        subject: row.subject,
        state: row.state,
        attempts: row.attempts,
        created_at: row.created_at,
        next_attempt_at: row.next_attempt_at,
        sent_at: row.sent_at,
        last_error: row.last_error,
    });
    Ok(Some((MailDetail { mail, body: row.body }, row.html)))
}

async fn keep(control: &Control, mail: &MailDetail) -> Result<()> {
    sqlx::query!("update mails set state = 'kept' where id = $1", mail.mail.id)
        .execute(control.pool())
        .await?;
    tracing::info!(mail.id = %mail.mail.id, "mail kept: there is no mail server");
    Ok(())
}

async fn sent(control: &Control, mail: &MailDetail) -> Result<()> {
    sqlx::query!(
        "update mails set state = 'sent', sent_at = $2, last_error = null, body = '', html = '' where id = $1",
        mail.mail.id,
        control.now(),
    )
    .execute(control.pool())
    .await?;
    tracing::info!(mail.id = %mail.mail.id, mail.attempts = mail.mail.attempts, "mail sent");
    Ok(())
}

async fn failed(control: &Control, mail: &MailDetail, error: SendError) -> Result<()> {
    let given_up = error.permanent || mail.mail.attempts >= MOST_ATTEMPTS;
    let state = if given_up { "failed" } else { "queued" };
    tracing::warn!(
        mail.id = %mail.mail.id,
        mail.attempts = mail.mail.attempts,
        mail.given_up = given_up,
        error = error.message,
        "mail not sent"
    );
    sqlx::query!(
        "update mails set state = $2, next_attempt_at = $3, last_error = $4 where id = $1",
        mail.mail.id,
        state,
        next_attempt(control.now(), mail.mail.attempts),
        error.message,
    )
    .execute(control.pool())
    .await?;
    Ok(())
}

/// 15 seconds after the first attempt, four times as long after each further one, at most an hour.
fn next_attempt(now: Timestamp, attempts: i32) -> Timestamp {
    let exponent = u32::try_from(attempts - 1).unwrap_or(0).min(8);
    now + time::Duration::seconds((15 * 4_i64.pow(exponent)).min(3600))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn pauses_grow_up_to_an_hour() {
        let now = datetime!(2026-01-01 0:00 UTC);
        let pause = |attempts| (next_attempt(now, attempts) - now).whole_seconds();
        assert_eq!([1, 2, 3, 4, 5, 6, 40].map(pause), [15, 60, 240, 960, 3600, 3600, 3600]);
    }
}
