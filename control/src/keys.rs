//! The keys of an application, as its developer handles them.

use model::Kind;
use model::Submission;
use model::actor::{Action, Actor};
use model::application::{Application, ApplicationDraft};
use model::credential::{Credential, CredentialDraft, CredentialSpec, CredentialStatus, RotationGrace};
use model::id::{ApplicationId, CredentialId};

use crate::change::Change;
use crate::credentials::{self, Issued};
use crate::error::{Error, Result};
use crate::store::Precondition;
use crate::subscriptions::{self, NamedSubscription};
use crate::{Control, applications};

/// The most keys of an application that are not revoked.
const MAX_KEYS: i64 = 20;

/// The keys of an application, newest first, revoked ones last.
pub async fn list(control: &Control, actor: &Actor, application: ApplicationId) -> Result<Vec<Credential>> {
    let application = applications::get(control, actor, application).await?;
    let mut keys = credentials::of_consumer(control, application.consumer).await?;
    keys.sort_by_key(|key| key.status == CredentialStatus::Revoked);
    Ok(keys)
}

/// Makes a key; its text is returned this once.
pub async fn issue(
    change: &mut Change,
    application: ApplicationId,
    submission: Submission<CredentialDraft>,
) -> Result<Issued> {
    let application = applications::find_for_write(change, application, Precondition::default()).await?;
    let Submission { draft, mut errors } = submission;
    let spec = CredentialSpec::validate(&draft, change.now(), &mut errors);
    let spec = errors.into_result(spec).map_err(Error::Invalid)?;
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from credentials where consumer_id = $1 and status <> 'revoked'"#,
        application.consumer.0,
    )
    .fetch_one(change.connection())
    .await?;
    if count >= MAX_KEYS {
        return Err(Error::Conflict(format!(
            "the application has {count} keys, the most there may be; revoke one first"
        )));
    }
    credentials::insert(change, application.consumer, &spec).await
}

/// Replaces a key; the old one works on for the grace.
pub async fn rotate(
    change: &mut Change,
    application: ApplicationId,
    key: CredentialId,
    grace: RotationGrace,
) -> Result<Issued> {
    own(change, application, key).await?;
    credentials::rotate_owned(change, key, grace).await
}

/// Ends a key for good.
pub async fn revoke(change: &mut Change, application: ApplicationId, key: CredentialId) -> Result<Credential> {
    own(change, application, key).await?;
    credentials::set_status(change, key, CredentialStatus::Revoked).await
}

/// What a developer gets with the first step: an application, its subscription, and the key.
#[derive(Debug)]
pub struct First {
    /// The application.
    pub application: Application,
    /// Its subscription, perhaps still to be approved.
    pub subscription: NamedSubscription,
    /// Its key.
    pub key: Issued,
}

/// Makes an application, subscribes it and issues its first key, all or nothing.
pub async fn first(change: &mut Change, submission: Submission<ApplicationDraft>, plan: &str) -> Result<First> {
    let application = applications::create(change, submission).await?;
    let subscription = subscriptions::request(change, application.id, plan).await?;
    let draft = CredentialDraft {
        name: Some("first key".to_owned()),
        ..CredentialDraft::default()
    };
    let key = issue(change, application.id, draft.into()).await?;
    Ok(First {
        application,
        subscription,
        key,
    })
}

/// Another's key does not exist.
async fn own(change: &mut Change, application: ApplicationId, key: CredentialId) -> Result<()> {
    let application = applications::find_for_write(change, application, Precondition::default()).await?;
    applications::may(change.actor(), &application, Action::Write)?;
    let consumer = sqlx::query_scalar!("select consumer_id from credentials where id = $1", key.0)
        .fetch_optional(change.connection())
        .await?;
    if consumer == Some(application.consumer.0) {
        Ok(())
    } else {
        Err(Error::not_found(Kind::Credential, key))
    }
}
