//! The keys of an application, as its developer handles them.

use model::Kind;
use model::Submission;
use model::actor::{Action, Actor};
use model::application::{Application, ApplicationDraft};
use model::credential::{Credential, CredentialDraft, CredentialSpec, CredentialStatus, RotationGrace};
use model::id::{ApplicationId, ConsumerId, CredentialId};

use crate::change::Change;
use crate::credentials::{self, Issued};
use crate::error::{Error, Result};
use crate::store::Precondition;
use crate::subscriptions::{self, NamedSubscription};
use crate::{Control, applications};

/// The most keys of an application that have not ended; as many more may work on after they were replaced.
const MAX_KEYS: i64 = 20;

/// The keys of an application, newest first, those that ended last.
pub async fn list(control: &Control, actor: &Actor, application: ApplicationId) -> Result<Vec<Credential>> {
    let application = applications::get(control, actor, application).await?;
    credentials::of_consumer(control, application.consumer).await
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
    let count = credentials::living(change, application.consumer).await?.standing;
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
    let consumer = own(change, application, key).await?;
    let count = credentials::living(change, consumer).await?.replaced;
    if count >= MAX_KEYS && grace != RotationGrace::Now {
        return Err(Error::Conflict(format!(
            "{count} replaced keys of the application work on, the most there may be; revoke one of them, or let this \
             one stop at once"
        )));
    }
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

/// Another's key does not exist; returns whose it is.
async fn own(change: &mut Change, application: ApplicationId, key: CredentialId) -> Result<ConsumerId> {
    let application = applications::find_for_write(change, application, Precondition::default()).await?;
    applications::may(change.actor(), &application, Action::Write)?;
    let consumer = sqlx::query_scalar!("select consumer_id from credentials where id = $1", key.0)
        .fetch_optional(change.connection())
        .await?;
    if consumer == Some(application.consumer.0) {
        Ok(application.consumer)
    } else {
        Err(Error::not_found(Kind::Credential, key))
    }
}
