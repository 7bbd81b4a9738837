//! Subscriptions: which application uses which plan, and those that wait for an answer.

use actix_web::web;
use askama::Template;
use control::subscriptions::{self, NamedSubscription};
use control::{Change, Mode};
use model::clock::Timestamp;
use model::id::SubscriptionId;
use model::subscription::SubscriptionState;

use super::super::listing::Listing;
use super::tone;
use crate::times::{self, Time};
use crate::{Area, Console, ConsolePage, Form, PageError, PageResult, Query, urls};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/subscriptions", web::get().to(list))
        .route("/subscriptions/{id}/{verb}", web::post().to(decide));
}

#[derive(Template)]
#[template(path = "console/catalogue/subscriptions.html")]
struct ListPage {
    page: ConsolePage,
    listing: Listing<NamedSubscription>,
    now: Timestamp,
}

async fn list(console: Console, query: Query) -> PageResult {
    let asked = query.list(&["application", "plan", "product", "state"])?;
    let found = subscriptions::list(console.control(), console.actor(), &asked).await?;
    let listing = Listing::new(found, &asked, query, Area::Subscriptions.url())
        .chip("Application", "application", None)
        .chip("Plan", "plan", None)
        .chip("Product", "product", None);
    let page = console.page(Area::Subscriptions.title(), Area::Subscriptions).await?;
    console.html(&ListPage {
        page,
        listing,
        now: console.control().now(),
    })
}

async fn decide(console: Console, path: web::Path<(SubscriptionId, String)>, _form: Form) -> PageResult {
    let (id, verb) = path.into_inner();
    let words = match verb.as_str() {
        "approve" => "Subscription approved",
        "reject" => "Subscription rejected",
        "suspend" => "Subscription suspended",
        "resume" => "Subscription resumed",
        _ => return Err(PageError::NotFound),
    };
    let written = console
        .control()
        .write(console.actor(), Mode::Commit, async |change| {
            turn(change, id, &verb).await
        })
        .await?;
    console.saved(&written, words, Area::Subscriptions.url()).await
}

async fn turn(change: &mut Change, id: SubscriptionId, verb: &str) -> control::Result<NamedSubscription> {
    match verb {
        "approve" => subscriptions::approve(change, id).await,
        "reject" => subscriptions::reject(change, id).await,
        "suspend" => subscriptions::suspend(change, id).await,
        _ => subscriptions::resume(change, id).await,
    }
}

impl ListPage {
    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }

    fn tone(named: &NamedSubscription) -> &'static str {
        tone(named.subscription.state.as_str())
    }

    fn states() -> [(&'static str, &'static str); 4] {
        [
            ("", "All"),
            ("pending", "Pending"),
            ("approved", "Approved"),
            ("suspended", "Suspended"),
        ]
    }

    /// What can be done with it now: the verb, its words, and whether it is the main one.
    fn verbs(named: &NamedSubscription) -> &'static [(&'static str, &'static str, &'static str)] {
        match named.subscription.state {
            SubscriptionState::Pending => &[("approve", "Approve", "primary btn-s"), ("reject", "Reject", "s")],
            SubscriptionState::Approved => &[("suspend", "Suspend", "s")],
            SubscriptionState::Suspended => &[("resume", "Resume", "s")],
            SubscriptionState::Rejected | SubscriptionState::Cancelled => &[],
        }
    }

    fn action(named: &NamedSubscription, verb: &str) -> String {
        format!(
            "{}/{}/{verb}",
            Area::Subscriptions.url(),
            urls::segment(named.subscription.id)
        )
    }
}
