//! Developers: accounts of the portal, as they are made by themselves and looked after by administrators.

pub mod profile;
pub mod recovery;
pub mod sign_up;

use model::Kind;
use model::account::{Developer, DeveloperStatus};
use model::actor::{Action, Actor, Resource};
use model::clock::Timestamp;
use model::id::DeveloperId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::accounts::links::{self, Purpose};
use crate::accounts::{AccountKind, sessions};
use crate::audit::{self, Event};
use crate::change::{Change, ChangeRecord};
use crate::error::{Error, Result};
use crate::list::{ListQuery, Page};
use crate::store::to_json;
use crate::{Control, authorize, consumers};

/// A row of the table.
struct Row {
    id: Uuid,
    name: String,
    email: String,
    status: String,
    created_at: Timestamp,
    last_sign_in_at: Option<Timestamp>,
}

impl From<Row> for Developer {
    fn from(row: Row) -> Self {
        Self {
            id: DeveloperId(row.id),
            name: row.name,
            email: row.email,
            // The table's check knows the same words; an unknown one must not open a door.
            status: DeveloperStatus::parse(&row.status).unwrap_or(DeveloperStatus::Suspended),
            created_at: row.created_at,
            last_sign_in_at: row.last_sign_in_at,
        }
    }
}

/// Developers, newest first; filter: `status`.
pub async fn list(control: &Control, actor: &Actor, query: &ListQuery) -> Result<Page<Developer>> {
    authorize(actor, Resource::Applications, Action::Read)?;
    let (pattern, cursor) = (query.pattern(), query.cursor_id(control)?);
    let rows = sqlx::query_as!(
        Row,
        "select id, name, email, status, created_at, last_sign_in_at from developers
         where ($1::text is null or status = $1) and ($2::text is null or name ilike $2 or email ilike $2)
           and ($3::uuid is null or id < $3)
         order by id desc limit $4",
        query.filter("status"),
        pattern,
        cursor,
        query.limit + 1,
    )
    .fetch_all(control.pool())
    .await?;
    let total = sqlx::query_scalar!(
        r#"select count(*) as "count!" from developers
           where ($1::text is null or status = $1) and ($2::text is null or name ilike $2 or email ilike $2)"#,
        query.filter("status"),
        pattern,
    )
    .fetch_one(control.pool())
    .await?;
    Ok(query
        .page_by_id(control, rows, total, |row| row.id)
        .map(Developer::from))
}

/// One developer.
pub async fn get(control: &Control, actor: &Actor, id: DeveloperId) -> Result<Developer> {
    authorize(actor, Resource::Applications, Action::Read)?;
    let mut connection = control.pool().acquire().await?;
    read(&mut connection, id).await
}

/// The row, kept from others' changes until the transaction ends.
pub(crate) async fn find(connection: &mut PgConnection, id: DeveloperId) -> Result<Developer> {
    sqlx::query!("select id from developers where id = $1 for update", id.0)
        .fetch_optional(&mut *connection)
        .await?;
    read(connection, id).await
}

/// The row as it is now.
pub(crate) async fn read(connection: &mut PgConnection, id: DeveloperId) -> Result<Developer> {
    sqlx::query_as!(
        Row,
        "select id, name, email, status, created_at, last_sign_in_at from developers where id = $1",
        id.0,
    )
    .fetch_optional(connection)
    .await?
    .map(Developer::from)
    .ok_or_else(|| Error::not_found(Kind::Developer, id))
}

/// Confirms a developer's address by hand: the mail does not arrive, or the person is known.
pub async fn confirm(control: &Control, actor: &Actor, id: DeveloperId) -> Result<Developer> {
    authorize(actor, Resource::Applications, Action::Write)?;
    let mut transaction = control.pool().begin().await?;
    let developer = find(&mut transaction, id).await?;
    let status = developer.status.verify();
    let status =
        status.ok_or_else(|| Error::Conflict("the address of this developer is confirmed already".to_owned()))?;
    set_status(&mut transaction, id, status).await?;
    links::kill(&mut transaction, Purpose::VerifyEmail, id.0).await?;
    note(
        &mut transaction,
        actor,
        control.now(),
        ("developer.confirmed", &developer),
    )
    .await?;
    let developer = find(&mut transaction, id).await?;
    transaction.commit().await?;
    Ok(developer)
}

/// Stops a developer: sessions end, and the keys of their applications are refused.
pub async fn suspend(change: &mut Change, id: DeveloperId) -> Result<Developer> {
    change.authorize(Resource::Applications, Action::Write)?;
    let before = find(change.connection(), id).await?;
    let status = before.status.suspend();
    let status = status.ok_or_else(|| Error::Conflict("only an active developer can be suspended".to_owned()))?;
    sessions::end_all(change.connection(), AccountKind::Developer, id.0, None).await?;
    links::kill(change.connection(), Purpose::ResetPassword, id.0).await?;
    turn(change, before, status).await
}

/// Lets a suspended developer go on.
pub async fn resume(change: &mut Change, id: DeveloperId) -> Result<Developer> {
    change.authorize(Resource::Applications, Action::Write)?;
    let before = find(change.connection(), id).await?;
    let status = before.status.resume();
    let status = status.ok_or_else(|| Error::Conflict("only a suspended developer can be resumed".to_owned()))?;
    turn(change, before, status).await
}

async fn turn(change: &mut Change, before: Developer, status: DeveloperStatus) -> Result<Developer> {
    set_status(change.connection(), before.id, status).await?;
    let after = find(change.connection(), before.id).await?;
    change.record(ChangeRecord {
        kind: Kind::Developer,
        id: before.id.0,
        name: before.email.clone(),
        before: Some(to_json(&before)?),
        after: Some(to_json(&after)?),
    });
    let owned = sqlx::query_scalar!(
        r#"select consumer_id as "consumer_id!" from applications
           where developer_id = $1 and deleted_at is null order by id"#,
        before.id.0,
    )
    .fetch_all(change.connection())
    .await?;
    consumers::republish(change, &owned).await?;
    Ok(after)
}

pub(crate) async fn set_status(connection: &mut PgConnection, id: DeveloperId, status: DeveloperStatus) -> Result<()> {
    sqlx::query!("update developers set status = $2 where id = $1", id.0, status.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Writes the audit entry of something that was done to a developer's account.
pub(crate) async fn note(
    connection: &mut PgConnection,
    actor: &Actor,
    now: Timestamp,
    (action, developer): (&str, &Developer),
) -> Result<()> {
    let object = Some((Kind::Developer, developer.id.0, developer.email.as_str()));
    audit::record(
        connection,
        actor,
        now,
        Event {
            action,
            object,
            detail: None,
        },
    )
    .await
}
