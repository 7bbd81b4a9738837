//! Credentials: issued, rotated, disabled and revoked; the secret leaves once and is never stored.

use model::actor::{Action, Actor, Resource};
use model::clock::Timestamp;
use model::consumer::ConsumerSpec;
use model::credential::{
    Credential, CredentialDraft, CredentialKind, CredentialSpec, CredentialStatus, Environment, KeySecret,
    RotationGrace,
};
use model::id::{ConsumerId, CredentialId};
use model::snapshot::CredentialRow;
use model::{Kind, Submission};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::change::{Change, ChangeRecord};
use crate::error::{Error, Result};
use crate::list::{ListQuery, Page};
use crate::secrets::random_base62;
use crate::store::{self, to_json};
use crate::{Control, Mode, authorize, references};

/// How long a key that ended or was revoked can still be looked up.
const KEPT: time::Duration = time::Duration::days(90);
/// Keys deleted in one change.
const AT_ONCE: i64 = 200;

/// A credential with its secret, as it is shown once.
#[derive(Debug, Clone, PartialEq)]
pub struct Issued {
    /// What stays visible.
    pub credential: Credential,
    /// What does not.
    pub secret: KeySecret,
}

/// A row with everything but the hash.
struct Row {
    id: Uuid,
    consumer_id: Uuid,
    name: String,
    prefix: String,
    last4: String,
    status: String,
    ip_allow: Vec<String>,
    expires_at: Option<Timestamp>,
    rotated_to: Option<Uuid>,
    rotation_ends_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    created_at: Timestamp,
    created_by: String,
    revoked_at: Option<Timestamp>,
    version: i64,
}

impl From<Row> for Credential {
    fn from(row: Row) -> Self {
        Self {
            id: CredentialId(row.id),
            consumer: ConsumerId(row.consumer_id),
            kind: CredentialKind::Key,
            name: row.name,
            prefix: row.prefix,
            last4: row.last4,
            // The table's check knows the same words; an unknown one must not open a door.
            status: CredentialStatus::parse(&row.status).unwrap_or(CredentialStatus::Disabled),
            ip_allow: row.ip_allow.iter().filter_map(|network| network.parse().ok()).collect(),
            expires_at: row.expires_at,
            rotated_to: row.rotated_to.map(CredentialId),
            rotation_ends_at: row.rotation_ends_at,
            last_used_at: row.last_used_at,
            created_at: row.created_at,
            created_by: row.created_by,
            revoked_at: row.revoked_at,
            version: row.version,
        }
    }
}

/// Credentials, newest first; filters: `consumer` (id or name) and `status`.
pub async fn list(control: &Control, actor: &Actor, query: &ListQuery) -> Result<Page<Credential>> {
    authorize(actor, Resource::Credentials, Action::Read)?;
    let mut connection = control.pool().acquire().await?;
    let consumer = match query.filter("consumer") {
        Some(reference) => {
            let found = references::find(&mut connection, Kind::Consumer, reference).await?;
            Some(found.ok_or_else(|| Error::not_found(Kind::Consumer, reference))?)
        }
        None => None,
    };
    let (pattern, cursor) = (query.pattern(), query.cursor_id(control)?);
    let rows = sqlx::query_as!(
        Row,
        "select id, consumer_id, name, prefix, last4, status, ip_allow, expires_at, rotated_to, rotation_ends_at,
                last_used_at, created_at, created_by, revoked_at, version
         from credentials
         where ($1::uuid is null or consumer_id = $1) and ($2::text is null or status = $2)
           and ($3::text is null or name ilike $3 or prefix ilike $3) and ($4::uuid is null or id < $4)
         order by id desc limit $5",
        consumer,
        query.filter("status"),
        pattern,
        cursor,
        query.limit + 1,
    )
    .fetch_all(&mut *connection)
    .await?;
    let total = sqlx::query_scalar!(
        r#"select count(*) as "count!" from credentials
           where ($1::uuid is null or consumer_id = $1) and ($2::text is null or status = $2)
             and ($3::text is null or name ilike $3 or prefix ilike $3)"#,
        consumer,
        query.filter("status"),
        pattern,
    )
    .fetch_one(&mut *connection)
    .await?;
    Ok(query
        .page_by_id(control, rows, total, |row| row.id)
        .map(Credential::from))
}

/// The credentials of a consumer, newest first and those that ended last, for callers that have checked whose it is.
pub(crate) async fn of_consumer(control: &Control, consumer: ConsumerId) -> Result<Vec<Credential>> {
    let rows = sqlx::query_as!(
        Row,
        "select id, consumer_id, name, prefix, last4, status, ip_allow, expires_at, rotated_to, rotation_ends_at,
                last_used_at, created_at, created_by, revoked_at, version
         from credentials where consumer_id = $1
         order by status = 'revoked' or coalesce(least(expires_at, rotation_ends_at) <= $2, false), id desc limit 100",
        consumer.0,
        control.now(),
    )
    .fetch_all(control.pool())
    .await?;
    Ok(rows.into_iter().map(Credential::from).collect())
}

