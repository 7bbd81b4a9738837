//! APIs: the entries of the catalogue, each with an OpenAPI document.

use std::collections::HashMap;

use actix_web::web;
use askama::Template;
use control::{names, openapi};
use model::api::{ApiSpec, ApiState};
use model::clock::Timestamp;
use model::{Kind, Stored};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::listing::Listing;
use super::super::objects::{self, FormState, Screen};
use super::super::references;
use crate::diff::Diff;
use crate::fields::Field;
use crate::times::{self, Time};
use crate::{Area, Choice, Console, ConsolePage, Fields, PageError, PageResult, Query, text, urls};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.route("/apis", web::get().to(list));
    objects::configure::<ApiSpec>(config);
    config.route("/apis/{id}", web::get().to(open));
}

#[derive(Template)]
#[template(path = "console/catalogue/apis.html")]
struct ListPage {
    page: ConsolePage,
    listing: Listing<Stored<ApiSpec>>,
    services: HashMap<Uuid, String>,
    now: Timestamp,
}

#[derive(Template)]
#[template(path = "console/catalogue/api_form.html")]
pub(in crate::console) struct FormPage {
    page: ConsolePage,
    fields: Fields,
    stored: Option<Stored<ApiSpec>>,
    preview: Option<Diff>,
    service: Field,
    portal_url: String,
}

impl Screen for ApiSpec {
    const AREA: Area = Area::Apis;
    const SWITCHES: bool = false;
    type FormPage = FormPage;

    async fn form_page(console: &Console, state: FormState<Self>) -> Result<FormPage, PageError> {
        let FormState {
            page,
            fields,
            stored,
            preview,
        } = state;
        let member = ("service", "Service");
        let service = references::field(console, &fields, member, Kind::Service, "Choose a service").await?;
        let portal_url = console.control().settings().portal_url.clone();
        Ok(FormPage {
            page,
            fields,
            stored,
            preview,
            service,
            portal_url,
        })
    }

    fn prefill(query: &Query) -> Value {
        json!({ "service": query.get("service") })
    }

    fn place(_stored: &Stored<Self>) -> String {
        Area::Apis.url()
    }

    fn title(stored: &Stored<Self>) -> String {
        stored.spec.title.clone()
    }
}

async fn list(console: Console, query: Query) -> PageResult {
    let asked = query.list(&["service", "state"])?;
    let found = control::list::<ApiSpec>(console.control(), console.actor(), &asked).await?;
    let services = names::of(
        console.control(),
        Kind::Service,
        found.items.iter().map(|api| api.spec.service.0),
    );
    let services = services.await?;
    let service = references::shown(&console, Kind::Service, query.get("service")).await?;
    let listing = Listing::new(found, &asked, query, Area::Apis.url())
        .chip("Service", "service", service)
        .chip("State", "state", None);
    let page = console.page(Area::Apis.title(), Area::Apis).await?;
    console.html(&ListPage {
        page,
        listing,
        services,
        now: console.control().now(),
    })
}

/// The page of an API is its form.
async fn open(console: Console, id: web::Path<String>) -> PageResult {
    console.redirect(urls::console::part(Kind::Api, id.as_str(), "edit"))
}

/// The states that something may go to from here, as choices; the words are in their order of life.
pub(super) fn states<S: Copy>(now: Option<S>, all: &[(S, &'static str)], may: impl Fn(S, S) -> bool) -> Vec<Choice> {
    let reachable = all.iter().filter(|(state, _)| now.is_none_or(|now| may(now, *state)));
    reachable
        .map(|(_, word)| Choice::new(*word, text::label(word)))
        .collect()
}

impl ListPage {
    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }

    fn service(&self, api: &Stored<ApiSpec>) -> &str {
        self.services
            .get(&api.spec.service.0)
            .map(String::as_str)
            .unwrap_or_default()
    }

    fn operations(api: &Stored<ApiSpec>) -> usize {
        openapi::count_operations(&api.spec.document)
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
            ApiState::Draft,
            ApiState::Published,
            ApiState::Deprecated,
            ApiState::Retired,
        ];
        let all = all.map(|state| (state, state.as_str()));
        states(
            self.stored.as_ref().map(|stored| stored.spec.state),
            &all,
            ApiState::may_become,
        )
    }

    fn delete(&self) -> Option<String> {
        self.stored
            .as_ref()
            .map(|stored| urls::console::part(Kind::Api, stored.id, "delete"))
    }

    /// Its page in the portal, when developers see it.
    fn in_portal(&self) -> Option<String> {
        let listed = self.stored.as_ref().filter(|stored| stored.spec.state.is_listed())?;
        Some(format!("{}{}", self.portal_url, urls::portal::api(&listed.spec.name)))
    }
}
