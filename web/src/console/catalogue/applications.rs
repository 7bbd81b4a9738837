//! Applications of developers.

use std::collections::HashMap;

use actix_web::web;
use askama::Template;
use control::{Mode, applications, names};
use model::Kind;
use model::application::{Application, ApplicationStatus};
use model::clock::Timestamp;
use model::id::ApplicationId;
use uuid::Uuid;

use super::super::listing::Listing;
use super::tone;
use crate::times::{self, Time};
use crate::{Area, Console, ConsolePage, Form, PageResult, Query, urls};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/applications", web::get().to(list))
        .route("/applications/{id}/suspend", web::post().to(suspend))
        .route("/applications/{id}/resume", web::post().to(resume));
}

#[derive(Template)]
#[template(path = "console/catalogue/applications.html")]
struct ListPage {
    page: ConsolePage,
    listing: Listing<Application>,
    consumers: HashMap<Uuid, String>,
    now: Timestamp,
}

async fn list(console: Console, query: Query) -> PageResult {
    let asked = query.list(&["developer", "status"])?;
    let found = applications::list(console.control(), console.actor(), &asked).await?;
    let ids = found.items.iter().map(|application| application.consumer.0);
    let consumers = names::of(console.control(), Kind::Consumer, ids).await?;
    let listing = Listing::new(found, &asked, query, Area::Applications.url())
        .chip("State", "status", None)
        .chip("Developer", "developer", None);
    let page = console.page(Area::Applications.title(), Area::Applications).await?;
    console.html(&ListPage {
        page,
        listing,
        consumers,
        now: console.control().now(),
    })
}

async fn suspend(console: Console, id: web::Path<ApplicationId>, _form: Form) -> PageResult {
    let written = console
        .control()
        .write(console.actor(), Mode::Commit, async |change| {
            applications::suspend(change, *id).await
        })
        .await?;
    console
        .saved(&written, "Application suspended", Area::Applications.url())
        .await
}

async fn resume(console: Console, id: web::Path<ApplicationId>, _form: Form) -> PageResult {
    let written = console
        .control()
        .write(console.actor(), Mode::Commit, async |change| {
            applications::resume(change, *id).await
        })
        .await?;
    console
        .saved(&written, "Application resumed", Area::Applications.url())
        .await
}

impl ListPage {
    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }

    fn tone(application: &Application) -> &'static str {
        tone(application.status.as_str())
    }

    fn consumer(&self, application: &Application) -> &str {
        self.consumers
            .get(&application.consumer.0)
            .map(String::as_str)
            .unwrap_or_default()
    }

    fn verb(application: &Application) -> (&'static str, &'static str) {
        match application.status {
            ApplicationStatus::Active => ("suspend", "Suspend"),
            ApplicationStatus::Suspended => ("resume", "Resume"),
        }
    }

    fn action(application: &Application, verb: &str) -> String {
        format!("{}/{}/{verb}", Area::Applications.url(), urls::segment(application.id))
    }
}
