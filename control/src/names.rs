//! Names of objects that others refer to by id, for people to read.

use std::collections::HashMap;

use model::Kind;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use crate::error::Result;
use crate::references;
use crate::{Control, ListQuery};

/// What the objects of `kind` with these ids are called; those that are gone are left out.
///
/// Who may see a reference may see its name, so no rights are asked for.
pub async fn of(control: &Control, kind: Kind, ids: impl IntoIterator<Item = Uuid>) -> Result<HashMap<Uuid, String>> {
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let Some(table) = references::table(kind).filter(|_| !ids.is_empty()) else {
        return Ok(HashMap::new());
    };
    let sql = AssertSqlSafe(format!("select id, name from {table} where id = any($1)"));
    let rows: Vec<(Uuid, String)> = sqlx::query_as(sql).bind(ids).fetch_all(control.pool()).await?;
    Ok(rows.into_iter().collect())
}

/// What one object is called, unless it is gone.
pub(crate) async fn one(connection: &mut PgConnection, kind: Kind, id: Uuid) -> Result<Option<String>> {
    let Some(table) = references::table(kind) else {
        return Ok(None);
    };
    let sql = AssertSqlSafe(format!("select name from {table} where id = $1"));
    Ok(sqlx::query_scalar(sql).bind(id).fetch_optional(connection).await?)
}

/// The first `limit` names of `kind` in their order, with whether there are more: what a form offers to choose from.
pub async fn choices(control: &Control, kind: Kind, limit: i64) -> Result<(Vec<(Uuid, String)>, bool)> {
    let limit = limit.clamp(1, ListQuery::all().limit);
    let Some(table) = references::table(kind) else {
        return Ok((Vec::new(), false));
    };
    let sql = AssertSqlSafe(format!("select id, name from {table} order by name, id limit $1"));
    let mut rows: Vec<(Uuid, String)> = sqlx::query_as(sql).bind(limit + 1).fetch_all(control.pool()).await?;
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > most;
    rows.truncate(most);
    Ok((rows, more))
}