/// How many keys of a consumer may be used, or will be when they are enabled again.
pub(crate) struct Living {
    /// Those that nothing replaced.
    pub(crate) standing: i64,
    /// Those that were replaced and work on for their grace.
    pub(crate) replaced: i64,
}

pub(crate) async fn living(change: &mut Change, consumer: ConsumerId) -> Result<Living> {
    let now = change.now();
    let living = sqlx::query_as!(
        Living,
        r#"select count(*) filter (where rotated_to is null) as "standing!",
                  count(*) filter (where rotated_to is not null) as "replaced!"
           from credentials where consumer_id = $1 and status <> 'revoked'
             and coalesce(least(expires_at, rotation_ends_at) > $2, true)"#,
        consumer.0,
        now,
    );
    Ok(living.fetch_one(change.connection()).await?)
}

/// One credential.
pub async fn get(control: &Control, actor: &Actor, id: CredentialId) -> Result<Credential> {
    authorize(actor, Resource::Credentials, Action::Read)?;
    let mut connection = control.pool().acquire().await?;
    find(&mut connection, id).await
}

/// The row, kept from others' changes until the change ends.
async fn find_for_write(change: &mut Change, id: CredentialId) -> Result<Credential> {
    sqlx::query!("select id from credentials where id = $1 for update", id.0)
        .fetch_optional(change.connection())
        .await?;
    find(change.connection(), id).await
}

async fn find(connection: &mut PgConnection, id: CredentialId) -> Result<Credential> {
    sqlx::query_as!(
        Row,
        "select id, consumer_id, name, prefix, last4, status, ip_allow, expires_at, rotated_to, rotation_ends_at,
                last_used_at, created_at, created_by, revoked_at, version
         from credentials where id = $1",
        id.0,
    )
    .fetch_optional(connection)
    .await?
    .map(Credential::from)
    .ok_or_else(|| Error::not_found(Kind::Credential, id))
}

/// Makes a key for a consumer.
pub async fn issue(change: &mut Change, consumer: &str, submission: Submission<CredentialDraft>) -> Result<Issued> {
    change.authorize(Resource::Credentials, Action::Write)?;
    let found = store::find::<ConsumerSpec>(change.connection(), consumer, false).await?;
    let consumer = found.ok_or_else(|| Error::not_found(Kind::Consumer, consumer))?;
    let Submission { draft, mut errors } = submission;
    let spec = CredentialSpec::validate(&draft, change.now(), &mut errors);
    let spec = errors.into_result(spec).map_err(Error::Invalid)?;
    insert(change, consumer.id, &spec).await
}

/// Makes a key without asking for rights: the caller has checked whose consumer it is.
pub(crate) async fn insert(change: &mut Change, consumer: ConsumerId, spec: &CredentialSpec) -> Result<Issued> {
    let id = CredentialId::generate();
    let brand = change.control().settings().key_brand.clone();
    let secret = KeySecret::assemble(&brand, spec.environment, &random_base62());
    let hash = change.control().secrets().key_hash(&secret);
    let networks: Vec<String> = spec.ip_allow.iter().map(ToString::to_string).collect();
    let (now, creator) = (change.now(), change.actor().name.clone());
    sqlx::query!(
        "insert into credentials (id, consumer_id, name, prefix, last4, hash, ip_allow, expires_at, created_at, created_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        id.0,
        consumer.0,
        spec.name,
        secret.prefix(),
        secret.last4(),
        hash,
        &networks,
        spec.expires_at,
        now,
        creator,
    )
    .execute(change.connection())
    .await?;
    let credential = find(change.connection(), id).await?;
    note(change, None, Some(&credential)).await?;
    Ok(Issued { credential, secret })
}

/// Makes a new key with the same rights; the old one lives on for the grace, but never past its own end.
pub async fn rotate(change: &mut Change, id: CredentialId, grace: RotationGrace) -> Result<Issued> {
    change.authorize(Resource::Credentials, Action::Write)?;
    rotate_owned(change, id, grace).await
}

