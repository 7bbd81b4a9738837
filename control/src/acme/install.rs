//! Puts a certificate that was got in its place, in one change: chain and key, the names that it serves, its challenges.

use model::actor::Actor;
use model::certificate::{Acme, CertificateSpec, renewal};
use model::clock::Timestamp;
use model::sni::{SniDraft, SniName, SniSpec};
use model::{Stored, Submission};
use serde_json::json;
use uuid::Uuid;

use super::attempt::Got;
use super::challenges::{self, Trace};
use super::orders::{self, Begun, Failure};
use crate::change::Change;
use crate::error::{Error, Result};
use crate::store::{self, Precondition};
use crate::{Control, Mode};

/// Stores chain and key; from the revision on gateways show them. Nothing is stored when something else is wanted by now.
pub(super) async fn install(control: &Control, begun: &Begun, acme: &Acme, got: &Got) -> Result<(), Failure> {
    // Somebody may take a name just then: it is looked at anew, and in the end the certificate is worth more than names.
    for names in [acme.domains.as_slice(), &acme.domains, &[]] {
        if store_and_serve(control, begun, names, got).await? {
            return Ok(());
        }
    }
    Err(Failure::new("its names were taken by somebody else at the same time").at_home())
}

/// Tells whether it is done; if not, one of the names was taken between the look and the entry.
async fn store_and_serve(control: &Control, begun: &Begun, names: &[SniName], got: &Got) -> Result<bool, Failure> {
    let id = begun.certificate;
    let (author, mut usable) = (Actor::system(), false);
    let written = control.write(&author, Mode::Commit, async |change| {
        // First the certificate, then its order: in the order in which a change of it takes them.
        let held = store::find::<CertificateSpec>(change.connection(), &id.to_string(), true).await?;
        if held.is_none() || !orders::hold(change, begun).await? {
            return Ok(false);
        }
        let patch = json!({"cert": got.chain, "key": got.key});
        let stored = store::merge::<CertificateSpec>(change, &id.to_string(), Precondition::default(), &patch).await?;
        usable = true;
        serve_names(change, id, names).await?;
        challenges::withdraw(change, id, Trace::WithCertificate).await?;
        let next = next_attempt(&stored, change.now());
        orders::succeed(change, id, next).await?;
        Ok(true)
    });
    match written.await {
        Ok(written) => orders::wanted(written.value).map(|()| true),
        Err(Error::Invalid(_)) if usable => Ok(false),
        Err(Error::Invalid(errors)) => {
            Err(Failure::new(format!("what the authority sent cannot be used: {errors}")).spent())
        }
        Err(error) => Err(error.into()),
    }
}

/// Gives each name that nothing answers yet to the certificate. What somebody gave to another one stays so.
async fn serve_names(change: &mut Change, certificate: Uuid, names: &[SniName]) -> Result<()> {
    for name in names {
        if store::find::<SniSpec>(change.connection(), name.as_str(), false)
            .await?
            .is_some()
        {
            continue;
        }
        let draft = SniDraft {
            name: Some(name.to_string()),
            certificate: Some(certificate.to_string()),
            ..SniDraft::default()
        };
        store::insert::<SniSpec>(change, Uuid::now_v7(), Submission::from(draft)).await?;
    }
    Ok(())
}

/// When it is renewed. One that came near its end already does not come back at once.
fn next_attempt(stored: &Stored<CertificateSpec>, now: Timestamp) -> Timestamp {
    let Some(details) = stored.spec.details().next() else {
        return now;
    };
    let life = details.not_after - details.not_before;
    renewal(stored.id.into(), details.not_before, details.not_after).max(now + life / 20)
}

#[cfg(test)]
mod tests {
    use model::certificate::CertificateDraft;
    use model::{Draft as _, Errors, Noun as _};
    use rcgen::{CertificateParams, KeyPair};
    use time::Duration;
    use time::macros::datetime;

    use super::*;

    fn stored(not_before: Timestamp, not_after: Timestamp) -> Stored<CertificateSpec> {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec!["shop.example".to_owned()]).expect("a name");
        (params.not_before, params.not_after) = (not_before, not_after);
        let cert = params.self_signed(&key).expect("signed").pem();
        let body = json!({"name": "shop", "cert": cert, "key": key.serialize_pem()});
        let draft = CertificateDraft::read(&body).draft;
        Stored {
            id: Uuid::from_u128(1).into(),
            spec: CertificateSpec::validate(&draft, &mut Errors::new()).expect("valid"),
            version: 1,
            created_at: not_before,
            updated_at: not_before,
        }
    }

    #[test]
    fn a_certificate_is_not_ordered_again_as_soon_as_it_is_there() {
        let (begins, ends) = (datetime!(2026-01-01 00:00 UTC), datetime!(2026-01-21 00:00 UTC));
        let fresh = next_attempt(&stored(begins, ends), begins);
        assert!(
            fresh > begins + Duration::days(12) && fresh < begins + Duration::days(14),
            "{fresh}"
        );
        let late = ends - Duration::hours(1);
        assert_eq!(next_attempt(&stored(begins, ends), late), late + Duration::days(1));
    }
}
