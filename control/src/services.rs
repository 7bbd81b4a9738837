//! Services: who depends on one.

use model::actor::Resource;
use model::service::{ServiceDraft, ServiceSpec};
use model::{Code, Errors, Kind};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::{Dependant, Result};
use crate::references;
use crate::store::{Filter, Table};

impl Table for ServiceSpec {
    const TABLE: &'static str = "services";
    const RESOURCE: Resource = Resource::Services;
    const FILTERS: &'static [(&'static str, Filter)] =
        &[("upstream", Filter::Reference("upstream_id", Kind::Upstream))];

    async fn resolve(connection: &mut PgConnection, draft: &mut ServiceDraft, errors: &mut Errors) -> Result<()> {
        references::resolve(connection, Kind::Upstream, "upstream", &mut draft.upstream, errors).await?;
        for (index, authority) in draft.ca_certificates.iter_mut().enumerate() {
            let mut reference = Some(std::mem::take(authority));
            let path = format!("ca_certificates.{index}");
            references::resolve(connection, Kind::CaCertificate, &path, &mut reference, errors).await?;
            *authority = reference.unwrap_or_default();
        }
        let certificate = &mut draft.client_certificate;
        references::resolve(connection, Kind::Certificate, "client_certificate", certificate, errors).await?;
        if let Some(mirror) = &mut draft.mirror {
            references::resolve(connection, Kind::Service, "mirror.service", &mut mirror.service, errors).await?;
        }
        Ok(())
    }

    /// Certificates stand in a list, which Postgres does not hold to be true by itself: until the end of the change they
    /// cannot be deleted, and from then on the service is in the way.
    async fn check(
        connection: &mut PgConnection,
        _id: Uuid,
        _before: Option<&Self>,
        spec: &mut Self,
        errors: &mut Errors,
    ) -> Result<()> {
        let authorities = &spec.tls.ca_certificates;
        let certificate: Vec<Uuid> = spec.tls.client_certificate.into_iter().collect();
        let held = sqlx::query_scalar!(
            "with authorities as (select id from ca_certificates where id = any($1) for key share),
                  certificate as (select id from certificates where id = any($2) for key share)
             select id as \"id!\" from authorities union all select id from certificate",
            authorities,
            &certificate,
        )
        .fetch_all(connection)
        .await?;
        let named = authorities.iter().enumerate();
        let named = named.map(|(index, id)| (format!("ca_certificates.{index}"), id));
        let named = named.chain(certificate.iter().map(|id| ("client_certificate".to_owned(), id)));
        for (path, id) in named.filter(|(_, id)| !held.contains(id)) {
            errors.add(
                path,
                Code::NotFound,
                format!("does not exist: there is no certificate `{id}`"),
            );
        }
        Ok(())
    }

    async fn dependants(connection: &mut PgConnection, id: Uuid) -> Result<Vec<Dependant>> {
        let mut all = references::dependants(connection, Kind::Route, ("routes", "service_id"), id).await?;
        all.extend(split_over(connection, id, &all).await?);
        all.extend(references::dependants(connection, Kind::Service, ("services", "mirror_id"), id).await?);
        all.extend(references::dependants(connection, Kind::Plugin, ("plugins", "service_id"), id).await?);
        all.extend(references::dependants(connection, Kind::Api, ("apis", "service_id"), id).await?);
        Ok(all)
    }
}

/// The routes that split requests over a service, without those that are `known` to lead to it.
async fn split_over(connection: &mut PgConnection, id: Uuid, known: &[Dependant]) -> Result<Vec<Dependant>> {
    let rows = sqlx::query!(
        "select id, name from routes
         where spec ? 'split' and jsonb_path_exists(
            spec, '$.split.*[*].service ? (@ == $id)', jsonb_build_object('id', $1::uuid::text))
         order by name, id",
        id,
    )
    .fetch_all(connection)
    .await?;
    let all = rows.into_iter().map(|row| Dependant {
        kind: Kind::Route,
        id: row.id,
        name: row.name,
    });
    Ok(all.filter(|route| !known.contains(route)).collect())
}
