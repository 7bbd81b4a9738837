//! Passwords: hashed with Argon2id off the server's threads, few at a time.

use std::sync::OnceLock;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use model::account::validate_password;
use model::{Code, Submission};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::Control;
use crate::audit::{self, Event};
use crate::error::{Error, Result};

use super::sessions::{self, Session};
use super::{AccountKind, Limit, forget, required, spend};

/// Memory, passes and lanes that the OWASP Password Storage Cheat Sheet (2025) asks for at least: 19 MiB, 2, 1.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Hashes at a time: each takes 19 MiB and a processor.
static RUNNING: Semaphore = Semaphore::const_new(4);
/// Hashes that may wait for their turn.
static WAITING: Semaphore = Semaphore::const_new(64);
/// How long one may wait for its turn.
const TURN: Duration = Duration::from_secs(10);

model::draft! {
    /// A person's wish for another password.
    pub struct PasswordChangeDraft {
        /// The one that counts now.
        pub current_password: Option<String>,
        /// The one that shall count, at least 12 characters.
        pub new_password: Option<String>,
    }
}

/// Changes one's own password; all other sessions end.
pub async fn change(control: &Control, session: &Session, submission: Submission<PasswordChangeDraft>) -> Result<()> {
    let Submission { draft, mut errors } = submission;
    let current = required(draft.current_password.as_deref(), "current_password", &mut errors);
    let new = validate_password(draft.new_password.as_deref(), "new_password", &mut errors);
    let (current, new) = errors.into_result(current.zip(new)).map_err(Error::Invalid)?;
    let limit = Limit::account(session.kind, &session.email);
    spend(control, &limit).await?;
    let stored = stored_hash(control, session).await?;
    if !verify(current, stored).await? {
        return Err(Error::field("current_password", Code::Invalid, "is not your password"));
    }
    forget(control, &limit).await?;
    let hash = hash(new).await?;
    let mut transaction = control.pool().begin().await?;
    set(&mut transaction, session.kind, session.account, &hash).await?;
    sessions::end_all(&mut transaction, session.kind, session.account, Some(session.id)).await?;
    let event = Event {
        action: "password.changed",
        object: Some((session.kind.noun(), session.account, &session.email)),
        detail: None,
    };
    audit::record(&mut transaction, &session.actor, control.now(), event).await?;
    transaction.commit().await?;
    Ok(())
}

async fn stored_hash(control: &Control, session: &Session) -> Result<Option<String>> {
    let hash = match session.kind {
        AccountKind::Admin => {
            sqlx::query_scalar!("select password_hash from admins where id = $1", session.account)
                .fetch_optional(control.pool())
                .await?
        }
        AccountKind::Developer => {
            sqlx::query_scalar!("select password_hash from developers where id = $1", session.account)
                .fetch_optional(control.pool())
                .await?
        }
    };
    Ok(hash)
}

/// Stores the hash of a new password.
pub(crate) async fn set(
    connection: &mut sqlx::PgConnection,
    kind: AccountKind,
    account: uuid::Uuid,
    hash: &str,
) -> Result<()> {
    match kind {
        AccountKind::Admin => {
            sqlx::query!("update admins set password_hash = $2 where id = $1", account, hash)
                .execute(connection)
                .await?
        }
        AccountKind::Developer => {
            sqlx::query!("update developers set password_hash = $2 where id = $1", account, hash)
                .execute(connection)
                .await?
        }
    };
    Ok(())
}

/// What is stored of a password.
pub(crate) async fn hash(password: String) -> Result<String> {
    work(move || {
        let hash = hasher()?
            .hash_password(password.as_bytes())
            .map_err(|_| Error::PasswordHash)?;
        Ok(hash.to_string())
    })
    .await
}

/// Whether a password fits what is stored; without anything stored the same work is done for nothing, so that the
/// time does not tell which accounts exist.
pub(crate) async fn verify(password: String, stored: Option<String>) -> Result<bool> {
    work(move || {
        let stored = stored.filter(|stored| !stored.is_empty());
        let known = stored.is_some();
        let stored = match &stored {
            Some(stored) => stored,
            None => nobody()?,
        };
        let stored = PasswordHash::new(stored).map_err(|_| Error::PasswordHash)?;
        let fits = hasher()?.verify_password(password.as_bytes(), &stored).is_ok();
        Ok(fits && known)
    })
    .await
}

/// The hash of a password that nobody has.
fn nobody() -> Result<&'static str> {
    static NOBODY: OnceLock<String> = OnceLock::new();
    if let Some(hash) = NOBODY.get() {
        return Ok(hash);
    }
    let password = crate::secrets::random_token();
    let hash = hasher()?
        .hash_password(password.as_bytes())
        .map_err(|_| Error::PasswordHash)?;
    Ok(NOBODY.get_or_init(|| hash.to_string()))
}

fn hasher() -> Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_| Error::PasswordHash)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

async fn work<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let busy = || Error::Throttled { retry_after: TURN };
    let waiting = WAITING.try_acquire().map_err(|_| busy())?;
    let running = tokio::time::timeout(TURN, RUNNING.acquire())
        .await
        .map_err(|_| busy())?
        .map_err(|_| busy())?;
    drop(waiting);
    // The permit goes along: a caller that gives up does not end the hashing.
    let work = spawn_blocking(move || {
        let _running = running;
        work()
    });
    work.await.map_err(|_| Error::PasswordHash)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let stored = hash("correct horse battery".to_owned()).await.expect("hashed");
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(
            verify("correct horse battery".to_owned(), Some(stored.clone()))
                .await
                .expect("verified")
        );
        assert!(
            !verify("correct horse staple".to_owned(), Some(stored))
                .await
                .expect("verified")
        );
    }

    #[tokio::test]
    async fn nothing_fits_an_account_without_a_password() {
        assert!(!verify(String::new(), None).await.expect("verified"));
        assert!(!verify(String::new(), Some(String::new())).await.expect("verified"));
    }
}
