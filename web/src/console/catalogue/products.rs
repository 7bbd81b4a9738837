//! Products: APIs that are offered together.

use std::collections::HashMap;

use actix_web::web;
use askama::Template;
use control::names;
use model::clock::Timestamp;
use model::product::ProductSpec;
use model::{Kind, Stored};
use uuid::Uuid;

use super::super::listing::Listing;
use super::super::objects::{self, FormState, Screen};
use crate::diff::Diff;
use crate::times::{self, Time};
use crate::{Area, Choice, Console, ConsolePage, Fields, PageError, PageResult, Query, urls};

/// APIs that the form offers.
const APIS_SHOWN: i64 = 200;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.route("/products", web::get().to(list));
    objects::configure::<ProductSpec>(config);
    config.route("/products/{id}", web::get().to(open));
}

#[derive(Template)]
#[template(path = "console/catalogue/products.html")]
struct ListPage {
    page: ConsolePage,
    listing: Listing<Stored<ProductSpec>>,
    apis: HashMap<Uuid, String>,
    now: Timestamp,
}

#[derive(Template)]
#[template(path = "console/catalogue/product_form.html")]
pub(in crate::console) struct FormPage {
    page: ConsolePage,
    fields: Fields,
    stored: Option<Stored<ProductSpec>>,
    preview: Option<Diff>,
    apis: Vec<Choice>,
}

impl Screen for ProductSpec {
    const AREA: Area = Area::Products;
    const SWITCHES: bool = false;
    type FormPage = FormPage;

    async fn form_page(console: &Console, state: FormState<Self>) -> Result<FormPage, PageError> {
        let FormState {
            page,
            fields,
            stored,
            preview,
        } = state;
        let (mut known, _) = names::choices(console.control(), Kind::Api, APIS_SHOWN).await?;
        // What is chosen has its box, so that saving keeps it.
        let chosen = stored.iter().flat_map(|stored| stored.spec.apis.iter().map(|id| id.0));
        let hidden: Vec<Uuid> = chosen
            .filter(|id| !known.iter().any(|(shown, _)| shown == id))
            .collect();
        known.extend(names::of(console.control(), Kind::Api, hidden).await?);
        let apis = known
            .into_iter()
            .map(|(id, name)| Choice::new(id.to_string(), name))
            .collect();
        Ok(FormPage {
            page,
            fields,
            stored,
            preview,
            apis,
        })
    }

    fn place(_stored: &Stored<Self>) -> String {
        Area::Products.url()
    }

    fn title(stored: &Stored<Self>) -> String {
        stored.spec.title.clone()
    }
}

async fn list(console: Console, query: Query) -> PageResult {
    let asked = query.list(&[])?;
    let found = control::list::<ProductSpec>(console.control(), console.actor(), &asked).await?;
    let ids = found
        .items
        .iter()
        .flat_map(|product| product.spec.apis.iter().map(|id| id.0));
    let apis = names::of(console.control(), Kind::Api, ids).await?;
    let listing = Listing::new(found, &asked, query, Area::Products.url());
    let page = console.page(Area::Products.title(), Area::Products).await?;
    console.html(&ListPage {
        page,
        listing,
        apis,
        now: console.control().now(),
    })
}

/// The page of a product is its form.
async fn open(console: Console, id: web::Path<String>) -> PageResult {
    console.redirect(urls::console::part(Kind::Product, id.as_str(), "edit"))
}

impl ListPage {
    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }

    fn apis(&self, product: &Stored<ProductSpec>) -> String {
        let names = product.spec.apis.iter().filter_map(|id| self.apis.get(&id.0));
        names.map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

impl FormPage {
    fn action(&self) -> String {
        objects::action(self.stored.as_ref())
    }

    fn back(&self) -> String {
        objects::back(self.stored.as_ref())
    }

    fn delete(&self) -> Option<String> {
        self.stored
            .as_ref()
            .map(|stored| urls::console::part(Kind::Product, stored.id, "delete"))
    }
}
