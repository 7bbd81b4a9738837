//! The first start: no default account, but a one-time link that makes the first owner.

use model::Kind;
use model::Submission;
use model::account::{AccountDraft, AccountSpec};
use model::actor::Role;

use crate::Control;
use crate::audit::{self, Event};
use crate::error::{Error, Result};

use super::links::{self, Purpose};
use super::sessions::{self, Account, Opened};
use super::{AccountKind, Client, admins, password};

/// Whether there is no administrator yet.
pub async fn needed(control: &Control) -> Result<bool> {
    let any = sqlx::query_scalar!(r#"select exists(select 1 from admins) as "any!""#)
        .fetch_one(control.pool())
        .await?;
    Ok(!any)
}

/// A link that makes the first owner; `None` when there is an administrator already. Links of earlier starts go on
/// working: another node may have printed one.
pub async fn link(control: &Control) -> Result<Option<String>> {
    if !needed(control).await? {
        return Ok(None);
    }
    let mut connection = control.pool().acquire().await?;
    links::issue(&mut connection, control, Purpose::Setup, None)
        .await
        .map(Some)
}

/// Whether this link can still be used.
pub async fn check(control: &Control, token: &str) -> Result<bool> {
    Ok(links::peek(control, Purpose::Setup, token).await?.is_some() && needed(control).await?)
}

/// Makes the first owner and signs them in.
pub async fn complete(
    control: &Control,
    token: &str,
    submission: Submission<AccountDraft>,
    client: &Client<'_>,
) -> Result<Opened> {
    if !check(control, token).await? {
        return Err(Error::DeadLink);
    }
    let Submission { draft, mut errors } = submission;
    let spec = AccountSpec::validate(&draft, &mut errors);
    let spec = errors.into_result(spec).map_err(Error::Invalid)?;
    let hash = password::hash(spec.password.clone()).await?;
    let now = control.now();
    let mut transaction = control.pool().begin().await?;
    admins::lock(&mut transaction).await?;
    let any = sqlx::query_scalar!(r#"select exists(select 1 from admins) as "any!""#)
        .fetch_one(&mut *transaction)
        .await?;
    if any {
        return Err(Error::DeadLink);
    }
    links::redeem(&mut transaction, Purpose::Setup, token, now).await?;
    let id = admins::insert(&mut transaction, now, (&spec.name, &spec.email), &hash, Role::Owner).await?;
    let account = Account {
        kind: AccountKind::Admin,
        id: id.0,
        name: spec.name,
        email: spec.email,
        role: Some(Role::Owner),
    };
    let event = Event {
        action: "admin.created",
        object: Some((Kind::Admin, id.0, &account.email)),
        detail: None,
    };
    audit::record(&mut transaction, &account.actor(), now, event).await?;
    let opened = sessions::open(&mut transaction, now, &account, client).await?;
    transaction.commit().await?;
    tracing::info!(admin.id = %id, "the first administrator was made");
    Ok(opened)
}
