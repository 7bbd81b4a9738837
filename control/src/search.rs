//! Finds objects by name across kinds, for the command palette.

use model::Kind;
use model::actor::{Action, Actor, Resource};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::Result;
use crate::{Control, ListQuery};

/// The most hits of one search.
const MAX_HITS: i64 = 20;

/// Something with a matching name.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Hit {
    /// What it is.
    pub kind: Kind,
    /// Which one.
    pub id: Uuid,
    /// What it is called.
    pub name: String,
}

/// Objects whose name has `text` in it, those that begin with it first.
pub async fn search(control: &Control, actor: &Actor, text: &str) -> Result<Vec<Hit>> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let query = ListQuery::search(text.chars().take(100).collect::<String>());
    let pattern = query.pattern().unwrap_or_default();
    let readable: Vec<String> = [
        (Kind::Service, Resource::Services),
        (Kind::Route, Resource::Routes),
        (Kind::Upstream, Resource::Upstreams),
        (Kind::Certificate, Resource::Certificates),
        (Kind::Sni, Resource::Certificates),
        (Kind::CaCertificate, Resource::Certificates),
        (Kind::AcmeAccount, Resource::Certificates),
        (Kind::Consumer, Resource::Consumers),
        (Kind::Api, Resource::Products),
        (Kind::Product, Resource::Products),
        (Kind::Plan, Resource::Products),
        (Kind::Application, Resource::Applications),
        (Kind::Developer, Resource::Applications),
    ]
    .into_iter()
    .filter(|(_, resource)| actor.rights.allow(*resource, Action::Read))
    .map(|(kind, _)| kind.as_str().to_owned())
    .collect();
    let rows = sqlx::query!(
        r#"select kind as "kind!", id as "id!", name as "name!" from (
               select 'service' as kind, id, name from services
               union all select 'route', id, name from routes
               union all select 'upstream', id, name from upstreams
               union all select 'certificate', id, name from certificates
               union all select 'sni', id, name from snis
               union all select 'ca_certificate', id, name from ca_certificates
               union all select 'acme_account', id, name from acme_accounts
               union all select 'consumer', id, name from consumers
               union all select 'api', id, name from apis
               union all select 'product', id, name from products
               union all select 'plan', id, name from plans
               union all select 'application', id, name from applications where deleted_at is null
               union all select 'developer', id, email from developers
           ) as everything
           where kind = any($1) and name ilike $2
           order by (name ilike $3) desc, length(name), name, kind limit $4"#,
        &readable,
        pattern,
        pattern.trim_start_matches('%'),
        MAX_HITS,
    )
    .fetch_all(control.pool())
    .await?;
    let hit = |kind: &str, id, name| Kind::parse(kind).map(|kind| Hit { kind, id, name });
    Ok(rows
        .into_iter()
        .filter_map(|row| hit(&row.kind, row.id, row.name))
        .collect())
}
