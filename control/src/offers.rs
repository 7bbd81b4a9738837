//! What the portal offers: published APIs, and the plans that developers may subscribe to.

use model::Kind;
use model::api::{ApiSpec, ApiState};
use model::id::{ApiId, PlanId, ProductId};
use model::plan::{Approval, PlanLimit, PlanSpec};
use serde::Serialize;
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

/// The published APIs, by title; `search` looks into titles, summaries and tags.
pub async fn list(control: &Control, search: Option<&str>) -> Result<Vec<ListedApi>> {
    let pattern = search
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .and_then(|text| ListQuery::search(text).pattern());
    let rows = sqlx::query!(
        r#"select a.id, a.spec,
                  (select p.spec->>'title' from plans p join product_apis pa on pa.product_id = p.product_id
                   where pa.api_id = a.id and p.spec->>'state' = 'published' order by p.created_at limit 1) as plan
           from apis a
           where a.spec->>'state' in ('published', 'deprecated') and ($1::text is null or a.search ilike $1)
           order by lower(a.spec->>'title') limit $2"#,
        pattern,
        MAX_LISTED,
    )
    .fetch_all(control.pool())
    .await?;
    rows.into_iter()
        .map(|row| Ok(listed(row.id.into(), read(row.spec)?, row.plan)))
        .collect()
}

/// One published API.
pub async fn get(control: &Control, name: &str) -> Result<ApiPage> {
    let row = sqlx::query!(
        "select id, spec from apis where name = $1 and spec->>'state' in ('published', 'deprecated')",
        name,
    )
    .fetch_optional(control.pool())
    .await?
    .ok_or_else(|| Error::not_found(Kind::Api, name))?;
    let spec: ApiSpec = read(row.spec)?;
    let offers = offers(control, Some(row.id.into())).await?;
    let (base_url, document) = (spec.base_url.clone(), spec.document.clone());
    let plan = offers.first().map(|offer| offer.title.clone());
    Ok(ApiPage {
        api: listed(row.id.into(), spec, plan),
        base_url,
        document,
        offers,
    })
}

/// The plans that take subscriptions, of one API or of all.
pub async fn offers(control: &Control, api: Option<ApiId>) -> Result<Vec<Offer>> {
    let rows = sqlx::query!(
        r#"select p.id, p.spec, r.spec->>'title' as "product_title!" from plans p
           join products r on r.id = p.product_id
           where p.spec->>'state' = 'published'
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

/// The published APIs of a product, with where they are called.
pub async fn apis_of_product(control: &Control, product: ProductId) -> Result<Vec<ApiPage>> {
    let names = sqlx::query_scalar!(
        "select a.name from apis a join product_apis pa on pa.api_id = a.id
         where pa.product_id = $1 and a.spec->>'state' in ('published', 'deprecated') order by a.name limit $2",
        product.0,
        MAX_LISTED,
    )
    .fetch_all(control.pool())
    .await?;
    let mut pages = Vec::with_capacity(names.len());
    for name in names {
        pages.push(get(control, &name).await?);
    }
    Ok(pages)
}

fn listed(id: ApiId, spec: ApiSpec, plan: Option<String>) -> ListedApi {
    ListedApi {
        id,
        name: spec.name.to_string(),
        title: spec.title,
        summary: spec.summary,
        version: spec.api_version,
        state: spec.state,
        operations: crate::openapi::count_operations(&spec.document),
        tags: spec.tags,
        plan,
    }
}

fn read<S: serde::de::DeserializeOwned>(spec: Value) -> Result<S> {
    serde_json::from_value(spec).map_err(|source| Error::Corrupt { what: "spec", source })
}
