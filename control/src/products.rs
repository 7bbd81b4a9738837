//! Products: bundles of APIs.

use model::actor::Resource;
use model::product::{ProductDraft, ProductSpec};
use model::{Errors, Kind};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::change::Change;
use crate::error::{Dependant, Result};
use crate::store::Table;
use crate::{catalogue, references};

impl Table for ProductSpec {
    const TABLE: &'static str = "products";
    const RESOURCE: Resource = Resource::Products;

    async fn resolve(connection: &mut PgConnection, draft: &mut ProductDraft, errors: &mut Errors) -> Result<()> {
        for (index, api) in draft.apis.iter_mut().enumerate() {
            let mut reference = Some(std::mem::take(api));
            references::resolve(connection, Kind::Api, &format!("apis.{index}"), &mut reference, errors).await?;
            *api = reference.unwrap_or_default();
        }
        Ok(())
    }

    async fn dependants(connection: &mut PgConnection, id: Uuid) -> Result<Vec<Dependant>> {
        references::dependants(connection, Kind::Plan, ("plans", "product_id"), id).await
    }

    async fn publish(change: &mut Change, id: Uuid, spec: Option<&Self>) -> Result<()> {
        let Some(spec) = spec else { return Ok(()) };
        let apis: Vec<Uuid> = spec.apis.iter().map(|api| api.0).collect();
        sqlx::query!("delete from product_apis where product_id = $1", id)
            .execute(change.connection())
            .await?;
        sqlx::query!(
            "insert into product_apis (product_id, api_id) select $1, unnest($2::uuid[])",
            id,
            &apis,
        )
        .execute(change.connection())
        .await?;
        catalogue::republish_subscribers_of_product(change, id).await
    }
}
