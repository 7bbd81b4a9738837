//! Applications: developers' programs. Each owns exactly one consumer, which is what gateways know of it.

use model::account::DeveloperStatus;
use model::actor::{Action, Actor, Identity, Resource};
use model::application::{Application, ApplicationDraft, ApplicationSpec, ApplicationStatus};
use model::clock::Timestamp;
use model::consumer::{ConsumerDraft, ConsumerSpec};
use model::id::{ApplicationId, ConsumerId, DeveloperId};
use model::{Code, Errors, Kind, Submission};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::change::{Change, ChangeRecord};
use crate::error::{Error, Result};
use crate::list::{ListQuery, Page};
use crate::store::{self, Precondition, to_json};
use crate::{Control, authorize, consumers, subscriptions};

/// The most applications of one developer.
const MAX_APPLICATIONS: i64 = 50;

struct Row {
    id: Uuid,
    developer_id: Uuid,
    name: String,
    description: String,
    consumer_id: Uuid,
    status: String,
    version: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Row> for Application {
    fn from(row: Row) -> Self {
        Self {
            id: ApplicationId(row.id),
            developer: DeveloperId(row.developer_id),
            name: row.name,
            description: row.description,
            consumer: ConsumerId(row.consumer_id),
            // An unknown word must not open a door.
            status: ApplicationStatus::parse(&row.status).unwrap_or(ApplicationStatus::Suspended),
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Applications, newest first; filters: `developer` (id) and `status`. Developers see their own.
pub async fn list(control: &Control, actor: &Actor, query: &ListQuery) -> Result<Page<Application>> {
    let owner = if let Identity::Developer(id) = actor.identity {
        Some(id.0)
    } else {
        authorize(actor, Resource::Applications, Action::Read)?;
        query.uuid_filter("developer")?
    };
    let (pattern, cursor) = (query.pattern(), query.cursor_id(control)?);
    let rows = sqlx::query_as!(
        Row,
        r#"select id, developer_id, name, description, consumer_id as "consumer_id!", status, version, created_at, updated_at
         from applications
         where deleted_at is null and ($1::uuid is null or developer_id = $1) and ($2::text is null or status = $2)
           and ($3::text is null or name ilike $3 or description ilike $3) and ($4::uuid is null or id < $4)
         order by id desc limit $5"#,
        owner,
        query.filter("status"),
        pattern,
        cursor,
        query.limit + 1,
    )
    .fetch_all(control.pool())
    .await?;
    let total = sqlx::query_scalar!(
        r#"select count(*) as "count!" from applications
           where deleted_at is null and ($1::uuid is null or developer_id = $1) and ($2::text is null or status = $2)
             and ($3::text is null or name ilike $3 or description ilike $3)"#,
        owner,
        query.filter("status"),
        pattern,
    )
    .fetch_one(control.pool())
    .await?;
    Ok(query
        .page_by_id(control, rows, total, |row| row.id)
        .map(Application::from))
}

/// One application; to a developer another's does not exist.
pub async fn get(control: &Control, actor: &Actor, id: ApplicationId) -> Result<Application> {
    let mut connection = control.pool().acquire().await?;
    let application = find(&mut connection, id, false).await?;
    may(actor, &application, Action::Read)?;
    Ok(application)
}

/// Refuses those who may not: administrators by right, developers by ownership.
pub(crate) fn may(actor: &Actor, application: &Application, action: Action) -> Result<()> {
    match actor.identity {
        Identity::Developer(id) if id == application.developer => Ok(()),
        Identity::Developer(_) => Err(Error::not_found(Kind::Application, application.id)),
        _ => authorize(actor, Resource::Applications, action),
    }
}

/// Finds an application for one who may change it, and holds it until the change ends.
pub(crate) async fn find_for_write(
    change: &mut Change,
    id: ApplicationId,
    Precondition(expected): Precondition,
) -> Result<Application> {
    let application = find(change.connection(), id, true).await?;
    may(change.actor(), &application, Action::Write)?;
    match expected {
        Some(expected) if expected != application.version => Err(Error::Stale {
            version: application.version,
            current: Box::new(to_json(&application)?),
        }),
        _ => Ok(application),
    }
}

async fn find(connection: &mut PgConnection, id: ApplicationId, lock: bool) -> Result<Application> {
    if lock {
        sqlx::query!("select id from applications where id = $1 for update", id.0)
            .fetch_optional(&mut *connection)
            .await?;
    }
    sqlx::query_as!(
        Row,
        r#"select id, developer_id, name, description, consumer_id as "consumer_id!", status, version, created_at, updated_at
           from applications where id = $1 and deleted_at is null"#,
        id.0,
    )
    .fetch_optional(connection)
    .await?
    .map(Application::from)
    .ok_or_else(|| Error::not_found(Kind::Application, id))
}

/// Makes an application of the developer who asks.
pub async fn create(change: &mut Change, submission: Submission<ApplicationDraft>) -> Result<Application> {
    let Identity::Developer(developer) = change.actor().identity else {
        return Err(Error::Conflict(
            "only a developer makes an application; name the developer".to_owned(),
        ));
    };
    insert(change, developer, submission).await
}

/// Makes an application in a developer's name.
pub async fn create_for(
    change: &mut Change,
    developer: DeveloperId,
    submission: Submission<ApplicationDraft>,
) -> Result<Application> {
    change.authorize(Resource::Applications, Action::Write)?;
    insert(change, developer, submission).await
}

async fn insert(
    change: &mut Change,
    developer: DeveloperId,
    submission: Submission<ApplicationDraft>,
) -> Result<Application> {
    let spec = validate(change.connection(), developer, None, submission).await?;
    let status = sqlx::query_scalar!("select status from developers where id = $1 for update", developer.0)
        .fetch_optional(change.connection())
        .await?
        .ok_or_else(|| Error::not_found(Kind::Developer, developer))?;
    if DeveloperStatus::parse(&status) != Some(DeveloperStatus::Active) {
        return Err(Error::Suspended);
    }
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from applications where developer_id = $1 and deleted_at is null"#,
        developer.0,
    )
    .fetch_one(change.connection())
    .await?;
    if count >= MAX_APPLICATIONS {
        return Err(Error::Conflict(format!(
            "there are {count} applications already, the most there may be"
        )));
    }
    let (id, now) = (ApplicationId::generate(), change.now());
    let draft = ConsumerDraft {
        name: Some(consumer_name(&spec.name, id)),
        ..ConsumerDraft::default()
    };
    let consumer = store::insert::<ConsumerSpec>(change, Uuid::now_v7(), draft.into()).await?;
    sqlx::query!(
        "insert into applications (id, developer_id, name, description, consumer_id, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $6)",
        id.0,
        developer.0,
        spec.name,
        spec.description,
        consumer.id.0,
        now,
    )
    .execute(change.connection())
    .await
    .map_err(taken)?;
    sqlx::query!(
        "update consumers set application_id = $2 where id = $1",
        consumer.id.0,
        id.0
    )
    .execute(change.connection())
    .await?;
    let application = find(change.connection(), id, false).await?;
    note(change, None, Some(&application))?;
    consumers::republish(change, &[consumer.id.0]).await?;
    Ok(application)
}

/// Changes name and description; absent members stay.
pub async fn update(
    change: &mut Change,
    id: ApplicationId,
    precondition: Precondition,
    submission: Submission<ApplicationDraft>,
) -> Result<Application> {
    let before = find_for_write(change, id, precondition).await?;
    let Submission { mut draft, errors } = submission;
    draft.name = draft.name.or_else(|| Some(before.name.clone()));
    draft.description = draft.description.or_else(|| Some(before.description.clone()));
    let submission = Submission { draft, errors };
    let spec = validate(change.connection(), before.developer, Some(id), submission).await?;
    let now = change.now();
    sqlx::query!(
        "update applications set name = $2, description = $3, version = version + 1, updated_at = $4 where id = $1",
        id.0,
        spec.name,
        spec.description,
        now,
    )
    .execute(change.connection())
    .await
    .map_err(taken)?;
    noted(change, before).await
}

/// Stops an application: its keys are refused until it is resumed.
pub async fn suspend(change: &mut Change, id: ApplicationId) -> Result<Application> {
    set_status(change, id, ApplicationStatus::Suspended).await
}

/// Lets an application call again.
pub async fn resume(change: &mut Change, id: ApplicationId) -> Result<Application> {
    set_status(change, id, ApplicationStatus::Active).await
}

async fn set_status(change: &mut Change, id: ApplicationId, status: ApplicationStatus) -> Result<Application> {
    change.authorize(Resource::Applications, Action::Write)?;
    let before = find_for_write(change, id, Precondition::default()).await?;
    if before.status == status {
        return Ok(before);
    }
    let now = change.now();
    sqlx::query!(
        "update applications set status = $2, version = version + 1, updated_at = $3 where id = $1",
        id.0,
        status.as_str(),
        now,
    )
    .execute(change.connection())
    .await?;
    consumers::republish(change, &[before.consumer.0]).await?;
    noted(change, before).await
}

/// Deletes an application with its consumer: its keys are refused and its subscriptions end. Its usage stays.
pub async fn delete(change: &mut Change, id: ApplicationId, precondition: Precondition) -> Result<()> {
    let before = find_for_write(change, id, precondition).await?;
    subscriptions::cancel_all(change, id).await?;
    let now = change.now();
    sqlx::query!(
        "update applications set deleted_at = $2, version = version + 1 where id = $1",
        id.0,
        now
    )
    .execute(change.connection())
    .await?;
    consumers::delete_of_application(change, before.consumer).await?;
    note(change, Some(&before), None)
}

async fn validate(
    connection: &mut PgConnection,
    developer: DeveloperId,
    id: Option<ApplicationId>,
    submission: Submission<ApplicationDraft>,
) -> Result<ApplicationSpec> {
    let Submission { draft, mut errors } = submission;
    let spec = ApplicationSpec::validate(&draft, &mut errors);
    if let Some(spec) = &spec {
        let other = sqlx::query_scalar!(
            "select id from applications
             where developer_id = $1 and lower(name) = lower($2) and deleted_at is null and ($3::uuid is null or id <> $3)",
            developer.0,
            spec.name,
            id.map(|id| id.0),
        )
        .fetch_optional(connection)
        .await?;
        if other.is_some() {
            errors.add("name", Code::Taken, TAKEN);
        }
    }
    errors.into_result(spec).map_err(Error::Invalid)
}

const TAKEN: &str = "is taken: another application of this developer has it";

fn taken(error: sqlx::Error) -> Error {
    let unique = error
        .as_database_error()
        .is_some_and(sqlx::error::DatabaseError::is_unique_violation);
    if unique {
        Error::Invalid(Errors::one("name", Code::Taken, TAKEN))
    } else {
        error.into()
    }
}

/// What operators see in logs and lists: readable, and unique by a part of the id.
fn consumer_name(name: &str, id: ApplicationId) -> String {
    let mut slug = String::new();
    for character in name.to_lowercase().chars() {
        if character.is_ascii_alphanumeric() {
            slug.push(character);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug: String = slug.trim_matches('-').chars().take(32).collect();
    let unique = id.0.simple().to_string();
    format!("app-{slug}-{}", &unique[unique.len() - 8..]).replace("--", "-")
}

async fn noted(change: &mut Change, before: Application) -> Result<Application> {
    let after = find(change.connection(), before.id, false).await?;
    note(change, Some(&before), Some(&after))?;
    Ok(after)
}

fn note(change: &mut Change, before: Option<&Application>, after: Option<&Application>) -> Result<()> {
    let Some(subject) = after.or(before) else { return Ok(()) };
    change.record(ChangeRecord {
        kind: Kind::Application,
        id: subject.id.0,
        name: subject.name.clone(),
        before: before.map(to_json).transpose()?,
        after: after.map(to_json).transpose()?,
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consumer_is_named_after_its_application() {
        let id = ApplicationId("0198c0de-0000-7000-8000-0123456789ab".parse().expect("an id"));
        assert_eq!(consumer_name("Checkout App!", id), "app-checkout-app-456789ab");
        assert_eq!(consumer_name("注文", id), "app-456789ab");
    }
}
