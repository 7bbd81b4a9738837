//! What the portal offers: published APIs, and the plans that developers may subscribe to.

use model::Kind;
use model::api::ApiState;
use model::id::{ApiId, PlanId, ProductId};
use model::plan::{Approval, PlanLimit, PlanSpec};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::{Control, ListQuery};

/// The most APIs on one page of the catalogue.
const MAX_LISTED: i64 = 200;

/// An API in the catalogue.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListedApi {
    /// Its id.
    pub id: ApiId,
    /// Its name, part of its address.
    pub name: String,
    /// What people read.
    pub title: String,
    /// One or two sentences.
    pub summary: String,
    /// The version that developers see.
    pub version: String,
    /// Where it is in its life.
    pub state: ApiState,
    /// How many operations it has.
    pub operations: usize,
    /// Labels.
    pub tags: Vec<String>,
    /// The best known plan that it is offered under, if any.
    pub plan: Option<String>,
}

/// A plan that can be subscribed to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Offer {
    /// The plan.
    pub plan: PlanId,
    /// Its name.
    pub name: String,
    /// What people read.
    pub title: String,
    /// One or two sentences.
    pub summary: String,
    /// The product that it offers.
    pub product: ProductId,
    /// What people read of it.
    pub product_title: String,
    /// Limits for each application.
    pub limits: Vec<PlanLimit>,
    /// Whether an administrator has to approve.
    pub needs_approval: bool,
}

/// An API with its document and the plans that it is offered under.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiPage {
    /// The API.
    pub api: ListedApi,
    /// Where developers call it.
    pub base_url: String,
    /// Its OpenAPI document.
    pub document: Value,
    /// The plans.
    pub offers: Vec<Offer>,
}

/// What lists need of an API: all but its document, which may be large.
#[derive(Deserialize)]
struct Entry {
    name: String,
    title: String,
    summary: String,
    api_version: String,
    base_url: String,
    state: ApiState,
    tags: Vec<String>,
}

/// The published APIs, by title; `search` looks into titles, summaries and tags.
pub async fn list(control: &Control, search: Option<&str>) -> Result<Vec<ListedApi>> {
    let pattern = search
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .and_then(|text| ListQuery::search(text).pattern());
    let rows = sqlx::query!(
        r#"select a.id, a.listed as "listed!", a.operations as "operations!",
                  (select p.spec->>'title' from plans p join product_apis pa on pa.product_id = p.product_id
                   where pa.api_id = a.id and p.state = 'published' order by p.created_at limit 1) as plan
           from apis a
           where a.state in ('published', 'deprecated') and ($1::text is null or a.search ilike $1)
           order by lower(a.listed->>'title') limit $2"#,
        pattern,
        MAX_LISTED,
    )
    .fetch_all(control.pool())
    .await?;
    rows.into_iter()
        .map(|row| Ok(listed(row.id.into(), read(row.listed)?, row.operations, row.plan)))
        .collect()
}

/// One published API.
pub async fn get(control: &Control, name: &str) -> Result<ApiPage> {
    let row = sqlx::query!(
        r#"select id, listed as "listed!", operations as "operations!", spec->'document' as "document!"
           from apis where name = $1 and state in ('published', 'deprecated')"#,
        name,
    )
    .fetch_optional(control.pool())
    .await?
    .ok_or_else(|| Error::not_found(Kind::Api, name))?;
    let entry: Entry = read(row.listed)?;
    let offers = offers(control, Some(row.id.into())).await?;
    let base_url = entry.base_url.clone();
    let plan = offers.first().map(|offer| offer.title.clone());
    Ok(ApiPage {
        api: listed(row.id.into(), entry, row.operations, plan),
        base_url,
        document: row.document,
        offers,
    })
}

/// The plans that take subscriptions, of one API or of all.
pub async fn offers(control: &Control, api: Option<ApiId>) -> Result<Vec<Offer>> {
    let rows = sqlx::query!(
        r#"select p.id, p.spec, r.spec->>'title' as "product_title!" from plans p
           join products r on r.id = p.product_id
           where p.state = 'published'
             and ($1::uuid is null or exists (select 1 from product_apis pa where pa.product_id = r.id and pa.api_id = $1))
           order by p.created_at limit $2"#,
        api.map(|api| api.0),
        MAX_LISTED,
    )
    .fetch_all(control.pool())
    .await?;
    rows.into_iter()
        .map(|row| {
            let spec: PlanSpec = read(row.spec)?;
            Ok(Offer {
                plan: PlanId(row.id),
                name: spec.name.to_string(),
                title: spec.title,
                summary: spec.summary,
                product: spec.product,
                product_title: row.product_title,
                limits: spec.limits,
                needs_approval: spec.approval == Approval::Manual,
            })
        })
        .collect()
}

/// The first published API of a product, with where it is called.
pub async fn first_of_product(control: &Control, product: ProductId) -> Result<Option<ApiPage>> {
    let name = sqlx::query_scalar!(
        "select a.name from apis a join product_apis pa on pa.api_id = a.id
         where pa.product_id = $1 and a.state in ('published', 'deprecated') order by a.name limit 1",
        product.0,
    )
    .fetch_optional(control.pool())
    .await?;
    match name {
        Some(name) => get(control, &name).await.map(Some),
        None => Ok(None),
    }
}

fn listed(id: ApiId, entry: Entry, operations: i32, plan: Option<String>) -> ListedApi {
    ListedApi {
        id,
        name: entry.name,
        title: entry.title,
        summary: entry.summary,
        version: entry.api_version,
        state: entry.state,
        operations: operations.try_into().unwrap_or_default(),
        tags: entry.tags,
        plan,
    }
}

fn read<S: serde::de::DeserializeOwned>(spec: Value) -> Result<S> {
    serde_json::from_value(spec).map_err(|source| Error::Corrupt { what: "spec", source })
}
