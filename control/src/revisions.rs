//! Revisions: the history of configuration, each with what it changed.

use std::collections::HashMap;

use model::Kind;
use model::actor::{Action, Actor, Resource};
use model::clock::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::change::{ChangeRecord, masked};
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

/// What differs between the configuration after one revision and after another.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Difference {
    /// The one revision.
    pub from: i64,
    /// The other one.
    pub to: i64,
    /// Every object that differs, once: before is after the one revision, after is after the other.
    pub changes: Vec<ChangeRecord>,
}

/// The most changes that lie between two revisions which are compared.
const MAX_COMPARED: usize = 10_000;

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
    let changes = masked(changes);
    Ok(RevisionDetail { revision, changes })
}

/// What differs between the configuration after revision `from` and after revision `to`; 0 is the empty one.
pub async fn diff(control: &Control, actor: &Actor, from: i64, to: i64) -> Result<Difference> {
    authorize(actor, Resource::Revisions, Action::Read)?;
    let newest = head(control).await?;
    if let Some(number) = [from, to].into_iter().find(|number| !(0..=newest).contains(number)) {
        return Err(Error::Conflict(format!(
            "there is no revision {number}; the newest is {newest}"
        )));
    }
    let rows = sqlx::query!(
        "select kind, object_id, object_name, before, after from revision_changes
         where revision > $1 and revision <= $2 order by revision, ordinal limit $3",
        from.min(to),
        from.max(to),
        i64::try_from(MAX_COMPARED + 1).unwrap_or(i64::MAX),
    )
    .fetch_all(control.pool())
    .await?;
    if rows.len() > MAX_COMPARED {
        let message =
            format!("more than {MAX_COMPARED} changes lie between the two; compare revisions that are nearer");
        return Err(Error::Conflict(message));
    }
    let records = rows.into_iter().filter_map(|row| {
        let kind = Kind::parse(&row.kind)?;
        Some(ChangeRecord {
            kind,
            id: row.object_id,
            name: row.object_name,
            before: row.before,
            after: row.after,
        })
    });
    let mut changes = masked(condense(records));
    if from > to {
        for record in &mut changes {
            std::mem::swap(&mut record.before, &mut record.after);
        }
    }
    Ok(Difference { from, to, changes })
}

/// One record for every object: what it was before the first change and after the last, if that differs.
fn condense(records: impl Iterator<Item = ChangeRecord>) -> Vec<ChangeRecord> {
    let mut places = HashMap::new();
    let mut condensed: Vec<ChangeRecord> = Vec::new();
    for record in records {
        match places.get(&(record.kind, record.id)) {
            Some(place) => {
                let first: &mut ChangeRecord = &mut condensed[*place];
                first.name = record.name;
                first.after = record.after;
            }
            None => {
                places.insert((record.kind, record.id), condensed.len());
                condensed.push(record);
            }
        }
    }
    condensed.retain(|record| record.before != record.after);
    condensed
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record(id: u128, before: Option<i32>, after: Option<i32>) -> ChangeRecord {
        let state = |number: Option<i32>| number.map(|number| json!({"n": number}));
        let (before, after) = (state(before), state(after));
        ChangeRecord {
            kind: Kind::Service,
            id: Uuid::from_u128(id),
            name: "a".to_owned(),
            before,
            after,
        }
    }

    #[test]
    fn several_changes_of_one_object_are_one_difference() {
        let between = [
            record(1, None, Some(1)),
            record(2, Some(7), Some(8)),
            record(1, Some(1), Some(2)),
        ];
        assert_eq!(
            condense(between.into_iter()),
            [record(1, None, Some(2)), record(2, Some(7), Some(8))]
        );
    }

    #[test]
    fn what_came_and_went_is_no_difference() {
        let between = [
            record(1, None, Some(1)),
            record(1, Some(1), None),
            record(2, Some(1), Some(2)),
            record(2, Some(2), Some(1)),
        ];
        assert_eq!(condense(between.into_iter()), []);
    }
}
