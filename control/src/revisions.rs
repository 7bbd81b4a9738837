//! Revisions: the history of configuration, each with what it changed.

use model::Kind;
use model::actor::{Action, Actor, Resource};
use model::clock::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::change::ChangeRecord;
use crate::error::{Error, Result};
use crate::list::{ListQuery, Page};
use crate::{Control, authorize};

/// One committed change of configuration.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Revision {
    /// Its number; the next one has the next number.
    pub number: i64,
    /// What kind of actor made it.
    pub actor_kind: String,
    /// Which one.
    pub actor_id: Option<Uuid>,
    /// What they are called.
    pub actor_name: String,
    /// What changed, in a few words.
    pub summary: String,
    /// When it was committed.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// A revision with everything it changed.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RevisionDetail {
    /// The revision.
    #[serde(flatten)]
    pub revision: Revision,
    /// The objects it changed, in order.
    pub changes: Vec<ChangeRecord>,
}

/// The revision that is current.
pub async fn head(control: &Control) -> Result<i64> {
    Ok(sqlx::query_scalar!("select revision from config_head")
        .fetch_one(control.pool())
        .await?)
}

/// Revisions, newest first; filter: `object` (id).
pub async fn list(control: &Control, actor: &Actor, query: &ListQuery) -> Result<Page<Revision>> {
    authorize(actor, Resource::Revisions, Action::Read)?;
    // Revisions have numbers instead of ids: the cursor's key carries the last number.
    let before = query
        .cursor_parts(control)?
        .and_then(|(number, _)| number.parse::<i64>().ok());
    let object = query.uuid_filter("object")?;
    let pattern = query.pattern();
    let rows = sqlx::query_as!(
        Revision,
        "select number, actor_kind, actor_id, actor_name, summary, created_at from revisions
         where ($1::bigint is null or number < $1)
           and ($2::uuid is null or exists (select 1 from revision_changes where revision = number and object_id = $2))
           and ($3::text is null or summary ilike $3 or actor_name ilike $3)
         order by number desc limit $4",
        before,
        object,
        pattern,
        query.limit + 1,
    )
    .fetch_all(control.pool())
    .await?;
    let total = sqlx::query_scalar!(
        r#"select count(*) as "count!" from revisions
           where ($1::uuid is null or exists (select 1 from revision_changes where revision = number and object_id = $1))
             and ($2::text is null or summary ilike $2 or actor_name ilike $2)"#,
        object,
        pattern,
    )
    .fetch_one(control.pool())
    .await?;
    Ok(query.page(control, rows, total, |revision| {
        (revision.number.to_string(), Uuid::nil())
    }))
}

/// One revision with its changes.
pub async fn get(control: &Control, actor: &Actor, number: i64) -> Result<RevisionDetail> {
    authorize(actor, Resource::Revisions, Action::Read)?;
    let revision = sqlx::query_as!(
        Revision,
        "select number, actor_kind, actor_id, actor_name, summary, created_at from revisions where number = $1",
        number,
    )
    .fetch_optional(control.pool())
    .await?
    .ok_or_else(|| Error::Conflict(format!("there is no revision {number}")))?;
    let rows = sqlx::query!(
        "select kind, object_id, object_name, before, after from revision_changes where revision = $1 order by ordinal",
        number,
    )
    .fetch_all(control.pool())
    .await?;
    let record = |kind: String, id, name, before: Option<Value>, after| {
        Some(ChangeRecord {
            kind: Kind::parse(&kind)?,
            id,
            name,
            before,
            after,
        })
    };
    let changes = rows
        .into_iter()
        .filter_map(|row| record(row.kind, row.object_id, row.object_name, row.before, row.after))
        .collect();
    Ok(RevisionDetail { revision, changes })
}
