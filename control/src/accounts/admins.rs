//! Administrators: listed, made, changed, disabled and deleted; one owner who can sign in always stays.

use model::account::{AccountDraft, AccountSpec, Admin};
use model::actor::{Action, Actor, Resource, Role};
use model::clock::Timestamp;
use model::id::AdminId;
use model::validation::unknown_word;
use model::{Code, Errors, Kind, Submission};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::audit::{self, Event};
use crate::error::{Error, Result};
use crate::list::{ListQuery, Page};
use crate::{Control, authorize};

use super::{AccountKind, name_or, password, sessions};

pub use super::invitations::{Invited, accept_invitation, check_invitation, invite, renew_link};

model::draft! {
    /// An administrator as others invite or change one.
    pub struct AdminDraft {
        /// What they are called.
        pub name: Option<String>,
        /// What they sign in with; cannot be changed later.
        pub email: Option<String>,
        /// `owner`, `operator` (default) or `auditor`.
        #[schema(example = "operator")]
        pub role: Option<String>,
    }
}

/// A row of the table.
struct Row {
    id: Uuid,
    name: String,
    email: String,
    role: String,
    created_at: Timestamp,
    last_sign_in_at: Option<Timestamp>,
    disabled_at: Option<Timestamp>,
    invited: bool,
}

impl From<Row> for Admin {
    fn from(row: Row) -> Self {
        Self {
            id: AdminId(row.id),
            name: row.name,
            email: row.email,
            // The table's check knows the same words; an unknown one must not open a door.
            role: Role::parse(&row.role).unwrap_or(Role::Auditor),
            created_at: row.created_at,
            last_sign_in_at: row.last_sign_in_at,
            disabled_at: row.disabled_at,
            invited: row.invited,
        }
    }
}

/// Administrators, newest first; filter: `role`.
pub async fn list(control: &Control, actor: &Actor, query: &ListQuery) -> Result<Page<Admin>> {
    authorize(actor, Resource::Admins, Action::Read)?;
    let (pattern, cursor) = (query.pattern(), query.cursor_id(control)?);
    let rows = sqlx::query_as!(
        Row,
        r#"select id, name, email, role, created_at, last_sign_in_at, disabled_at, password_hash = '' as "invited!"
           from admins
           where ($1::text is null or role = $1) and ($2::text is null or name ilike $2 or email ilike $2)
             and ($3::uuid is null or id < $3)
           order by id desc limit $4"#,
        query.filter("role"),
        pattern,
        cursor,
        query.limit + 1,
    )
    .fetch_all(control.pool())
    .await?;
    let total = sqlx::query_scalar!(
        r#"select count(*) as "count!" from admins
           where ($1::text is null or role = $1) and ($2::text is null or name ilike $2 or email ilike $2)"#,
        query.filter("role"),
        pattern,
    )
    .fetch_one(control.pool())
    .await?;
    Ok(query.page_by_id(control, rows, total, |row| row.id).map(Admin::from))
}

/// One administrator.
pub async fn get(control: &Control, actor: &Actor, id: AdminId) -> Result<Admin> {
    authorize(actor, Resource::Admins, Action::Read)?;
    let mut connection = control.pool().acquire().await?;
    find(&mut connection, id).await
}

pub(crate) async fn find(connection: &mut PgConnection, id: AdminId) -> Result<Admin> {
    sqlx::query_as!(
        Row,
        r#"select id, name, email, role, created_at, last_sign_in_at, disabled_at, password_hash = '' as "invited!"
           from admins where id = $1"#,
        id.0,
    )
    .fetch_optional(connection)
    .await?
    .map(Admin::from)
    .ok_or_else(|| Error::not_found(Kind::Admin, id))
}

/// Makes an administrator with a password, for the command line.
pub async fn create(
    control: &Control,
    actor: &Actor,
    submission: Submission<AccountDraft>,
    role: Role,
) -> Result<Admin> {
    authorize(actor, Resource::Admins, Action::Write)?;
    let Submission { draft, mut errors } = submission;
    let spec = AccountSpec::validate(&draft, &mut errors);
    let spec = errors.into_result(spec).map_err(Error::Invalid)?;
    let hash = password::hash(spec.password).await?;
    let now = control.now();
    let mut transaction = control.pool().begin().await?;
    let id = insert(&mut transaction, now, (&spec.name, &spec.email), &hash, role).await?;
    let admin = find(&mut transaction, id).await?;
    note(&mut transaction, actor, now, ("admin.created", &admin)).await?;
    transaction.commit().await?;
    Ok(admin)
}

/// Adds the row of a name and an address.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    now: Timestamp,
    (name, email): (&str, &str),
    password_hash: &str,
    role: Role,
) -> Result<AdminId> {
    let id = AdminId::generate();
    let added = sqlx::query!(
        "insert into admins (id, name, email, password_hash, role, created_at) values ($1, $2, $3, $4, $5, $6)
         on conflict (email) do nothing",
        id.0,
        name,
        email,
        password_hash,
        role.as_str(),
        now,
    )
    .execute(connection)
    .await?;
    if added.rows_affected() == 0 {
        return Err(Error::field(
            "email",
            Code::Taken,
            "is taken: there is an administrator with it",
        ));
    }
    Ok(id)
}

