//! Invitations: a link by which an administrator chooses their first password, or one in place of a lost one.

use model::account::{Admin, validate_email, validate_password, validate_person};
use model::actor::{Action, Actor, Resource, Role};
use model::id::AdminId;
use model::{Errors, Submission};
use sqlx::PgConnection;

use crate::error::{Error, Result};
use crate::mail::{self, templates};
use crate::{Control, authorize};

use super::admins::{self, AdminDraft, note, role_or};
use super::links::{self, Purpose};
use super::sessions::{self, Account, Opened};
use super::{AccountKind, Client, SecretText, password};

/// An administrator with a link, as it is shown once.
#[derive(Debug, Clone, PartialEq)]
pub struct Invited {
    /// The account.
    pub admin: Admin,
    /// Where the password is chosen; was also mailed.
    pub link: SecretText,
}

/// Makes an administrator who chooses a password by the link.
pub async fn invite(control: &Control, actor: &Actor, submission: Submission<AdminDraft>) -> Result<Invited> {
    authorize(actor, Resource::Admins, Action::Write)?;
    let Submission { draft, mut errors } = submission;
    let name = validate_person(draft.name.as_deref(), &mut errors);
    let email = validate_email(draft.email.as_deref(), &mut errors);
    let role = role_or(Role::Operator, draft.role.as_deref(), &mut errors);
    let ((name, email), role) = errors.into_result(name.zip(email).zip(role)).map_err(Error::Invalid)?;
    let now = control.now();
    let mut transaction = control.pool().begin().await?;
    let id = admins::insert(&mut transaction, now, (&name, &email), "", role).await?;
    let invited = send_link(&mut transaction, control, actor, id).await?;
    note(&mut transaction, actor, now, ("admin.created", &invited.admin)).await?;
    transaction.commit().await?;
    Ok(invited)
}

/// Sends an administrator a new link: the invitation lapsed, or the password is lost. The old password counts until
/// the link is used.
pub async fn renew_link(control: &Control, actor: &Actor, id: AdminId) -> Result<Invited> {
    authorize(actor, Resource::Admins, Action::Write)?;
    let mut transaction = control.pool().begin().await?;
    let invited = send_link(&mut transaction, control, actor, id).await?;
    note(
        &mut transaction,
        actor,
        control.now(),
        ("admin.invited", &invited.admin),
    )
    .await?;
    transaction.commit().await?;
    Ok(invited)
}

async fn send_link(connection: &mut PgConnection, control: &Control, actor: &Actor, id: AdminId) -> Result<Invited> {
    let admin = admins::find(connection, id).await?;
    if admin.disabled_at.is_some() {
        return Err(Error::Conflict("the account is disabled; enable it first".to_owned()));
    }
    let link = links::issue(connection, control, Purpose::Invitation, Some(id.0)).await?;
    let message = templates::invitation(&admin.name, &actor.name, &link);
    mail::enqueue(connection, control.now(), &admin.email, &message).await?;
    Ok(Invited {
        admin,
        link: SecretText::new(link),
    })
}

/// Whom a link invites; `None` when it is dead.
pub async fn check_invitation(control: &Control, token: &str) -> Result<Option<Admin>> {
    let Some(Some(id)) = links::peek(control, Purpose::Invitation, token).await? else {
        return Ok(None);
    };
    let mut connection = control.pool().acquire().await?;
    let admin = admins::find(&mut connection, AdminId(id)).await?;
    Ok(admin.disabled_at.is_none().then_some(admin))
}

/// Sets the password that an invited administrator chose and signs them in; their other sessions end.
pub async fn accept_invitation(
    control: &Control,
    token: &str,
    password: Option<&str>,
    client: &Client<'_>,
) -> Result<Opened> {
    if check_invitation(control, token).await?.is_none() {
        return Err(Error::DeadLink);
    }
    let mut errors = Errors::new();
    let password = validate_password(password, "password", &mut errors);
    let hash = password::hash(errors.into_result(password).map_err(Error::Invalid)?).await?;
    let now = control.now();
    let mut transaction = control.pool().begin().await?;
    let id = links::redeem_account(&mut transaction, Purpose::Invitation, token, now).await?;
    let admin = admins::find(&mut transaction, AdminId(id)).await?;
    if admin.disabled_at.is_some() {
        return Err(Error::Suspended);
    }
    password::set(&mut transaction, AccountKind::Admin, id, &hash).await?;
    sessions::end_all(&mut transaction, AccountKind::Admin, id, None).await?;
    let admin = admins::find(&mut transaction, AdminId(id)).await?;
    let account = Account {
        kind: AccountKind::Admin,
        id,
        name: admin.name.clone(),
        email: admin.email.clone(),
        role: Some(admin.role),
    };
    note(&mut transaction, &account.actor(), now, ("password.changed", &admin)).await?;
    let opened = sessions::open(&mut transaction, now, &account, client).await?;
    transaction.commit().await?;
    Ok(opened)
}
