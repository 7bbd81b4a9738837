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
        references::resolve(connection, Kind::Upstream, "upstream", &mut draft.upstream, errors).await
    }

    async fn dependants(connection: &mut PgConnection, id: Uuid) -> Result<Vec<Dependant>> {
        let mut all = references::dependants(connection, Kind::Route, ("routes", "service_id"), id).await?;
        all.extend(references::dependants(connection, Kind::Plugin, ("plugins", "service_id"), id).await?);
        all.extend(references::dependants(connection, Kind::Api, ("apis", "service_id"), id).await?);
        Ok(all)
    }
}
