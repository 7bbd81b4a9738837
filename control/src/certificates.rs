//! Certificates: their keys are sealed before they are stored, and never shown.

use model::actor::Resource;
use model::certificate::{CertificateDraft, CertificateSpec, check_key};
use model::clock::Timestamp;
use model::sealing::{Place, PrivateKey};
use model::{Code, Errors, Kind, Stored};
use sqlx::PgConnection;
use time::UtcOffset;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::change::Change;
use crate::error::{Dependant, Result};
use crate::sealing::Kept;
use crate::store::{Deployment, Filter, Table, to_json};
use crate::{acme, references};

impl Table for CertificateSpec {
    const TABLE: &'static str = "certificates";
    const RESOURCE: Resource = Resource::Certificates;
    const FILTERS: &'static [(&'static str, Filter)] = &[
        ("expires_before", Filter::Before("expires_at")),
        ("acme_account", Filter::Reference("acme_account_id", Kind::AcmeAccount)),
    ];

    async fn resolve(connection: &mut PgConnection, draft: &mut CertificateDraft, errors: &mut Errors) -> Result<()> {
        let Some(acme) = &mut draft.acme else { return Ok(()) };
        references::resolve(connection, Kind::AcmeAccount, "acme.account", &mut acme.account, errors).await
    }

    fn complete(deployment: Deployment<'_>, id: Uuid, before: Option<&Self>, spec: &mut Self, errors: &mut Errors) {
        spec.keep_chain(before);
        spec.check_time(before, deployment.now, errors);
        let Some(cert) = &spec.cert else {
            spec.key = None;
            return;
        };
        let first = Pair {
            place: place(id, "key"),
            cert,
            known: before.and_then(|before| before.key.as_ref()),
        };
        spec.key = first.sealed(deployment, spec.key.take(), errors);
        let Some(cert) = &spec.cert_alt else {
            spec.key_alt = None;
            return;
        };
        let second = Pair {
            place: place(id, "key_alt"),
            cert,
            known: before.and_then(|before| before.key_alt.as_ref()),
        };
        spec.key_alt = second.sealed(deployment, spec.key_alt.take(), errors);
    }

    async fn present(connection: &mut PgConnection, objects: &mut [Stored<Self>], now: Timestamp) -> Result<()> {
        let automatic = objects.iter().filter(|stored| stored.spec.acme.is_some());
        let ids: Vec<Uuid> = automatic.map(|stored| stored.id.0).collect();
        let mut issuances = acme::of(connection, &ids).await?;
        for stored in objects {
            (stored.spec.key, stored.spec.key_alt) = (None, None);
            stored.spec.issuance = issuances.remove(&stored.id.0);
            stored.spec.look(now);
        }
        Ok(())
    }

    async fn publish(change: &mut Change, id: Uuid, spec: Option<&Self>) -> Result<()> {
        acme::follow(change, id, spec).await?;
        change.publish(Kind::Certificate, id, spec.map(to_json).transpose()?);
        Ok(())
    }

    async fn dependants(connection: &mut PgConnection, id: Uuid) -> Result<Vec<Dependant>> {
        let mut all = references::dependants(connection, Kind::Sni, ("snis", "certificate_id"), id).await?;
        let shown = sqlx::query!(
            r#"select 'service' as "kind!", id as "id!", name as "name!" from services where spec ->> 'client_certificate' = $1
               union all
               select 'upstream', id, name from upstreams where spec #>> '{health,active,client_certificate}' = $1
               order by 1, 3, 2"#,
            id.to_string(),
        )
        .fetch_all(connection)
        .await?;
        all.extend(shown.into_iter().filter_map(|row| {
            Some(Dependant {
                kind: Kind::parse(&row.kind)?,
                id: row.id,
                name: row.name,
            })
        }));
        Ok(all)
    }
}

fn place(id: Uuid, member: &'static str) -> Place {
    Place {
        kind: Kind::Certificate,
        id,
        member,
    }
}

/// A chain, where its key belongs, and the key that is stored there.
struct Pair<'a> {
    place: Place,
    cert: &'a str,
    known: Option<&'a PrivateKey>,
}

impl Pair<'_> {
    /// The key as it is stored: the one that was given, or the one that stays.
    fn sealed(&self, deployment: Deployment<'_>, given: Option<PrivateKey>, errors: &mut Errors) -> Option<PrivateKey> {
        let message = match deployment.secrets.keep_or_seal(self.place, self.known, given) {
            Kept::Sealed(key) => return Some(key),
            Kept::Stays { sealed, open } if check_key(self.cert, open.expose()).is_ok() => return Some(sealed),
            Kept::Stays { .. } => "is required: the stored one does not belong to this certificate",
            Kept::Foreign => {
                errors.add(
                    self.place.member,
                    Code::Invalid,
                    "must be PEM: a sealed key cannot be sent",
                );
                return None;
            }
            Kept::Missing => "is required: the private key as PEM",
            Kept::Lost => "is required again: the stored one was sealed under another secret",
        };
        errors.add(self.place.member, Code::Required, message);
        None
    }
}

/// A time as specs hold it, which sorts as text.
pub(crate) fn as_text(time: Timestamp) -> String {
    let time = time.checked_to_offset(UtcOffset::UTC).unwrap_or(time);
    let whole = time.replace_nanosecond(0).unwrap_or(time);
    whole.format(&Rfc3339).unwrap_or_default()
}

/// A time that somebody wrote, as specs hold it.
pub(crate) fn in_utc(text: &str) -> Option<String> {
    Timestamp::parse(text, &Rfc3339).ok().map(as_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_compared_in_one_form() {
        for (text, read) in [
            ("2027-01-31T02:00:00+02:00", Some("2027-01-31T00:00:00Z")),
            ("2027-01-31T00:00:00.25Z", Some("2027-01-31T00:00:00Z")),
            ("9999-12-31T23:00:00-23:00", Some("9999-12-31T23:00:00-23:00")),
            ("2027-01-31", None),
        ] {
            assert_eq!(in_utc(text).as_deref(), read, "{text}");
        }
    }
}
