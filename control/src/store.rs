//! What all stored nouns do alike: list, get, create, replace, merge, delete.
//!
//! Their tables have the same columns, so their SQL is written once here, with the table's name as the only
//! variable part. What is particular to a noun stands in the noun's file, as its [`Table`].

use model::actor::{Action, Actor, Resource};
use model::clock::Timestamp;
use model::{Code, Draft, Errors, Kind, Noun, Stored, Submission, Warning};
use serde_json::Value;
use sqlx::{AssertSqlSafe, FromRow, PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use crate::change::{Change, ChangeRecord};
use crate::error::{Dependant, Error, Result};
use crate::list::{ListQuery, Page};
use crate::secrets::Secrets;
use crate::{Control, authorize, certificates, references};

/// How a filter of a list is compared.
#[derive(Debug, Clone, Copy)]
pub enum Filter {
    /// With a column of ids; the value may be an id or a name.
    Reference(&'static str, Kind),
    /// With the ids in a member of the spec; the value may be an id or a name.
    Member(&'static str, Kind),
    /// With a column of text.
    Text(&'static str),
    /// With a column of times as text; only what comes before the value.
    Before(&'static str),
}

/// What the store must know of a noun.
pub trait Table: Noun {
    /// The table.
    const TABLE: &'static str;
    /// What rights are asked on.
    const RESOURCE: Resource;
    /// The typed filters of its list.
    const FILTERS: &'static [(&'static str, Filter)] = &[];

    /// Replaces names of other objects in a draft by their ids, and reports those that do not exist.
    fn resolve(
        _connection: &mut PgConnection,
        _draft: &mut Self::Draft,
        _errors: &mut Errors,
    ) -> impl Future<Output = Result<()>> {
        async { Ok(()) }
    }

    /// Checks a valid spec against the other objects; it may also complete it.
    fn check(
        _connection: &mut PgConnection,
        _id: Uuid,
        _before: Option<&Self>,
        _spec: &mut Self,
        _errors: &mut Errors,
    ) -> impl Future<Output = Result<()>> {
        async { Ok(()) }
    }

    /// What is odd about a spec among the other objects, although it is valid.
    fn warnings(_connection: &mut PgConnection, _id: Uuid, _spec: &Self) -> impl Future<Output = Result<Vec<Warning>>> {
        async { Ok(Vec::new()) }
    }

    /// Completes a valid spec with what only the deployment can: its secrets and its time.
    fn complete(
        _deployment: Deployment<'_>,
        _id: Uuid,
        _before: Option<&Self>,
        _spec: &mut Self,
        _errors: &mut Errors,
    ) {
    }

    /// Makes objects fit to be shown: hides what is secret and fills in what depends on the time or on other objects.
    fn present(
        _connection: &mut PgConnection,
        _objects: &mut [Stored<Self>],
        _now: Timestamp,
    ) -> impl Future<Output = Result<()>> {
        async { Ok(()) }
    }

    /// The objects that would be left without what they need.
    fn dependants(_connection: &mut PgConnection, _id: Uuid) -> impl Future<Output = Result<Vec<Dependant>>> {
        async { Ok(Vec::new()) }
    }

    /// What people read of it in the history; its name, unless that says little.
    fn history_name(_connection: &mut PgConnection, spec: &Self) -> impl Future<Output = Result<String>> {
        let name = spec.name();
        async { Ok(name) }
    }

    /// Tells gateways about the object; `None` when it is gone.
    fn publish(change: &mut Change, id: Uuid, spec: Option<&Self>) -> impl Future<Output = Result<()>> {
        let body = spec.map(to_json);
        async move {
            change.publish(Self::KIND, id, body.transpose()?);
            Ok(())
        }
    }
}

/// What a spec is completed with.
#[derive(Debug, Clone, Copy)]
pub struct Deployment<'a> {
    pub(crate) secrets: &'a Secrets,
    pub(crate) now: Timestamp,
}

/// Which state of an object a write expects.
#[derive(Debug, Clone, Copy, Default)]
pub struct Precondition(pub Option<i64>);

/// A row of any of the tables.
#[derive(Debug, FromRow)]
pub(crate) struct Row {
    pub(crate) id: Uuid,
    pub(crate) spec: Value,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

const COLUMNS: &str = "id, spec, version, created_at, updated_at";

impl Row {
    pub(crate) fn into_stored<S: Noun>(self) -> Result<Stored<S>> {
        let Self {
            id,
            spec,
            version,
            created_at,
            updated_at,
        } = self;
        let spec = serde_json::from_value(spec).map_err(|source| Error::Corrupt {
            what: S::KIND.as_str(),
            source,
        })?;
        Ok(Stored {
            id: id.into(),
            spec,
            version,
            created_at,
            updated_at,
        })
    }
}

pub(crate) fn to_json(spec: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(spec).map_err(|source| Error::Corrupt { what: "spec", source })
}

/// The object of this id or name.
pub async fn get<S: Table>(control: &Control, actor: &Actor, reference: &str) -> Result<Stored<S>> {
    authorize(actor, S::RESOURCE, Action::Read)?;
    let mut connection = control.pool().acquire().await?;
    let found = find(&mut connection, reference, false).await?;
    let found = found.ok_or_else(|| Error::not_found(S::KIND, reference))?;
    shown(&mut connection, found, control.now()).await
}

/// One object, fit to be shown.
pub(crate) async fn shown<S: Table>(
    connection: &mut PgConnection,
    stored: Stored<S>,
    now: Timestamp,
) -> Result<Stored<S>> {
    let mut one = [stored];
    S::present(connection, &mut one, now).await?;
    let [stored] = one;
    Ok(stored)
}

/// Finds by id or name; `lock` keeps others from changing it until the transaction ends.
pub(crate) async fn find<S: Table>(
    connection: &mut PgConnection,
    reference: &str,
    lock: bool,
) -> Result<Option<Stored<S>>> {
    let id = reference.parse::<Uuid>().ok();
    let column = if id.is_some() { "id" } else { "name" };
    let suffix = if lock { " for update" } else { "" };
    let sql = format!("select {COLUMNS} from {} where {column} = $1{suffix}", S::TABLE);
    let query = sqlx::query_as::<_, Row>(AssertSqlSafe(sql));
    let query = match id {
        Some(id) => query.bind(id),
        None => query.bind(reference.to_owned()),
    };
    query
        .fetch_optional(connection)
        .await?
        .map(Row::into_stored)
        .transpose()
}

async fn find_for_write<S: Table>(
    change: &mut Change,
    reference: &str,
    precondition: Precondition,
) -> Result<Option<Stored<S>>> {
    change.authorize(S::RESOURCE, Action::Write)?;
    let found = find::<S>(change.connection(), reference, true).await?;
    match (found, precondition) {
        (Some(stored), Precondition(Some(expected))) if stored.version != expected => {
            let now = change.now();
            let stored = shown(change.connection(), stored, now).await?;
            Err(Error::Stale {
                version: stored.version,
                current: Box::new(to_json(&stored)?),
            })
        }
        (found, _) => Ok(found),
    }
}

/// One page of the objects.
pub async fn list<S: Table>(control: &Control, actor: &Actor, query: &ListQuery) -> Result<Page<Stored<S>>> {
    authorize(actor, S::RESOURCE, Action::Read)?;
    let mut connection = control.pool().acquire().await?;
    let mut count = QueryBuilder::<Postgres>::new(format!("select count(*) from {} where true", S::TABLE));
    push_conditions::<S>(&mut count, &mut connection, query).await?;
    let total: i64 = count.build_query_scalar().fetch_one(&mut *connection).await?;

    let descending = query.sort.starts_with('-');
    let column = query.sort.trim_start_matches('-');
    let (operator, direction) = if descending { ("<", "desc") } else { (">", "asc") };
    let mut rows = QueryBuilder::<Postgres>::new(format!("select {COLUMNS}, name from {} where true", S::TABLE));
    push_conditions::<S>(&mut rows, &mut connection, query).await?;
    if let Some((key, id)) = query.cursor_parts(control)? {
        let cast = if column == "name" { "text" } else { "timestamptz" };
        rows.push(format!(" and ({column}, id) {operator} ("))
            .push_bind(key)
            .push(format!("::{cast}, "));
        rows.push_bind(id).push(")");
    }
    rows.push(format!(" order by {column} {direction}, id {direction} limit "))
        .push_bind(query.limit + 1);
    let rows: Vec<Row> = rows.build_query_as().fetch_all(&mut *connection).await?;
    let mut items = rows
        .into_iter()
        .map(Row::into_stored)
        .collect::<Result<Vec<Stored<S>>>>()?;
    S::present(&mut connection, &mut items, control.now()).await?;
    Ok(query.page(control, items, total, |stored| {
        (sort_key(column, stored), stored.id.into())
    }))
}

fn sort_key<S: Noun>(column: &str, stored: &Stored<S>) -> String {
    match column {
        "created_at" => stored.created_at.to_string(),
        "updated_at" => stored.updated_at.to_string(),
        _ => stored.spec.name(),
    }
}

async fn push_conditions<S: Table>(
    builder: &mut QueryBuilder<Postgres>,
    connection: &mut PgConnection,
    query: &ListQuery,
) -> Result<()> {
    if let Some(pattern) = query.pattern() {
        builder.push(" and search ilike ").push_bind(pattern);
    }
    let (all, any) = query.tag_sets();
    if !all.is_empty() {
        builder.push(" and tags @> ").push_bind(all);
    }
    if !any.is_empty() {
        builder.push(" and tags && ").push_bind(any);
    }
    for (name, filter) in S::FILTERS {
        let Some(value) = query.filter(name) else { continue };
        match filter {
            Filter::Reference(column, kind) => {
                let id = referred(connection, name, *kind, value).await?;
                builder.push(format!(" and {column} = ")).push_bind(id);
            }
            Filter::Member(member, kind) => {
                let id = referred(connection, name, *kind, value).await?;
                builder
                    .push(format!(" and spec -> '{member}' ? "))
                    .push_bind(id.to_string());
            }
            Filter::Text(column) => {
                builder.push(format!(" and {column} = ")).push_bind(value.to_owned());
            }
            Filter::Before(column) => {
                let end = certificates::in_utc(value).ok_or_else(|| {
                    let message = "must be a time like `2027-01-31T00:00:00Z`";
                    Error::InvalidQuery(Errors::one(*name, Code::Invalid, message))
                })?;
                builder.push(format!(" and {column} collate \"C\" < ")).push_bind(end);
            }
        }
    }
    Ok(())
}

/// The id of what a filter names.
async fn referred(connection: &mut PgConnection, filter: &str, kind: Kind, value: &str) -> Result<Uuid> {
    let found = references::find(connection, kind, value).await?;
    found.ok_or_else(|| Error::InvalidQuery(Errors::one(filter, Code::NotFound, format!("no {kind} `{value}`"))))
}

/// Makes an object.
pub async fn create<S: Table>(change: &mut Change, submission: Submission<S::Draft>) -> Result<Stored<S>> {
    change.authorize(S::RESOURCE, Action::Write)?;
    let made = insert(change, Uuid::now_v7(), submission).await?;
    let now = change.now();
    shown(change.connection(), made, now).await
}

/// Makes an object without asking for rights: the caller has checked what this is a part of.
pub(crate) async fn insert<S: Table>(
    change: &mut Change,
    id: Uuid,
    submission: Submission<S::Draft>,
) -> Result<Stored<S>> {
    let spec = validate::<S>(change, id, None, submission).await?;
    let warnings = S::warnings(change.connection(), id, &spec).await?;
    change.warn(warnings);
    let now = change.now();
    let sql = format!(
        "insert into {} (id, name, spec, tags, enabled, search, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $7)",
        S::TABLE
    );
    let query = sqlx::query(AssertSqlSafe(sql))
        .bind(id)
        .bind(spec.name())
        .bind(to_json(&spec)?);
    let query = query
        .bind(spec.tags().to_vec())
        .bind(spec.enabled())
        .bind(search_text(&spec))
        .bind(now);
    query
        .execute(change.connection())
        .await
        .map_err(|error| taken::<S>(error, &spec))?;
    let stored = Stored {
        id: id.into(),
        spec,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    note(change, None, Some(&stored)).await?;
    Ok(stored)
}

/// Replaces an object, or makes it under this id or name when there is none; the flag says that it is new.
pub async fn replace<S: Table>(
    change: &mut Change,
    reference: &str,
    precondition: Precondition,
    submission: Submission<S::Draft>,
) -> Result<(Stored<S>, bool)> {
    if let Some(stored) = find_for_write::<S>(change, reference, precondition).await? {
        return Ok((update(change, stored, submission).await?, false));
    }
    let id = reference.parse().unwrap_or_else(|_| Uuid::now_v7());
    let (made, now) = (insert(change, id, submission).await?, change.now());
    Ok((shown(change.connection(), made, now).await?, true))
}

/// Changes the members of an object that `patch` holds (RFC 7396, JSON Merge Patch).
pub async fn merge<S: Table>(
    change: &mut Change,
    reference: &str,
    precondition: Precondition,
    patch: &Value,
) -> Result<Stored<S>> {
    let stored = find_for_write::<S>(change, reference, precondition).await?;
    let stored = stored.ok_or_else(|| Error::not_found(S::KIND, reference))?;
    if !patch.is_object() {
        return Err(Error::field("", Code::WrongType, "must be a JSON object"));
    }
    let mut body = to_json(&stored.spec)?;
    merge_patch(&mut body, patch);
    update(change, stored, S::Draft::read(&body)).await
}

async fn update<S: Table>(
    change: &mut Change,
    before: Stored<S>,
    submission: Submission<S::Draft>,
) -> Result<Stored<S>> {
    let id: Uuid = before.id.into();
    let spec = validate::<S>(change, id, Some(&before.spec), submission).await?;
    let warnings = S::warnings(change.connection(), id, &spec).await?;
    change.warn(warnings);
    let now = change.now();
    if to_json(&spec)? == to_json(&before.spec)? {
        return shown(change.connection(), before, now).await;
    }
    let sql = format!(
        "update {} set name = $2, spec = $3, tags = $4, enabled = $5, search = $6, version = version + 1, updated_at = $7
         where id = $1",
        S::TABLE
    );
    let query = sqlx::query(AssertSqlSafe(sql))
        .bind(id)
        .bind(spec.name())
        .bind(to_json(&spec)?);
    let query = query
        .bind(spec.tags().to_vec())
        .bind(spec.enabled())
        .bind(search_text(&spec))
        .bind(now);
    query
        .execute(change.connection())
        .await
        .map_err(|error| taken::<S>(error, &spec))?;
    let stored = Stored {
        spec,
        version: before.version + 1,
        updated_at: now,
        ..before.clone()
    };
    note(change, Some(&before), Some(&stored)).await?;
    shown(change.connection(), stored, now).await
}

/// Deletes an object; with `cascade` also those that need it, else they are named in the error.
pub async fn delete<S: Table>(
    change: &mut Change,
    reference: &str,
    precondition: Precondition,
    cascade: bool,
) -> Result<()> {
    let stored = find_for_write::<S>(change, reference, precondition).await?;
    let stored = stored.ok_or_else(|| Error::not_found(S::KIND, reference))?;
    let id: Uuid = stored.id.into();
    let dependants = S::dependants(change.connection(), id).await?;
    if !cascade && !dependants.is_empty() {
        return Err(Error::InUse {
            kind: S::KIND,
            name: stored.spec.name(),
            dependants,
        });
    }
    for dependant in dependants {
        Box::pin(references::delete(change, dependant.kind, dependant.id)).await?;
    }
    remove(change, &stored).await
}

/// Deletes an object without asking for rights or looking for what needs it: the caller has done so.
pub(crate) async fn remove<S: Table>(change: &mut Change, stored: &Stored<S>) -> Result<()> {
    let id: Uuid = stored.id.into();
    let sql = format!("delete from {} where id = $1", S::TABLE);
    sqlx::query(AssertSqlSafe(sql))
        .bind(id)
        .execute(change.connection())
        .await?;
    note(change, Some(stored), None).await
}

async fn validate<S: Table>(
    change: &mut Change,
    id: Uuid,
    before: Option<&S>,
    submission: Submission<S::Draft>,
) -> Result<S> {
    let (control, now) = (change.control().clone(), change.now());
    let connection = change.connection();
    let Submission { mut draft, mut errors } = submission;
    S::resolve(connection, &mut draft, &mut errors).await?;
    let mut spec = S::validate(&draft, &mut errors);
    if let Some(spec) = &mut spec {
        let sql = format!("select id from {} where name = $1 and id <> $2", S::TABLE);
        let query = sqlx::query_scalar::<_, Uuid>(AssertSqlSafe(sql))
            .bind(spec.name())
            .bind(id);
        if S::KIND != Kind::Plugin && query.fetch_optional(&mut *connection).await?.is_some() {
            add_taken::<S>(&mut errors, spec);
        }
        S::check(connection, id, before, spec, &mut errors).await?;
        let secrets = control.secrets();
        S::complete(Deployment { secrets, now }, id, before, spec, &mut errors);
    }
    errors.into_result(spec).map_err(Error::Invalid)
}

fn add_taken<S: Noun>(errors: &mut Errors, spec: &S) {
    let path = if S::KIND == Kind::Target { "address" } else { "name" };
    errors.add(
        path,
        Code::Taken,
        format!("is taken: there is already a {} with it (`{}`)", S::KIND, spec.name()),
    );
}

/// Two writers may pass the check for a free name at once; the unique index then lets one through.
fn taken<S: Noun>(error: sqlx::Error, spec: &S) -> Error {
    let unique = error
        .as_database_error()
        .is_some_and(sqlx::error::DatabaseError::is_unique_violation);
    if !unique {
        return error.into();
    }
    let mut errors = Errors::new();
    add_taken(&mut errors, spec);
    Error::Invalid(errors)
}

/// Leaves history and the gateways' row behind.
async fn note<S: Table>(change: &mut Change, before: Option<&Stored<S>>, after: Option<&Stored<S>>) -> Result<()> {
    let Some(subject) = after.or(before) else { return Ok(()) };
    let id: Uuid = subject.id.into();
    let state = |stored: Option<&Stored<S>>| stored.map(|stored| to_json(&stored.spec)).transpose();
    let record = ChangeRecord {
        kind: S::KIND,
        id,
        name: S::history_name(change.connection(), &subject.spec).await?,
        before: state(before)?,
        after: state(after)?,
    };
    change.record(record);
    S::publish(change, id, after.map(|stored| &stored.spec)).await
}

fn search_text<S: Noun>(spec: &S) -> String {
    let mut words = vec![spec.name()];
    words.extend(spec.search_terms());
    words.extend(spec.tags().iter().cloned());
    words.join("\n")
}

/// Applies a merge patch: objects are merged, `null` removes, everything else replaces.
fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Some(members) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            members.shift_remove(name);
        } else {
            merge_patch(members.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_merge_patch_follows_the_rfc() {
        let mut target = json!({"a": {"b": 1, "c": 2}, "d": [1, 2], "e": 3});
        merge_patch(&mut target, &json!({"a": {"b": null, "x": 4}, "d": [3], "e": null}));
        assert_eq!(target, json!({"a": {"c": 2, "x": 4}, "d": [3]}));
    }
}
