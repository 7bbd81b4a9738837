//! CA certificates: the names, services, upstreams and ACME accounts that trust one depend on it.

use model::actor::Resource;
use model::ca_certificate::CaCertificateSpec;
use model::clock::Timestamp;
use model::{Errors, Kind, Stored};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::{Dependant, Result};
use crate::store::{Deployment, Filter, Table};

impl Table for CaCertificateSpec {
    const TABLE: &'static str = "ca_certificates";
    const RESOURCE: Resource = Resource::Certificates;
    const FILTERS: &'static [(&'static str, Filter)] = &[("expires_before", Filter::Before("expires_at"))];

    fn complete(deployment: Deployment<'_>, _id: Uuid, before: Option<&Self>, spec: &mut Self, errors: &mut Errors) {
        spec.check_time(before, deployment.now, errors);
    }

    async fn present(_connection: &mut PgConnection, objects: &mut [Stored<Self>], now: Timestamp) -> Result<()> {
        for stored in objects {
            stored.spec.info.look(now);
        }
        Ok(())
    }

    async fn dependants(connection: &mut PgConnection, id: Uuid) -> Result<Vec<Dependant>> {
        let rows = sqlx::query!(
            r#"select 'sni' as "kind!", id as "id!", name as "name!" from snis where spec -> 'ca_certificates' ? $1
               union all
               select 'service', id, name from services where spec -> 'ca_certificates' ? $1
               union all
               select 'upstream', id, name from upstreams where spec #> '{health,active,ca_certificates}' ? $1
               union all
               select 'acme_account', id, name from acme_accounts where spec ->> 'ca_certificate' = $1
               order by 1 desc, 3, 2"#,
            id.to_string(),
        )
        .fetch_all(connection)
        .await?;
        let dependants = rows.into_iter().filter_map(|row| {
            let kind = Kind::parse(&row.kind)?;
            Some(Dependant {
                kind,
                id: row.id,
                name: row.name,
            })
        });
        Ok(dependants.collect())
    }
}
