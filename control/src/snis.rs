//! SNIs: each leads to a certificate, and perhaps to the authorities of its clients.

use std::collections::HashMap;

use model::actor::Resource;
use model::certificate::CertificateInfo;
use model::clock::Timestamp;
use model::id::CertificateId;
use model::sni::{SniDraft, SniSpec};
use model::{Code, Errors, Kind, Stored};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::references;
use crate::store::{Filter, Table};

impl Table for SniSpec {
    const TABLE: &'static str = "snis";
    const RESOURCE: Resource = Resource::Certificates;
    const FILTERS: &'static [(&'static str, Filter)] = &[
        ("certificate", Filter::Reference("certificate_id", Kind::Certificate)),
        ("ca_certificate", Filter::Member("ca_certificates", Kind::CaCertificate)),
        ("client_auth", Filter::Text("client_auth")),
    ];

    async fn resolve(connection: &mut PgConnection, draft: &mut SniDraft, errors: &mut Errors) -> Result<()> {
        let certificate = &mut draft.certificate;
        references::resolve(connection, Kind::Certificate, "certificate", certificate, errors).await?;
        for (index, authority) in draft.ca_certificates.iter_mut().enumerate() {
            let mut reference = Some(std::mem::take(authority));
            let path = format!("ca_certificates.{index}");
            references::resolve(connection, Kind::CaCertificate, &path, &mut reference, errors).await?;
            *authority = reference.unwrap_or_default();
        }
        Ok(())
    }

    /// Authorities stand in a list, which Postgres does not hold to be true by itself: until the end of the change they
    /// cannot be deleted, and from then on the SNI is in the way.
    async fn check(
        connection: &mut PgConnection,
        _id: Uuid,
        _before: Option<&Self>,
        spec: &mut Self,
        errors: &mut Errors,
    ) -> Result<()> {
        let wanted: Vec<Uuid> = spec.ca_certificates.iter().map(|id| id.0).collect();
        let held = sqlx::query_scalar!(
            "select id from ca_certificates where id = any($1) for key share",
            &wanted
        )
        .fetch_all(connection)
        .await?;
        for (index, id) in wanted.iter().enumerate().filter(|(_, id)| !held.contains(id)) {
            let message = format!("does not exist: there is no CA certificate `{id}`");
            errors.add(format!("ca_certificates.{index}"), Code::NotFound, message);
        }
        Ok(())
    }

    async fn present(connection: &mut PgConnection, objects: &mut [Stored<Self>], _now: Timestamp) -> Result<()> {
        let ids: Vec<Uuid> = objects.iter().map(|stored| stored.spec.certificate.0).collect();
        let certificates = certificates(connection, ids).await?;
        for stored in objects {
            let found = certificates.get(&stored.spec.certificate);
            stored.spec.problems = found.map(|found| problems(&stored.spec, found)).unwrap_or_default();
        }
        Ok(())
    }
}

/// What people must know of the certificate of an SNI.
struct Known {
    name: String,
    enabled: bool,
    /// Absent until an automatic one was got.
    info: Option<CertificateInfo>,
}

async fn certificates(connection: &mut PgConnection, ids: Vec<Uuid>) -> Result<HashMap<CertificateId, Known>> {
    let rows = sqlx::query!(
        r#"select id, name, enabled, spec -> 'info' as info from certificates where id = any($1)"#,
        &ids,
    )
    .fetch_all(connection)
    .await?;
    let read = |info| {
        serde_json::from_value(info).map_err(|source| Error::Corrupt {
            what: Kind::Certificate.as_str(),
            source,
        })
    };
    let mut known = HashMap::with_capacity(rows.len());
    for row in rows {
        let certificate = Known {
            name: row.name,
            enabled: row.enabled,
            info: row.info.map(read).transpose()?,
        };
        known.insert(row.id.into(), certificate);
    }
    Ok(known)
}

fn problems(spec: &SniSpec, certificate: &Known) -> Vec<String> {
    let mut found = Vec::new();
    let (name, certificate_name) = (spec.name.as_str(), &certificate.name);
    if !certificate.enabled {
        found.push(format!(
            "Its certificate `{certificate_name}` is off: clients get the default one."
        ));
    }
    let Some(info) = &certificate.info else {
        found.push(format!(
            "Its certificate `{certificate_name}` was not got yet: until then clients get the default one."
        ));
        return found;
    };
    if info.all().any(|details| !details.covers(name)) {
        let names = info.certificate.names.join(", ");
        found.push(format!(
            "Certificate `{certificate_name}` is not for `{name}`, only for {}: clients will refuse it.",
            if names.is_empty() { "no name" } else { &names }
        ));
    }
    found
}
