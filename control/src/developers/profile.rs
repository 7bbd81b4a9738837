//! A developer's own account.

use model::account::{Developer, validate_person};
use model::id::DeveloperId;
use model::{Kind, Submission};

use crate::Control;
use crate::accounts::AccountKind;
use crate::accounts::sessions::Session;
use crate::error::{Error, Result};

use super::{note, read};

model::draft! {
    /// What a developer may change of their own account.
    pub struct ProfileDraft {
        /// What they are called.
        pub name: Option<String>,
    }
}

/// The account of the developer who is signed in.
pub async fn get(control: &Control, session: &Session) -> Result<Developer> {
    let id = own(session)?;
    let mut connection = control.pool().acquire().await?;
    read(&mut connection, id).await
}

/// Changes what they are called.
pub async fn update(control: &Control, session: &Session, submission: Submission<ProfileDraft>) -> Result<Developer> {
    let id = own(session)?;
    let Submission { draft, mut errors } = submission;
    let name = validate_person(draft.name.as_deref(), &mut errors);
    let name = errors.into_result(name).map_err(Error::Invalid)?;
    let mut transaction = control.pool().begin().await?;
    sqlx::query!("update developers set name = $2 where id = $1", id.0, name)
        .execute(&mut *transaction)
        .await?;
    let developer = read(&mut transaction, id).await?;
    note(
        &mut transaction,
        &session.actor,
        control.now(),
        ("developer.updated", &developer),
    )
    .await?;
    transaction.commit().await?;
    Ok(developer)
}

fn own(session: &Session) -> Result<DeveloperId> {
    match session.kind {
        AccountKind::Developer => Ok(DeveloperId(session.account)),
        AccountKind::Admin => Err(Error::not_found(Kind::Developer, session.account)),
    }
}
