//! APIs of the catalogue.

use model::actor::Resource;
use model::api::{ApiDraft, ApiSpec};
use model::{Code, Errors, Kind};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::change::Change;
use crate::error::{Dependant, Result};
use crate::store::{Filter, Table};
use crate::{catalogue, references};

impl Table for ApiSpec {
    const TABLE: &'static str = "apis";
    const RESOURCE: Resource = Resource::Products;
    const FILTERS: &'static [(&'static str, Filter)] = &[
        ("service", Filter::Reference("service_id", Kind::Service)),
        ("state", Filter::Text("state")),
    ];

    async fn resolve(connection: &mut PgConnection, draft: &mut ApiDraft, errors: &mut Errors) -> Result<()> {
        references::resolve(connection, Kind::Service, "service", &mut draft.service, errors).await
    }

    async fn check(
        _connection: &mut PgConnection,
        _id: Uuid,
        before: Option<&Self>,
        spec: &mut Self,
        errors: &mut Errors,
    ) -> Result<()> {
        if let Some(before) = before.filter(|before| !before.state.may_become(spec.state)) {
            let message = format!(
                "cannot go from `{}` to `{}`",
                before.state.as_str(),
                spec.state.as_str()
            );
            errors.add("state", Code::Conflict, message);
        }
        Ok(())
    }

    async fn dependants(connection: &mut PgConnection, id: Uuid) -> Result<Vec<Dependant>> {
        let rows = sqlx::query!(
            "select products.id, products.name from products
             join product_apis on product_apis.product_id = products.id
             where product_apis.api_id = $1 order by products.name",
            id,
        )
        .fetch_all(connection)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| Dependant {
                kind: Kind::Product,
                id: row.id,
                name: row.name,
            })
            .collect())
    }

    async fn publish(change: &mut Change, id: Uuid, spec: Option<&Self>) -> Result<()> {
        // Gateways do not know APIs; they know which services the subscribers may call.
        if spec.is_some() {
            catalogue::republish_subscribers_of_api(change, id).await
        } else {
            Ok(())
        }
    }
}
