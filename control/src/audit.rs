//! The audit log: who did what, when, to what.

use model::Kind;
use model::actor::{Action, Actor, Identity, Resource};
use model::clock::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::change::{ChangeRecord, subject};
use crate::error::Result;
use crate::list::{ListQuery, Page};
use crate::{Control, authorize};

/// One line of the audit log.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AuditEntry {
    /// The id; newer entries have greater ones.
    pub id: Uuid,
    /// When it happened.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What kind of actor: `admin`, `developer`, `token` or `system`.
    pub actor_kind: String,
    /// Which one.
    pub actor_id: Option<Uuid>,
    /// What they are called.
    pub actor_name: String,
    /// What was done: `route.updated`, `session.created`, …
    pub action: String,
    /// To what kind of object.
    pub kind: Option<String>,
    /// To which one.
    pub object_id: Option<Uuid>,
    /// What it was called.
    pub object_name: Option<String>,
    /// The revision that it made.
    pub revision: Option<i64>,
    /// Particulars; never secrets.
    pub detail: Option<Value>,
}

/// Something that happened outside configuration: a sign-in, a mail, a token.
#[derive(Debug)]
pub(crate) struct Event<'a> {
    pub(crate) action: &'a str,
    pub(crate) object: Option<(Kind, Uuid, &'a str)>,
    pub(crate) detail: Option<Value>,
}

/// Writes one event.
pub(crate) async fn record(
    connection: &mut PgConnection,
    actor: &Actor,
    at: Timestamp,
    event: Event<'_>,
) -> Result<()> {
    let (kind, id, name) = event.object.map_or((None, None, None), |(kind, id, name)| {
        (Some(kind.as_str()), Some(id), Some(name))
    });
    insert(
        connection,
        actor,
        at,
        Line {
            action: event.action,
            kind,
            id,
            name,
            revision: None,
            detail: event.detail,
        },
    )
    .await
}

/// Writes the line of a change: one, with all its objects in the detail.
pub(crate) async fn record_change(
    connection: &mut PgConnection,
    actor: &Actor,
    at: Timestamp,
    revision: i64,
    records: &[ChangeRecord],
) -> Result<()> {
    let Some(first) = subject(records) else { return Ok(()) };
    let others: Vec<Value> = records
        .iter()
        .filter(|record| (record.kind, record.id) != (first.kind, first.id))
        .map(|r| json!({"kind": r.kind, "id": r.id, "name": r.name, "verb": r.verb()}))
        .collect();
    let line = Line {
        action: &format!("{}.{}", first.kind.as_str(), first.verb()),
        kind: Some(first.kind.as_str()),
        id: Some(first.id),
        name: Some(&first.name),
        revision: Some(revision),
        detail: (!others.is_empty()).then(|| json!({"also": others})),
    };
    insert(connection, actor, at, line).await
}

struct Line<'a> {
    action: &'a str,
    kind: Option<&'a str>,
    id: Option<Uuid>,
    name: Option<&'a str>,
    revision: Option<i64>,
    detail: Option<Value>,
}

async fn insert(connection: &mut PgConnection, actor: &Actor, at: Timestamp, line: Line<'_>) -> Result<()> {
    let Actor { identity, name, .. } = actor;
    sqlx::query!(
        "insert into audit (id, at, actor_kind, actor_id, actor_name, action, kind, object_id, object_name, revision, detail)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        Uuid::now_v7(),
        at,
        Identity::as_str(*identity),
        identity.id(),
        name,
        line.action,
        line.kind,
        line.id,
        line.name,
        line.revision,
        line.detail,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The log, newest first; filters: `actor` (id), `actor_kind`, `object` (id), `kind`, `action`.
pub async fn list(control: &Control, actor: &Actor, query: &ListQuery) -> Result<Page<AuditEntry>> {
    authorize(actor, Resource::Audit, Action::Read)?;
    let cursor = query.cursor_id(control)?;
    let (by, object) = (query.uuid_filter("actor")?, query.uuid_filter("object")?);
    let pattern = query.pattern();
    let rows = sqlx::query_as!(
        AuditEntry,
        r#"select id, at, actor_kind, actor_id, actor_name, action, kind, object_id, object_name, revision, detail
           from audit
           where ($1::uuid is null or id < $1) and ($2::uuid is null or actor_id = $2)
             and ($3::uuid is null or object_id = $3) and ($4::text is null or kind = $4)
             and ($5::text is null or action = $5)
             and ($6::text is null or actor_name ilike $6 or action ilike $6 or object_name ilike $6)
             and ($7::text is null or actor_kind = $7)
           order by id desc limit $8"#,
        cursor,
        by,
        object,
        query.filter("kind"),
        query.filter("action"),
        pattern,
        query.filter("actor_kind"),
        query.limit + 1,
    )
    .fetch_all(control.pool())
    .await?;
    let total = sqlx::query_scalar!(
        r#"select count(*) as "count!" from audit
           where ($1::uuid is null or actor_id = $1) and ($2::uuid is null or object_id = $2)
             and ($3::text is null or kind = $3) and ($4::text is null or action = $4)
             and ($5::text is null or actor_name ilike $5 or action ilike $5 or object_name ilike $5)
             and ($6::text is null or actor_kind = $6)"#,
        by,
        object,
        query.filter("kind"),
        query.filter("action"),
        pattern,
        query.filter("actor_kind"),
    )
    .fetch_one(control.pool())
    .await?;
    Ok(query.page_by_id(control, rows, total, |entry| entry.id))
}
