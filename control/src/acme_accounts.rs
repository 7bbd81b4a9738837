//! ACME accounts: their binding keys are sealed before they are stored, and never shown.

use model::acme_account::{AcmeAccountDraft, AcmeAccountSpec};
use model::actor::Resource;
use model::clock::Timestamp;
use model::sealing::Place;
use model::{Code, Errors, Kind, Stored};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::acme;
use crate::change::Change;
use crate::error::{Dependant, Result};
use crate::references;
use crate::sealing::Kept;
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
            let kept = deployment
                .secrets
                .keep_or_seal(place(id), known, binding.hmac_key.take());
            let message = match kept {
                Kept::Sealed(key) | Kept::Stays { sealed: key, .. } => {
                    binding.hmac_key = Some(key);
                    return;
                }
                Kept::Foreign => {
                    return errors.add(KEY, Code::Invalid, "must be base64url: a sealed key cannot be sent");
                }
                Kept::Missing => "is required: the key that belongs to this id",
                Kept::Lost => "is required again: the stored one was sealed under another secret",
            };
            errors.add(KEY, Code::Required, message);
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
