//! Outgoing mail: an outbox in the database, written in the transaction of whatever is announced.
//!
//! Links in mails are secrets. They are never logged, and a mail's text is dropped when it was sent. Without a mail
//! server it is kept for a week, so that administrators can read it in the console: the one documented exception.

pub mod deliver;
pub mod templates;
pub mod transport;

use model::Kind;
use model::actor::{Action, Actor, Resource};
use model::clock::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::audit::{self, Event};
use crate::error::{Error, Result};
use crate::list::{ListQuery, Page};
use crate::{Control, authorize};

use templates::Message;

/// Where a mail is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MailState {
    /// Will be sent.
    Queued,
    /// The mail server took it.
    Sent,
    /// There is no mail server; it can be read in the console.
    Kept,
    /// Given up.
    Failed,
}

impl MailState {
    const ALL: [Self; 4] = [Self::Queued, Self::Sent, Self::Kept, Self::Failed];

    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Kept => "kept",
            Self::Failed => "failed",
        }
    }

    /// Reads the word again.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A mail without its text.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Mail {
    /// The id; newer mails have greater ones.
    pub id: Uuid,
    /// To whom it goes.
    pub recipient: String,
    /// Its subject.
    pub subject: String,
    /// Where it is in its life.
    pub state: MailState,
    /// How often sending was tried.
    pub attempts: i32,
    /// When it was written.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it is tried next, while it is queued.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub next_attempt_at: Timestamp,
    /// When the mail server took it.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub sent_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
}

/// A mail with its text.
#[derive(Clone, PartialEq, Serialize, ToSchema)]
pub struct MailDetail {
    /// The mail.
    #[serde(flatten)]
    pub mail: Mail,
    /// Its plain text, with the links; empty once it was sent.
    pub body: String,
}

impl std::fmt::Debug for MailDetail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailDetail")
            .field("mail", &self.mail.id)
            .finish_non_exhaustive()
    }
}

/// A row of the table.
pub(crate) struct Row {
    id: Uuid,
    recipient: String,
    subject: String,
    state: String,
    attempts: i32,
    created_at: Timestamp,
    next_attempt_at: Timestamp,
    sent_at: Option<Timestamp>,
    last_error: Option<String>,
}

impl From<Row> for Mail {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            recipient: row.recipient,
            subject: row.subject,
            // The table's check knows the same words; an unknown one is nothing to send.
            state: MailState::parse(&row.state).unwrap_or(MailState::Failed),
            attempts: row.attempts,
            created_at: row.created_at,
            next_attempt_at: row.next_attempt_at,
            sent_at: row.sent_at,
            last_error: row.last_error,
        }
    }
}

/// Puts a mail into the outbox; it goes out when the transaction is committed.
pub(crate) async fn enqueue(
    connection: &mut PgConnection,
    now: Timestamp,
    recipient: &str,
    message: &Message,
) -> Result<()> {
    sqlx::query!(
        "insert into mails (id, recipient, subject, body, html, created_at, next_attempt_at)
         values ($1, $2, $3, $4, $5, $6, $6)",
        Uuid::now_v7(),
        recipient,
        message.subject,
        message.text,
        message.html,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Mails, newest first; filter: `state`.
pub async fn list(control: &Control, actor: &Actor, query: &ListQuery) -> Result<Page<Mail>> {
    authorize(actor, Resource::Mail, Action::Read)?;
    let (pattern, cursor) = (query.pattern(), query.cursor_id(control)?);
    let rows = sqlx::query_as!(
        Row,
        "select id, recipient, subject, state, attempts, created_at, next_attempt_at, sent_at, last_error from mails
         where ($1::text is null or state = $1) and ($2::text is null or recipient ilike $2 or subject ilike $2)
           and ($3::uuid is null or id < $3)
         order by id desc limit $4",
        query.filter("state"),
        pattern,
        cursor,
        query.limit + 1,
    )
    .fetch_all(control.pool())
    .await?;
    let total = sqlx::query_scalar!(
        r#"select count(*) as "count!" from mails
           where ($1::text is null or state = $1) and ($2::text is null or recipient ilike $2 or subject ilike $2)"#,
        query.filter("state"),
        pattern,
    )
    .fetch_one(control.pool())
    .await?;
    Ok(query.page_by_id(control, rows, total, |row| row.id).map(Mail::from))
}

/// One mail with its text. Whoever may read it may use its links, which let people in, administrators among them: so only
/// those who may make administrators read it.
pub async fn get(control: &Control, actor: &Actor, id: Uuid) -> Result<MailDetail> {
    authorize(actor, Resource::Mail, Action::Read)?;
    let mut connection = control.pool().acquire().await?;
    let mail = find(&mut connection, id).await?;
    let body = sqlx::query_scalar!("select body from mails where id = $1", id)
        .fetch_one(&mut *connection)
        .await?;
    let readable =
        actor.rights.allow(Resource::Mail, Action::Write) && actor.rights.allow(Resource::Admins, Action::Write);
    Ok(MailDetail {
        mail,
        body: if readable { body } else { String::new() },
    })
}

async fn find(connection: &mut PgConnection, id: Uuid) -> Result<Mail> {
    sqlx::query_as!(
        Row,
        "select id, recipient, subject, state, attempts, created_at, next_attempt_at, sent_at, last_error
         from mails where id = $1",
        id,
    )
    .fetch_optional(connection)
    .await?
    .map(Mail::from)
    .ok_or_else(|| Error::not_found(Kind::Mail, id))
}

/// Sends a mail that failed, or that was kept for want of a mail server.
pub async fn retry(control: &Control, actor: &Actor, id: Uuid) -> Result<Mail> {
    authorize(actor, Resource::Mail, Action::Write)?;
    let now = control.now();
    let mut transaction = control.pool().begin().await?;
    let queued = sqlx::query!(
        "update mails set state = 'queued', attempts = 0, next_attempt_at = $2, last_error = null
         where id = $1 and state in ('failed', 'kept')",
        id,
        now,
    )
    .execute(&mut *transaction)
    .await?;
    let mail = find(&mut transaction, id).await?;
    if queued.rows_affected() == 0 {
        return Err(Error::Conflict(
            "only a failed or kept mail can be sent again".to_owned(),
        ));
    }
    let event = Event {
        action: "mail.retried",
        object: Some((Kind::Mail, id, &mail.subject)),
        detail: None,
    };
    audit::record(&mut transaction, actor, now, event).await?;
    transaction.commit().await?;
    Ok(mail)
}
