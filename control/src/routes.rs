//! Routes: two that no request could tell apart are refused.

use model::actor::Resource;
use model::route::split::SplitDraft;
use model::route::{RouteDraft, RouteSpec};
use model::{Code, Errors, Kind};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::{Dependant, Error, Result};
use crate::references;
use crate::store::{Filter, Table};

impl Table for RouteSpec {
    const TABLE: &'static str = "routes";
    const RESOURCE: Resource = Resource::Routes;
    const FILTERS: &'static [(&'static str, Filter)] = &[("service", Filter::Reference("service_id", Kind::Service))];

    async fn resolve(connection: &mut PgConnection, draft: &mut RouteDraft, errors: &mut Errors) -> Result<()> {
        references::resolve(connection, Kind::Service, "service", &mut draft.service, errors).await?;
        for (path, service) in draft.split.iter_mut().flat_map(SplitDraft::services_mut) {
            let mut reference = Some(std::mem::take(service));
            references::resolve(connection, Kind::Service, &path, &mut reference, errors).await?;
            *service = reference.unwrap_or_default();
        }
        Ok(())
    }

    async fn check(
        connection: &mut PgConnection,
        id: Uuid,
        _before: Option<&Self>,
        spec: &mut Self,
        errors: &mut Errors,
    ) -> Result<()> {
        if !spec.enabled {
            return Ok(());
        }
        // Routes that cannot be told apart share a path or have none, which narrows the candidates in the database.
        let paths: Vec<String> = spec.paths.iter().map(ToString::to_string).collect();
        let candidates = sqlx::query!(
            r#"select name, spec from routes
               where enabled and id <> $1
                 and (spec -> 'paths' ?| $2::text[] or (spec -> 'paths' = '[]' and cardinality($2::text[]) = 0))"#,
            id,
            &paths,
        )
        .fetch_all(connection)
        .await?;
        for candidate in candidates {
            let other: Self = serde_json::from_value(candidate.spec).map_err(|source| Error::Corrupt {
                what: Kind::Route.as_str(),
                source,
            })?;
            if spec.indistinguishable(&other) {
                let message = format!(
                    "cannot be told apart from route `{}`: no request would know which one to take; change the hosts, \
                     paths, methods, headers or priority of one of them",
                    candidate.name
                );
                errors.add("", Code::Conflict, message);
            }
        }
        Ok(())
    }

    async fn dependants(connection: &mut PgConnection, id: Uuid) -> Result<Vec<Dependant>> {
        references::dependants(connection, Kind::Plugin, ("plugins", "route_id"), id).await
    }
}
