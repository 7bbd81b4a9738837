//! Consumers: the identities that services see.

use actix_web::web;
use askama::Template;
use control::usage::{TopBy, UsageFilter};
use control::{ListQuery, credentials};
use model::clock::Timestamp;
use model::consumer::ConsumerSpec;
use model::credential::{Credential, CredentialStatus};
use model::{Kind, Stored};

use super::history::{self, Recent};
use super::listing::Listing;
use super::objects::{self, FormState, Screen};
use super::traffic::{self, Traffic};
use crate::diff::Diff;
use crate::times::{self, Time};
use crate::{Area, Console, ConsolePage, Fields, PageError, PageResult, Query};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.route("/consumers", web::get().to(list));
    objects::configure::<ConsumerSpec>(config);
    config.route("/consumers/{id}", web::get().to(show));
}

#[derive(Template)]
#[template(path = "console/consumers/list.html")]
struct ListPage {
    page: ConsolePage,
    listing: Listing<Row>,
    now: Timestamp,
}

struct Row {
    stored: Stored<ConsumerSpec>,
    requests: i64,
}

#[derive(Template)]
#[template(path = "console/consumers/form.html")]
pub(super) struct FormPage {
    page: ConsolePage,
    fields: Fields,
    stored: Option<Stored<ConsumerSpec>>,
    preview: Option<Diff>,
}

#[derive(Template)]
#[template(path = "console/consumers/show.html")]
struct ShowPage {
    page: ConsolePage,
    consumer: Stored<ConsumerSpec>,
    keys: Vec<Credential>,
    more_keys: bool,
    traffic: Traffic,
    recent: Recent,
    now: Timestamp,
}

impl Screen for ConsumerSpec {
    const AREA: Area = Area::Consumers;
    type FormPage = FormPage;

    async fn form_page(_console: &Console, state: FormState<Self>) -> Result<FormPage, PageError> {
        let FormState {
            page,
            fields,
            stored,
            preview,
        } = state;
        Ok(FormPage {
            page,
            fields,
            stored,
            preview,
        })
    }
}

async fn list(console: Console, query: Query) -> PageResult {
    let asked = query.list(&[])?;
    let found = control::list::<ConsumerSpec>(console.control(), console.actor(), &asked).await?;
    let counts = traffic::counts(&console, TopBy::Consumer, &found.items).await?;
    let page = found.map(|stored| Row {
        requests: counts.get(&stored.id.0).copied().unwrap_or(0),
        stored,
    });
    let listing = Listing::new(page, &asked, query, Area::Consumers.url());
    let page = console.page("Consumers", Area::Consumers).await?;
    console.html(&ListPage {
        page,
        listing,
        now: console.control().now(),
    })
}

async fn show(console: Console, id: web::Path<String>) -> PageResult {
    let (control, actor) = (console.control(), console.actor());
    let consumer = control::get::<ConsumerSpec>(control, actor, &id).await?;
    let keys = credentials::list(control, actor, &ListQuery::default().with("consumer", consumer.id)).await?;
    let page = console.page(consumer.spec.name.to_string(), Area::Consumers).await?;
    let filter = UsageFilter {
        consumer: Some(consumer.id),
        ..UsageFilter::default()
    };
    console.html(&ShowPage {
        page: page.crumb(Area::Consumers.title(), Area::Consumers.url()),
        more_keys: keys.next_cursor.is_some(),
        keys: keys.items,
        traffic: traffic::of(&console, filter).await?,
        recent: history::recent(&console, consumer.id.0).await?,
        consumer,
        now: control.now(),
    })
}

impl ListPage {
    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }
}

impl FormPage {
    fn action(&self) -> String {
        objects::action(self.stored.as_ref())
    }

    fn back(&self) -> String {
        objects::back(self.stored.as_ref())
    }
}

impl ShowPage {
    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }
}
