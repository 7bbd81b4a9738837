//! Services: who depends on one.

use model::actor::Resource;
use model::service::{ServiceDraft, ServiceSpec};
use model::{Errors, Kind};
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
        let (authorities, certificate) = (&mut draft.ca_certificates, &mut draft.client_certificate);
        references::resolve_tls(connection, "", authorities, certificate, errors).await?;
        if let Some(mirror) = &mut draft.mirror {
            references::resolve(connection, Kind::Service, "mirror.service", &mut mirror.service, errors).await?;
        }
        Ok(())
    }

    async fn check(
        connection: &mut PgConnection,
        _id: Uuid,
        _before: Option<&Self>,
        spec: &mut Self,
        errors: &mut Errors,
    ) -> Result<()> {
        references::hold_tls(connection, "", &spec.tls, errors).await
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
