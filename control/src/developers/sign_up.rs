//! Sign-up: an account, its mail and its link in one transaction, and the same answer whether or not the address
//! has an account already. Only the mail says which.

use model::Submission;
use model::account::{AccountDraft, AccountSpec, Developer};
use model::actor::Actor;
use model::clock::Timestamp;
use model::id::DeveloperId;
use sqlx::PgConnection;

use crate::Control;
use crate::accounts::links::{self, Purpose};
use crate::accounts::{Client, Limit, normal_email, password, spend};
use crate::error::{Error, Result};
use crate::mail::{self, templates};

use super::{find, note, set_status};

/// Signs up. What happens next is in the mail.
pub async fn sign_up(control: &Control, submission: Submission<AccountDraft>, client: &Client<'_>) -> Result<()> {
    let Submission { draft, mut errors } = submission;
    let spec = AccountSpec::validate(&draft, &mut errors);
    let spec = errors.into_result(spec).map_err(Error::Invalid)?;
    spend(control, &Limit::mails_from(client)).await?;
    // Also for an address that is taken: the time must not tell.
    let hash = password::hash(spec.password.clone()).await?;
    if !may_mail(control, &spec.email).await? {
        return Ok(());
    }
    let mut transaction = control.pool().begin().await?;
    if let Some(id) = insert(&mut transaction, control.now(), &spec, &hash).await? {
        send_link(&mut transaction, control, id, &spec.name, &spec.email).await?;
        let actor = Actor::developer(id, &spec.name);
        let developer = find(&mut transaction, id).await?;
        note(
            &mut transaction,
            &actor,
            control.now(),
            ("developer.created", &developer),
        )
        .await?;
    } else {
        let portal = &control.settings().portal_url;
        let (sign_in, forgot) = (format!("{portal}/login"), format!("{portal}/forgot"));
        let known = sqlx::query_scalar!("select name from developers where email = $1", spec.email)
            .fetch_one(&mut *transaction)
            .await?;
        let message = templates::already_registered(&known, &sign_in, &forgot);
        mail::enqueue(&mut transaction, control.now(), &spec.email, &message).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Adds the account. An account whose address was never confirmed is overwritten: nobody may reserve the address of
/// somebody else, and a link confirms exactly the sign-up that it was mailed for. `None` when there is another one.
async fn insert(
    connection: &mut PgConnection,
    now: Timestamp,
    spec: &AccountSpec,
    hash: &str,
) -> Result<Option<DeveloperId>> {
    let id = sqlx::query_scalar!(
        "insert into developers (id, name, email, password_hash, status, created_at)
         values ($1, $2, $3, $4, 'pending_verification', $5)
         on conflict (email) do update set name = excluded.name, password_hash = excluded.password_hash
             where developers.status = 'pending_verification'
         returning id",
        DeveloperId::generate().0,
        spec.name,
        spec.email,
        hash,
        now,
    )
    .fetch_optional(connection)
    .await?;
    Ok(id.map(DeveloperId))
}

/// Sends the link again; the answer is always the same.
pub async fn resend(control: &Control, email: Option<&str>, client: &Client<'_>) -> Result<()> {
    spend(control, &Limit::mails_from(client)).await?;
    let Some(email) = normal_email(email) else {
        return Ok(());
    };
    if !may_mail(control, &email).await? {
        return Ok(());
    }
    let mut transaction = control.pool().begin().await?;
    let pending = sqlx::query!(
        "select id, name from developers where email = $1 and status = 'pending_verification' for update",
        email,
    )
    .fetch_optional(&mut *transaction)
    .await?;
    if let Some(pending) = pending {
        send_link(
            &mut transaction,
            control,
            DeveloperId(pending.id),
            &pending.name,
            &email,
        )
        .await?;
    }
    transaction.commit().await?;
    Ok(())
}

async fn send_link(
    connection: &mut PgConnection,
    control: &Control,
    id: DeveloperId,
    name: &str,
    email: &str,
) -> Result<()> {
    let link = links::issue(connection, control, Purpose::VerifyEmail, Some(id.0)).await?;
    mail::enqueue(connection, control.now(), email, &templates::verification(name, &link)).await
}

/// Whether one more mail may go to this address. Refusing would tell that there was one before: it is just not sent.
pub(super) async fn may_mail(control: &Control, email: &str) -> Result<bool> {
    match spend(control, &Limit::mails_to(email)).await {
        Ok(()) => Ok(true),
        Err(Error::Throttled { .. }) => {
            tracing::warn!("no more mails to one address for a while");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Whether this link can still be used.
pub async fn check(control: &Control, token: &str) -> Result<bool> {
    Ok(links::peek(control, Purpose::VerifyEmail, token).await?.is_some())
}

/// Confirms the address by the link that was mailed; the developer may sign in from now on.
pub async fn verify(control: &Control, token: &str) -> Result<Developer> {
    let now = control.now();
    let mut transaction = control.pool().begin().await?;
    let id = DeveloperId(links::redeem_account(&mut transaction, Purpose::VerifyEmail, token, now).await?);
    let developer = find(&mut transaction, id).await?;
    let status = developer.status.verify().ok_or(Error::DeadLink)?;
    set_status(&mut transaction, id, status).await?;
    note(
        &mut transaction,
        &Actor::developer(id, &developer.name),
        now,
        ("developer.verified", &developer),
    )
    .await?;
    let developer = find(&mut transaction, id).await?;
    transaction.commit().await?;
    Ok(developer)
}
