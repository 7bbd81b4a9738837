//! Upstreams: who depends on one.

use model::Kind;
use model::actor::Resource;
use model::upstream::UpstreamSpec;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::{Dependant, Result};
use crate::references;
use crate::store::Table;

impl Table for UpstreamSpec {
    const TABLE: &'static str = "upstreams";
    const RESOURCE: Resource = Resource::Upstreams;

    async fn dependants(connection: &mut PgConnection, id: Uuid) -> Result<Vec<Dependant>> {
        let mut all = references::dependants(connection, Kind::Service, ("services", "upstream_id"), id).await?;
        all.extend(references::dependants(connection, Kind::Target, ("targets", "upstream_id"), id).await?);
        Ok(all)
    }
}
