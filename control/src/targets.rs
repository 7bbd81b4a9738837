//! Targets: each belongs to an upstream.

use model::actor::Resource;
use model::upstream::{TargetDraft, TargetSpec};
use model::{Errors, Kind};
use sqlx::PgConnection;

use crate::error::Result;
use crate::references;
use crate::store::{Filter, Table};

impl Table for TargetSpec {
    const TABLE: &'static str = "targets";
    const RESOURCE: Resource = Resource::Upstreams;
    const FILTERS: &'static [(&'static str, Filter)] =
        &[("upstream", Filter::Reference("upstream_id", Kind::Upstream))];

    async fn resolve(connection: &mut PgConnection, draft: &mut TargetDraft, errors: &mut Errors) -> Result<()> {
        references::resolve(connection, Kind::Upstream, "upstream", &mut draft.upstream, errors).await
    }
}
