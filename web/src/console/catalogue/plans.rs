//! Plans: limits and approval under which a product is offered.

use std::collections::HashMap;

use actix_web::web;
use askama::Template;
use control::names;
use model::clock::Timestamp;
use model::plan::{Approval, PlanSpec, PlanState};
use model::{Kind, Stored};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::listing::Listing;
use super::super::objects::{self, FormState, Screen};
use super::super::references;
use super::apis::states;
use crate::diff::Diff;
use crate::fields::Field;
use crate::schema_form::SchemaForm;
use crate::times::{self, Time};
use crate::{Area, Choice, Console, ConsolePage, Fields, PageError, PageResult, Query, plans, urls};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.route("/plans", web::get().to(list));
    objects::configure::<PlanSpec>(config);
    config.route("/plans/{id}", web::get().to(open));
}

#[derive(Template)]
#[template(path = "console/catalogue/plans.html")]
struct ListPage {
    page: ConsolePage,
    listing: Listing<Stored<PlanSpec>>,
    products: HashMap<Uuid, String>,
    now: Timestamp,
}

#[derive(Template)]
#[template(path = "console/catalogue/plan_form.html")]
pub(in crate::console) struct FormPage {
    page: ConsolePage,
    fields: Fields,
    stored: Option<Stored<PlanSpec>>,
    preview: Option<Diff>,
    product: Field,
    limits: SchemaForm,
}

impl Screen for PlanSpec {
    const AREA: Area = Area::Plans;
    const SWITCHES: bool = false;
    type FormPage = FormPage;

    async fn form_page(console: &Console, state: FormState<Self>) -> Result<FormPage, PageError> {
        let FormState {
            page,
            fields,
            stored,
            preview,
        } = state;
        let member = ("product", "Product");
        let product = references::field(console, &fields, member, Kind::Product, "Choose a product").await?;
        let limits = SchemaForm::new(&limits_schema(), "", &fields);
        Ok(FormPage {
            page,
            fields,
            stored,
            preview,
            product,
            limits,
        })
    }

    fn prefill(query: &Query) -> Value {
        json!({ "product": query.get("product") })
    }

    fn place(_stored: &Stored<Self>) -> String {
        Area::Plans.url()
    }

    fn title(stored: &Stored<Self>) -> String {
        stored.spec.title.clone()
    }
}

/// The limits of a plan, for the form that is made from it.
fn limits_schema() -> Value {
    json!({ "type": "object", "properties": { "limits": {
        "type": "array",
        "description": "For each application, all of which hold. Without one there is no limit.",
        "items": {
            "title": "Limit",
            "type": "object",
            "required": ["requests", "window_seconds"],
            "properties": {
                "requests": { "type": "integer", "description": "How many requests." },
                "window_seconds": { "type": "integer", "description": "In how many seconds, at most 31 days." },
            },
        },
    } } })
}

async fn list(console: Console, query: Query) -> PageResult {
    let asked = query.list(&["product", "state"])?;
    let found = control::list::<PlanSpec>(console.control(), console.actor(), &asked).await?;
    let ids = found.items.iter().map(|plan| plan.spec.product.0);
    let products = names::of(console.control(), Kind::Product, ids).await?;
    let product = references::shown(&console, Kind::Product, query.get("product")).await?;
    let listing = Listing::new(found, &asked, query, Area::Plans.url())
        .chip("Product", "product", product)
        .chip("State", "state", None);
    let page = console.page(Area::Plans.title(), Area::Plans).await?;
    console.html(&ListPage {
        page,
        listing,
        products,
        now: console.control().now(),
    })
}

/// The page of a plan is its form.
async fn open(console: Console, id: web::Path<String>) -> PageResult {
    console.redirect(urls::console::part(Kind::Plan, id.as_str(), "edit"))
}

impl ListPage {
    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }

    fn product(&self, plan: &Stored<PlanSpec>) -> &str {
        self.products
            .get(&plan.spec.product.0)
            .map(String::as_str)
            .unwrap_or_default()
    }

    fn limits(plan: &Stored<PlanSpec>) -> String {
        plans::limits(&plan.spec.limits)
    }
}

impl FormPage {
    fn action(&self) -> String {
        objects::action(self.stored.as_ref())
    }

    fn back(&self) -> String {
        objects::back(self.stored.as_ref())
    }

    fn states(&self) -> Vec<Choice> {
        let all = [
            PlanState::Staging,
            PlanState::Published,
            PlanState::Deprecated,
            PlanState::Closed,
        ];
        let all = all.map(|state| (state, state.as_str()));
        states(
            self.stored.as_ref().map(|stored| stored.spec.state),
            &all,
            PlanState::may_become,
        )
    }

    fn approvals() -> Vec<Choice> {
        vec![
            Choice::new("auto", "At once"),
            Choice::new("manual", "After an administrator approved it"),
        ]
    }

    fn delete(&self) -> Option<String> {
        self.stored
            .as_ref()
            .map(|stored| urls::console::part(Kind::Plan, stored.id, "delete"))
    }
}
