//! Developers: the accounts of the portal.

use actix_web::web;
use askama::Template;
use control::{Mode, developers};
use model::account::{Developer, DeveloperStatus};
use model::clock::Timestamp;
use model::id::DeveloperId;

use super::super::listing::Listing;
use super::tone;
use crate::times::{self, Time};
use crate::{Area, Console, ConsolePage, Flash, Form, PageResult, Query, urls};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/developers", web::get().to(list))
        .route("/developers/{id}/confirm", web::post().to(confirm))
        .route("/developers/{id}/suspend", web::post().to(suspend))
        .route("/developers/{id}/resume", web::post().to(resume));
}

#[derive(Template)]
#[template(path = "console/catalogue/developers.html")]
struct ListPage {
    page: ConsolePage,
    listing: Listing<Developer>,
    now: Timestamp,
}

async fn list(console: Console, query: Query) -> PageResult {
    let asked = query.list(&["status"])?;
    let found = developers::list(console.control(), console.actor(), &asked).await?;
    let listing = Listing::new(found, &asked, query, Area::Developers.url()).chip("State", "status", None);
    let page = console.page(Area::Developers.title(), Area::Developers).await?;
    console.html(&ListPage {
        page,
        listing,
        now: console.control().now(),
    })
}

async fn confirm(console: Console, id: web::Path<DeveloperId>, _form: Form) -> PageResult {
    let developer = developers::confirm(console.control(), console.actor(), *id).await?;
    let words = format!("{} may sign in", developer.email);
    console.redirect_with(Area::Developers.url(), &Flash::ok(words))
}

async fn suspend(console: Console, id: web::Path<DeveloperId>, _form: Form) -> PageResult {
    let written = console
        .control()
        .write(console.actor(), Mode::Commit, async |change| {
            developers::suspend(change, *id).await
        })
        .await?;
    console
        .saved(&written, "Developer suspended", Area::Developers.url())
        .await
}

async fn resume(console: Console, id: web::Path<DeveloperId>, _form: Form) -> PageResult {
    let written = console
        .control()
        .write(console.actor(), Mode::Commit, async |change| {
            developers::resume(change, *id).await
        })
        .await?;
    console
        .saved(&written, "Developer resumed", Area::Developers.url())
        .await
}

impl ListPage {
    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }

    fn tone(developer: &Developer) -> &'static str {
        tone(developer.status.as_str())
    }

    /// What can be done now: the verb and its words.
    fn verb(developer: &Developer) -> (&'static str, &'static str) {
        match developer.status {
            DeveloperStatus::PendingVerification => ("confirm", "Confirm address"),
            DeveloperStatus::Active => ("suspend", "Suspend"),
            DeveloperStatus::Suspended => ("resume", "Resume"),
        }
    }

    fn action(developer: &Developer, verb: &str) -> String {
        format!("{}/{}/{verb}", Area::Developers.url(), urls::segment(developer.id))
    }
}
