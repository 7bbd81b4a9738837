//! A forgotten password: a link by mail, a new password, and nobody stays signed in.

use model::Errors;
use model::account::{Developer, DeveloperStatus, validate_password};
use model::actor::Actor;
use model::id::DeveloperId;

use crate::Control;
use crate::accounts::links::{self, Purpose};
use crate::accounts::{AccountKind, Client, Limit, forget, normal_email, password, sessions, spend};
use crate::error::{Error, Result};
use crate::mail::{self, templates};

use super::sign_up::may_mail;
use super::{find, note, set_status};

/// Mails a link when there is such an account; the answer is always the same.
pub async fn request(control: &Control, email: Option<&str>, client: &Client<'_>) -> Result<()> {
    spend(control, &Limit::mails_from(client)).await?;
    let Some(email) = normal_email(email) else {
        return Ok(());
    };
    if !may_mail(control, &email).await? {
        return Ok(());
    }
    let mut transaction = control.pool().begin().await?;
    let known = sqlx::query!(
        "select id, name from developers where email = $1 and status <> 'suspended' for update",
        email
    )
    .fetch_optional(&mut *transaction)
    .await?;
    if let Some(known) = known {
        let link = links::issue(&mut transaction, control, Purpose::ResetPassword, Some(known.id)).await?;
        mail::enqueue(
            &mut transaction,
            control.now(),
            &email,
            &templates::reset(&known.name, &link),
        )
        .await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Whether this link can still be used.
pub async fn check(control: &Control, token: &str) -> Result<bool> {
    Ok(links::peek(control, Purpose::ResetPassword, token).await?.is_some())
}

/// Sets a new password by the link that was mailed. Whoever has the mail has the address, so it counts as confirmed.
pub async fn reset(control: &Control, token: &str, password: Option<&str>, client: &Client<'_>) -> Result<Developer> {
    spend(control, &Limit::address(client)).await?;
    if !check(control, token).await? {
        return Err(Error::DeadLink);
    }
    let mut errors = Errors::new();
    let password = validate_password(password, "password", &mut errors);
    let hash = password::hash(errors.into_result(password).map_err(Error::Invalid)?).await?;
    let now = control.now();
    let mut transaction = control.pool().begin().await?;
    let id = DeveloperId(links::redeem_account(&mut transaction, Purpose::ResetPassword, token, now).await?);
    let developer = find(&mut transaction, id).await?;
    if developer.status == DeveloperStatus::Suspended {
        return Err(Error::Suspended);
    }
    if let Some(status) = developer.status.verify() {
        set_status(&mut transaction, id, status).await?;
        links::kill(&mut transaction, Purpose::VerifyEmail, id.0).await?;
    }
    password::set(&mut transaction, AccountKind::Developer, id.0, &hash).await?;
    sessions::end_all(&mut transaction, AccountKind::Developer, id.0, None).await?;
    let forgot = format!("{}/forgot", control.settings().portal_url);
    let message = templates::password_changed(&developer.name, &forgot);
    mail::enqueue(&mut transaction, now, &developer.email, &message).await?;
    note(
        &mut transaction,
        &Actor::developer(id, &developer.name),
        now,
        ("password.reset", &developer),
    )
    .await?;
    let developer = find(&mut transaction, id).await?;
    transaction.commit().await?;
    forget(control, &Limit::account(AccountKind::Developer, &developer.email)).await?;
    Ok(developer)
}
