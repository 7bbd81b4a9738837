//! ACME accounts: their binding keys are sealed before they are stored, and never shown.

use model::acme_account::{AcmeAccountDraft, AcmeAccountSpec};
use model::actor::Resource;
use model::clock::Timestamp;
use model::sealing::{Place, PrivateKey};
use model::{Code, Errors, Kind, Stored};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::acme;
use crate::change::Change;
use crate::error::{Dependant, Result};
use crate::references;
use crate::store::{Deployment, Filter, Table};

/// Where the key of a binding stands.
const KEY: &str = "external_account.hmac_key";

impl Table for AcmeAccountSpec {
    const TABLE: &'static str = "acme_accounts";
    const RESOURCE: Resource = Resource::Certificates;
    const FILTERS: &'static [(&'static str, Filter)] = &[(
        "ca_certificate",
        Filter::Reference("ca_certificate_id", Kind::CaCertificate),
    )];

    async fn resolve(connection: &mut PgConnection, draft: &mut AcmeAccountDraft, errors: &mut Errors) -> Result<()> {
        let authority = &mut draft.ca_certificate;
        references::resolve(connection, Kind::CaCertificate, "ca_certificate", authority, errors).await
    }

    fn complete(deployment: Deployment<'_>, id: Uuid, before: Option<&Self>, spec: &mut Self, errors: &mut Errors) {
        let known = before.and_then(|before| before.external_account.as_ref());
        let known = known.and_then(|binding| binding.hmac_key.as_ref());
        if let Some(binding) = &mut spec.external_account {
            binding.hmac_key = sealed(deployment, id, known, binding.hmac_key.take(), errors);
        }
    }

    async fn present(_connection: &mut PgConnection, objects: &mut [Stored<Self>], _now: Timestamp) -> Result<()> {
        for binding in objects
            .iter_mut()
            .filter_map(|stored| stored.spec.external_account.as_mut())
        {
            binding.hmac_key = None;
        }
        Ok(())
    }

    async fn dependants(connection: &mut PgConnection, id: Uuid) -> Result<Vec<Dependant>> {
        references::dependants(connection, Kind::Certificate, ("certificates", "acme_account_id"), id).await
    }

    /// Gateways need not know of accounts. What failed under it is tried again at once: the change may have mended it.
    async fn publish(change: &mut Change, id: Uuid, spec: Option<&Self>) -> Result<()> {
        if spec.is_some() {
            acme::retry(change, id).await?;
        }
        Ok(())
    }
}

/// The place that the key of an account's binding belongs to.
pub(crate) fn place(id: Uuid) -> Place {
    Place {
        kind: Kind::AcmeAccount,
        id,
        member: "hmac_key",
    }
}

/// The key as it is stored: the one that was given, or the one that stays.
fn sealed(
    deployment: Deployment<'_>,
    id: Uuid,
    known: Option<&PrivateKey>,
    given: Option<PrivateKey>,
    errors: &mut Errors,
) -> Option<PrivateKey> {
    let secrets = deployment.secrets;
    let opened = known.and_then(|known| secrets.open_key(place(id), known));
    match given {
        Some(key) if !key.is_sealed() => {
            // The same key keeps its sealed form, so that nothing counts as changed.
            if opened.as_deref() == Some(key.expose()) {
                return known.cloned();
            }
            Some(secrets.seal_key(place(id), key.expose()))
        }
        Some(key) if known != Some(&key) => {
            errors.add(KEY, Code::Invalid, "must be base64url: a sealed key cannot be sent");
            None
        }
        _ if opened.is_some() => known.cloned(),
        _ => {
            let message = match known {
                None => "is required: the key that belongs to this id",
                Some(_) => "is required again: the stored one was sealed under another secret",
            };
            errors.add(KEY, Code::Required, message);
            None
        }
    }
}
