//! One-time links: a random token that is mailed or printed, of which only the hash is stored.

use model::clock::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Control;
use crate::error::{Error, Result};
use crate::secrets::{random_token, token_hash};

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Making the first administrator.
    Setup,
    /// An administrator's first or forgotten password.
    Invitation,
    /// Confirming a developer's address.
    VerifyEmail,
    /// A developer's forgotten password.
    ResetPassword,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Invitation => "invitation",
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
        }
    }

    /// How long a link lives. A setup link that ended is replaced by starting again.
    pub(crate) const fn lifetime(self) -> time::Duration {
        match self {
            Self::Invitation => time::Duration::days(3),
            Self::VerifyEmail => time::Duration::days(1),
            Self::Setup | Self::ResetPassword => time::Duration::hours(1),
        }
    }

    /// Where the link leads, below the console's or the portal's URL.
    const fn page(self) -> &'static str {
        match self {
            Self::Setup => "/console/setup",
            Self::Invitation => "/console/invitation",
            Self::VerifyEmail => "/verify",
            Self::ResetPassword => "/reset",
        }
    }
}

/// Makes a link; earlier ones of the same purpose for the same account die.
pub(crate) async fn issue(
    connection: &mut PgConnection,
    control: &Control,
    purpose: Purpose,
    account: Option<Uuid>,
) -> Result<String> {
    if let Some(account) = account {
        kill(connection, purpose, account).await?;
    }
    let (token, now) = (random_token(), control.now());
    sqlx::query!(
        "insert into one_time_tokens (token_hash, purpose, account_id, created_at, expires_at) values ($1, $2, $3, $4, $5)",
        token_hash(&token),
        purpose.as_str(),
        account,
        now,
        now + purpose.lifetime(),
    )
    .execute(connection)
    .await?;
    let settings = control.settings();
    let base = match purpose {
        Purpose::Setup | Purpose::Invitation => &settings.console_url,
        Purpose::VerifyEmail | Purpose::ResetPassword => &settings.portal_url,
    };
    Ok(format!("{base}{}?token={token}", purpose.page()))
}

/// Takes back the links of one purpose for an account.
pub(crate) async fn kill(connection: &mut PgConnection, purpose: Purpose, account: Uuid) -> Result<()> {
    sqlx::query!(
        "delete from one_time_tokens where purpose = $1 and account_id = $2",
        purpose.as_str(),
        account
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Uses a link up and says whose it is. Of two who use it at once, one gets it.
pub(crate) async fn redeem(
    connection: &mut PgConnection,
    purpose: Purpose,
    token: &str,
    now: Timestamp,
) -> Result<Option<Uuid>> {
    let row = sqlx::query!(
        "update one_time_tokens set used_at = $3
         where token_hash = $1 and purpose = $2 and used_at is null and expires_at > $3 returning account_id",
        token_hash(token),
        purpose.as_str(),
        now,
    )
    .fetch_optional(connection)
    .await?;
    row.map(|row| row.account_id).ok_or(Error::DeadLink)
}

/// Uses up a link of an account.
pub(crate) async fn redeem_account(
    connection: &mut PgConnection,
    purpose: Purpose,
    token: &str,
    now: Timestamp,
) -> Result<Uuid> {
    redeem(connection, purpose, token, now).await?.ok_or(Error::DeadLink)
}

/// Whether a link is alive, without using it; the account where it has one.
pub(crate) async fn peek(control: &Control, purpose: Purpose, token: &str) -> Result<Option<Option<Uuid>>> {
    let row = sqlx::query!(
        "select account_id from one_time_tokens
         where token_hash = $1 and purpose = $2 and used_at is null and expires_at > $3",
        token_hash(token),
        purpose.as_str(),
        control.now(),
    )
    .fetch_optional(control.pool())
    .await?;
    Ok(row.map(|row| row.account_id))
}