/// Changes name and role; what is absent stays.
pub async fn update(
    control: &Control,
    actor: &Actor,
    id: AdminId,
    submission: Submission<AdminDraft>,
) -> Result<Admin> {
    authorize(actor, Resource::Admins, Action::Write)?;
    let now = control.now();
    let mut transaction = control.pool().begin().await?;
    lock(&mut transaction).await?;
    let before = find(&mut transaction, id).await?;
    let Submission { draft, mut errors } = submission;
    if draft
        .email
        .as_deref()
        .is_some_and(|email| email.trim().to_lowercase() != before.email)
    {
        errors.add(
            "email",
            Code::Conflict,
            "cannot be changed: invite the new address and delete this account",
        );
    }
    let name = name_or(before.name, draft.name.as_deref(), &mut errors);
    let role = role_or(before.role, draft.role.as_deref(), &mut errors);
    let (name, role) = errors.into_result(name.zip(role)).map_err(Error::Invalid)?;
    sqlx::query!(
        "update admins set name = $2, role = $3 where id = $1",
        id.0,
        name,
        role.as_str()
    )
    .execute(&mut *transaction)
    .await?;
    keep_an_owner(&mut transaction).await?;
    let admin = find(&mut transaction, id).await?;
    note(&mut transaction, actor, now, ("admin.updated", &admin)).await?;
    transaction.commit().await?;
    Ok(admin)
}

/// Reads a role, or takes the one there is when none is given.
pub(crate) fn role_or(current: Role, given: Option<&str>, errors: &mut Errors) -> Option<Role> {
    let Some(word) = given else { return Some(current) };
    let role = Role::parse(word);
    if role.is_none() {
        errors.add(
            "role",
            Code::Invalid,
            unknown_word("role", word, &Role::ALL.map(Role::as_str)),
        );
    }
    role
}

/// Keeps an administrator from signing in, or lets them again; disabling ends their sessions.
pub async fn set_enabled(control: &Control, actor: &Actor, id: AdminId, enabled: bool) -> Result<Admin> {
    authorize(actor, Resource::Admins, Action::Write)?;
    let now = control.now();
    let mut transaction = control.pool().begin().await?;
    lock(&mut transaction).await?;
    let before = find(&mut transaction, id).await?;
    if before.disabled_at.is_none() == enabled {
        return Ok(before);
    }
    let disabled_at = (!enabled).then_some(now);
    sqlx::query!("update admins set disabled_at = $2 where id = $1", id.0, disabled_at)
        .execute(&mut *transaction)
        .await?;
    keep_an_owner(&mut transaction).await?;
    if !enabled {
        sessions::end_all(&mut transaction, AccountKind::Admin, id.0, None).await?;
    }
    let admin = find(&mut transaction, id).await?;
    let action = if enabled { "admin.enabled" } else { "admin.disabled" };
    note(&mut transaction, actor, now, (action, &admin)).await?;
    transaction.commit().await?;
    Ok(admin)
}

/// Deletes an administrator; what they did stays in the audit log under their name.
pub async fn delete(control: &Control, actor: &Actor, id: AdminId) -> Result<()> {
    authorize(actor, Resource::Admins, Action::Write)?;
    let mut transaction = control.pool().begin().await?;
    lock(&mut transaction).await?;
    let admin = find(&mut transaction, id).await?;
    sqlx::query!("delete from admins where id = $1", id.0)
        .execute(&mut *transaction)
        .await?;
    sqlx::query!("delete from one_time_tokens where account_id = $1", id.0)
        .execute(&mut *transaction)
        .await?;
    keep_an_owner(&mut transaction).await?;
    sessions::end_all(&mut transaction, AccountKind::Admin, id.0, None).await?;
    note(&mut transaction, actor, control.now(), ("admin.deleted", &admin)).await?;
    transaction.commit().await?;
    Ok(())
}

/// Keeps others from changing administrators until the transaction ends: two owners must not remove each other.
pub(crate) async fn lock(connection: &mut PgConnection) -> Result<()> {
    sqlx::query!("lock table admins in share row exclusive mode")
        .execute(connection)
        .await?;
    Ok(())
}

/// Somebody must always be able to manage administrators; an invited owner without a password cannot.
async fn keep_an_owner(connection: &mut PgConnection) -> Result<()> {
    let any = sqlx::query_scalar!(
        r#"select exists(
               select 1 from admins where role = 'owner' and disabled_at is null and password_hash <> ''
           ) as "any!""#
    )
    .fetch_one(connection)
    .await?;
    if any {
        return Ok(());
    }
    Err(Error::Conflict(
        "this is the last owner who can sign in; make another administrator an owner first".to_owned(),
    ))
}

/// Writes the audit entry of something that was done to an administrator.
pub(crate) async fn note(
    connection: &mut PgConnection,
    actor: &Actor,
    now: Timestamp,
    (action, admin): (&str, &Admin),
) -> Result<()> {
    let detail = Some(json!({"name": admin.name, "role": admin.role}));
    let object = Some((Kind::Admin, admin.id.0, admin.email.as_str()));
    audit::record(connection, actor, now, Event { action, object, detail }).await
}