pub(crate) async fn rotate_owned(change: &mut Change, id: CredentialId, grace: RotationGrace) -> Result<Issued> {
    let old = find_for_write(change, id).await?;
    let now = change.now();
    let ended = old.expires_at.is_some_and(|end| end <= now) || old.rotation_ends_at.is_some_and(|end| end <= now);
    if old.status != CredentialStatus::Active || ended {
        return Err(Error::Conflict(
            "only an active key can be rotated; create a new one".to_owned(),
        ));
    }
    if old.rotated_to.is_some() {
        return Err(Error::Conflict(
            "this key was rotated already; rotate the key that replaced it".to_owned(),
        ));
    }
    let environment = if old.prefix.contains("_test_") {
        Environment::Test
    } else {
        Environment::Live
    };
    let spec = CredentialSpec {
        name: old.name.clone(),
        environment,
        expires_at: old.expires_at,
        ip_allow: old.ip_allow.clone(),
    };
    let issued = insert(change, old.consumer, &spec).await?;
    let grace_end = now + grace.duration();
    let ends_at = old.expires_at.map_or(grace_end, |end| end.min(grace_end));
    sqlx::query!(
        "update credentials set rotated_to = $2, rotation_ends_at = $3, version = version + 1 where id = $1",
        id.0,
        issued.credential.id.0,
        ends_at,
    )
    .execute(change.connection())
    .await?;
    let after = find(change.connection(), id).await?;
    note(change, Some(&old), Some(&after)).await?;
    Ok(issued)
}

/// Ends a key for good; a revoked key stays revoked, so that doing it twice is no error.
pub async fn revoke(change: &mut Change, id: CredentialId) -> Result<Credential> {
    change.authorize(Resource::Credentials, Action::Write)?;
    set_status(change, id, CredentialStatus::Revoked).await
}

/// Refuses a key until it is enabled again, or accepts it again.
pub async fn set_enabled(change: &mut Change, id: CredentialId, enabled: bool) -> Result<Credential> {
    change.authorize(Resource::Credentials, Action::Write)?;
    let status = if enabled {
        CredentialStatus::Active
    } else {
        CredentialStatus::Disabled
    };
    set_status(change, id, status).await
}

pub(crate) async fn set_status(change: &mut Change, id: CredentialId, status: CredentialStatus) -> Result<Credential> {
    let before = find_for_write(change, id).await?;
    if before.status == status {
        return Ok(before);
    }
    if before.status == CredentialStatus::Revoked {
        return Err(Error::Conflict(
            "a revoked key stays revoked; create a new one".to_owned(),
        ));
    }
    let revoked_at = (status == CredentialStatus::Revoked).then(|| change.now());
    sqlx::query!(
        "update credentials set status = $2, revoked_at = $3, version = version + 1 where id = $1",
        id.0,
        status.as_str(),
        revoked_at,
    )
    .execute(change.connection())
    .await?;
    let after = find(change.connection(), id).await?;
    note(change, Some(&before), Some(&after)).await?;
    Ok(after)
}

/// Deletes a key that has ended, or whose consumer is deleted.
pub(crate) async fn delete(change: &mut Change, id: CredentialId) -> Result<()> {
    let before = find_for_write(change, id).await?;
    sqlx::query!("update credentials set rotated_to = null where rotated_to = $1", id.0)
        .execute(change.connection())
        .await?;
    sqlx::query!("delete from credentials where id = $1", id.0)
        .execute(change.connection())
        .await?;
    note(change, Some(&before), None).await
}

/// Deletes keys that ended long ago, some at a time; gateways forget them.
pub(crate) async fn remove_ended(control: &Control) -> Result<u64> {
    let (until, author) = (control.now() - KEPT, Actor::system());
    let written = control.write(&author, Mode::Commit, async |change| {
        let ended = sqlx::query_scalar!(
            "select id from credentials where least(revoked_at, expires_at, rotation_ends_at) <= $1
             order by id limit $2 for update skip locked",
            until,
            AT_ONCE,
        )
        .fetch_all(change.connection())
        .await?;
        let mut removed = 0;
        for id in ended {
            delete(change, id.into()).await?;
            removed += 1;
        }
        Ok(removed)
    });
    written.await.map(|written| written.value)
}

async fn note(change: &mut Change, before: Option<&Credential>, after: Option<&Credential>) -> Result<()> {
    let Some(subject) = after.or(before) else { return Ok(()) };
    let record = ChangeRecord {
        kind: Kind::Credential,
        id: subject.id.0,
        name: subject.name.clone(),
        before: before.map(to_json).transpose()?,
        after: after.map(to_json).transpose()?,
    };
    change.record(record);
    let row = match after {
        Some(credential) => Some(to_json(&published(change.connection(), credential).await?)?),
        None => None,
    };
    change.publish(Kind::Credential, subject.id.0, row);
    Ok(())
}

async fn published(connection: &mut PgConnection, credential: &Credential) -> Result<CredentialRow> {
    let hash = sqlx::query_scalar!("select hash from credentials where id = $1", credential.id.0)
        .fetch_one(connection)
        .await?;
    let ends = [credential.expires_at, credential.rotation_ends_at];
    Ok(CredentialRow {
        consumer: credential.consumer,
        kind: credential.kind,
        hash,
        identifier: credential.prefix.clone(),
        status: credential.status,
        ip_allow: credential.ip_allow.clone(),
        expires_at: ends.into_iter().flatten().min(),
    })
}
