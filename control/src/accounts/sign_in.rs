//! Signing in: the same answer and the same work for a wrong password and for an account that does not exist.

use model::Submission;
use model::account::DeveloperStatus;
use model::actor::Role;

use crate::Control;
use crate::error::{Error, Result};

use super::sessions::{self, Account, Opened};
use super::{AccountKind, Client, Limit, forget, normal_email, password, refund, required, spend};

model::draft! {
    /// What a person types to sign in.
    pub struct SignInDraft {
        /// The address of the account.
        pub email: Option<String>,
        /// Its password.
        pub password: Option<String>,
    }
}

/// An account as it is found, with what decides whether it may sign in.
struct Found {
    account: Account,
    password_hash: String,
    refusal: Option<Error>,
}

/// Signs an administrator in.
pub async fn admin(control: &Control, submission: Submission<SignInDraft>, client: &Client<'_>) -> Result<Opened> {
    sign_in(control, AccountKind::Admin, submission, client).await
}

/// Signs a developer in.
pub async fn developer(control: &Control, submission: Submission<SignInDraft>, client: &Client<'_>) -> Result<Opened> {
    sign_in(control, AccountKind::Developer, submission, client).await
}

async fn sign_in(
    control: &Control,
    kind: AccountKind,
    submission: Submission<SignInDraft>,
    client: &Client<'_>,
) -> Result<Opened> {
    let Submission { draft, mut errors } = submission;
    let email = required(draft.email.as_deref(), "email", &mut errors);
    let password = required(draft.password.as_deref(), "password", &mut errors);
    let (email, password) = errors.into_result(email.zip(password)).map_err(Error::Invalid)?;
    let email = normal_email(Some(&email)).ok_or(Error::WrongCredentials)?;
    let (by_address, by_account) = (Limit::address(client), Limit::account(kind, &email));
    throttle(control, kind, client, &by_address).await?;
    throttle(control, kind, client, &by_account).await?;

    let found = match kind {
        AccountKind::Admin => find_admin(control, &email).await?,
        AccountKind::Developer => find_developer(control, &email).await?,
    };
    let stored = found.as_ref().map(|found| found.password_hash.clone());
    let fits = password::verify(password, stored).await?;
    let Some(found) = found.filter(|_| fits) else {
        tracing::warn!(account.kind = kind.as_str(), client.address = %client.address, "sign-in refused");
        return Err(Error::WrongCredentials);
    };
    forget(control, &by_account).await?;
    refund(control, &by_address).await?;
    if let Some(refusal) = found.refusal {
        return Err(refusal);
    }
    let mut transaction = control.pool().begin().await?;
    let opened = sessions::open(&mut transaction, control.now(), &found.account, client).await?;
    transaction.commit().await?;
    Ok(opened)
}

async fn throttle(control: &Control, kind: AccountKind, client: &Client<'_>, limit: &Limit) -> Result<()> {
    let result = spend(control, limit).await;
    if matches!(result, Err(Error::Throttled { .. })) {
        tracing::warn!(account.kind = kind.as_str(), client.address = %client.address, "sign-in throttled");
    }
    result
}

async fn find_admin(control: &Control, email: &str) -> Result<Option<Found>> {
    let row = sqlx::query!(
        "select id, name, email, password_hash, role, disabled_at from admins where email = $1",
        email
    )
    .fetch_optional(control.pool())
    .await?;
    Ok(row.map(|row| Found {
        account: Account {
            kind: AccountKind::Admin,
            id: row.id,
            name: row.name,
            email: row.email,
            role: Role::parse(&row.role),
        },
        password_hash: row.password_hash,
        refusal: row.disabled_at.map(|_| Error::Suspended),
    }))
}

async fn find_developer(control: &Control, email: &str) -> Result<Option<Found>> {
    let row = sqlx::query!(
        "select id, name, email, password_hash, status from developers where email = $1",
        email
    )
    .fetch_optional(control.pool())
    .await?;
    Ok(row.map(|row| Found {
        account: Account {
            kind: AccountKind::Developer,
            id: row.id,
            name: row.name,
            email: row.email,
            role: None,
        },
        password_hash: row.password_hash,
        refusal: match DeveloperStatus::parse(&row.status) {
            Some(DeveloperStatus::Active) => None,
            Some(DeveloperStatus::PendingVerification) => Some(Error::Unverified),
            Some(DeveloperStatus::Suspended) | None => Some(Error::Suspended),
        },
    }))
}
