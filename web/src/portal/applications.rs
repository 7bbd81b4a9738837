//! A developer's applications: what they may call, their keys, and what they did.

use actix_web::web;
use askama::Template;
use control::offers;
use control::subscriptions::NamedSubscription;
use control::usage::{self, Point, Span, Summary};
use control::{ListQuery, Mode, Precondition, applications, keys, subscriptions};
use model::application::{Application, ApplicationStatus};
use model::clock::Timestamp;
use model::credential::{Credential, CredentialStatus};
use model::id::{ApplicationId, SubscriptionId};
use model::reason::Reason;
use model::subscription::SubscriptionState;
use time::Duration;

use super::form_errors;
use super::samples::YOUR_KEY;
use crate::charts::{Chart, Color};
use crate::code::Code;
use crate::times::{self, Time};
use crate::{Fields, Flash, Form, PageError, PageResult, PortalAccount, PortalArea, PortalPage, Query, text, urls};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/apps", web::get().to(list))
        .route("/apps/new", web::get().to(new))
        .route("/apps/new", web::post().to(create))
        .route("/apps/{id}", web::get().to(show))
        .route("/apps/{id}/edit", web::get().to(edit))
        .route("/apps/{id}/edit", web::post().to(update))
        .route("/apps/{id}/delete", web::get().to(ask_delete))
        .route("/apps/{id}/delete", web::post().to(delete))
        .route(
            "/apps/{id}/subscriptions/{subscription}/cancel",
            web::get().to(ask_cancel),
        )
        .route("/apps/{id}/subscriptions/{subscription}/cancel", web::post().to(cancel));
}

#[derive(Template)]
#[template(path = "portal/apps/list.html")]
struct ListPage {
    page: PortalPage,
    applications: Vec<Application>,
    now: Timestamp,
}

#[derive(Template)]
#[template(path = "portal/apps/form.html")]
struct FormPage {
    page: PortalPage,
    application: Option<Application>,
    fields: Fields,
}

#[derive(Template)]
#[template(path = "portal/apps/show.html")]
struct ShowPage {
    page: PortalPage,
    application: Application,
    subscriptions: Vec<NamedSubscription>,
    keys: Vec<Credential>,
    summary: Summary,
    chart: Chart,
    span: &'static str,
    curl: Option<Code>,
    now: Timestamp,
}

#[derive(Template)]
#[template(path = "portal/apps/ask.html")]
struct AskPage {
    page: PortalPage,
    action: String,
    title: String,
    text: &'static str,
    danger: &'static str,
    back: String,
    typed: String,
}

/// The spans of the usage chart: its word in the address, its label, its length.
const SPANS: [(&str, &str, Duration); 3] = [
    ("hour", "1 hour", Duration::hours(1)),
    ("day", "24 hours", Duration::hours(24)),
    ("week", "7 days", Duration::days(7)),
];

async fn list(account: PortalAccount) -> PageResult {
    let all = ListQuery::all();
    let applications = applications::list(account.control(), account.actor(), &all)
        .await?
        .items;
    let now = account.control().now();
    account.html(&ListPage {
        page: account.page("My apps", PortalArea::Applications),
        applications,
        now,
    })
}

async fn new(account: PortalAccount) -> PageResult {
    let page = account.page("New application", PortalArea::Applications);
    account.html(&FormPage {
        page,
        application: None,
        fields: Fields::empty(),
    })
}

async fn create(account: PortalAccount, form: Form) -> PageResult {
    let submission = form.submission();
    let written = account
        .control()
        .write(account.actor(), Mode::Commit, async |change| {
            applications::create(change, submission).await
        })
        .await;
    match written {
        Ok(written) => {
            account
                .done(
                    &written,
                    "Application created",
                    urls::portal::application(written.value.id),
                )
                .await
        }
        Err(error) => {
            let fields = Fields::typed(&form).with_errors(&form_errors(error)?);
            let page = account.page("New application", PortalArea::Applications);
            account.invalid(&FormPage {
                page,
                application: None,
                fields,
            })
        }
    }
}

async fn show(account: PortalAccount, id: web::Path<ApplicationId>, query: Query) -> PageResult {
    let (control, actor, now) = (account.control(), account.actor(), account.control().now());
    let application = applications::get(control, actor, *id).await?;
    let of_application = ListQuery::all().with("application", *id);
    let subscriptions = subscriptions::list(control, actor, &of_application).await?.items;
    let keys = keys::list(control, actor, *id).await?;
    let chosen = SPANS
        .iter()
        .find(|(word, ..)| *word == query.get("span"))
        .unwrap_or(&SPANS[1]);
    let (filter, span) = (
        usage::of_application(control, actor, *id).await?,
        Span::last(now, chosen.2),
    );
    let summary = usage::summary(control, actor, span, filter).await?;
    let chart = chart(&usage::series(control, actor, span, filter).await?);
    let curl = curl(&account, &subscriptions).await?;
    let page = account.page(application.name.clone(), PortalArea::Applications);
    account.html(&ShowPage {
        page,
        application,
        subscriptions,
        keys,
        summary,
        chart,
        span: chosen.0,
        curl,
        now,
    })
}

fn chart(points: &[Point]) -> Chart {
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    let part = |of: fn(&Point) -> i64| points.iter().map(|point| count(of(point))).collect::<Vec<_>>();
    Chart::bars("Requests over time", points.iter().map(|point| point.at).collect())
        .counts(
            "Good",
            Color::Mute,
            &part(|point| point.requests - point.client_errors - point.server_errors),
        )
        .counts("4xx", Color::Warn, &part(|point| point.client_errors))
        .counts("5xx", Color::Bad, &part(|point| point.server_errors))
}

/// A call to an API that the application may call.
async fn curl(account: &PortalAccount, subscriptions: &[NamedSubscription]) -> Result<Option<Code>, PageError> {
    let approved = subscriptions
        .iter()
        .find(|named| named.subscription.state == SubscriptionState::Approved);
    let Some(approved) = approved else {
        return Ok(None);
    };
    let api = offers::first_of_product(account.control(), approved.subscription.product).await?;
    Ok(api.and_then(|api| super::apis::first_call(&api, YOUR_KEY)))
}

async fn edit(account: PortalAccount, id: web::Path<ApplicationId>) -> PageResult {
    let application = applications::get(account.control(), account.actor(), *id).await?;
    let fields = Fields::of(&application);
    let page = account.page(application.name.clone(), PortalArea::Applications);
    account.html(&FormPage {
        page,
        application: Some(application),
        fields,
    })
}

async fn update(account: PortalAccount, id: web::Path<ApplicationId>, form: Form) -> PageResult {
    let (id, submission, precondition) = (*id, form.submission(), form.precondition());
    let written = account
        .control()
        .write(account.actor(), Mode::Commit, async |change| {
            applications::update(change, id, precondition, submission).await
        })
        .await;
    match written {
        Ok(written) => {
            account
                .done(&written, "Application saved", urls::portal::application(id))
                .await
        }
        Err(error) => {
            let fields = Fields::typed(&form).with_errors(&form_errors(error)?);
            let application = applications::get(account.control(), account.actor(), id).await?;
            let page = account.page(application.name.clone(), PortalArea::Applications);
            account.invalid(&FormPage {
                page,
                application: Some(application),
                fields,
            })
        }
    }
}

async fn ask_delete(account: PortalAccount, id: web::Path<ApplicationId>) -> PageResult {
    let application = applications::get(account.control(), account.actor(), *id).await?;
    let back = urls::portal::application(application.id);
    account.html(&AskPage {
        page: account.page("Delete the application", PortalArea::Applications),
        action: format!("{back}/delete"),
        title: format!("Delete {}?", application.name),
        text: "Its keys stop working at once and its subscriptions end. This cannot be undone.",
        danger: "Delete application",
        back,
        typed: application.name,
    })
}

async fn delete(account: PortalAccount, id: web::Path<ApplicationId>, form: Form) -> PageResult {
    let id = *id;
    let application = applications::get(account.control(), account.actor(), id).await?;
    if !form.confirms(&application.name) {
        let location = format!("{}/delete", urls::portal::application(id));
        return account.redirect_with(
            location,
            &Flash::warn("The name was not typed as it is. Nothing is deleted."),
        );
    }
    let written = account
        .control()
        .write(account.actor(), Mode::Commit, async |change| {
            applications::delete(change, id, Precondition::default()).await
        })
        .await?;
    account
        .done(&written, "Application deleted", urls::portal::APPLICATIONS)
        .await
}

async fn ask_cancel(account: PortalAccount, path: web::Path<(ApplicationId, SubscriptionId)>) -> PageResult {
    let (id, subscription) = *path;
    let named = subscriptions::get(account.control(), account.actor(), subscription).await?;
    let back = urls::portal::application(id);
    account.html(&AskPage {
        page: account.page("Cancel the subscription", PortalArea::Applications),
        action: format!("{back}/subscriptions/{subscription}/cancel"),
        title: format!("Cancel {} on {}?", named.product_title, named.plan_title),
        text: "The application's keys can no longer call these APIs. You can subscribe again.",
        danger: "Cancel subscription",
        back,
        typed: String::new(),
    })
}

async fn cancel(account: PortalAccount, path: web::Path<(ApplicationId, SubscriptionId)>, _form: Form) -> PageResult {
    let (id, subscription) = *path;
    let written = account
        .control()
        .write(account.actor(), Mode::Commit, async |change| {
            subscriptions::cancel(change, subscription).await
        })
        .await?;
    account
        .done(&written, "Subscription cancelled", urls::portal::application(id))
        .await
}

impl ListPage {
    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }
}

impl ShowPage {
    fn tone(named: &NamedSubscription) -> &'static str {
        match named.subscription.state {
            SubscriptionState::Approved => "ok",
            SubscriptionState::Pending => "warn",
            SubscriptionState::Suspended | SubscriptionState::Rejected => "bad",
            SubscriptionState::Cancelled => "",
        }
    }

    fn key_tone(&self, key: &Credential) -> (&'static str, &'static str) {
        crate::keys::state(key, &self.now)
    }

    fn is_span(word: &str, span: &str) -> bool {
        word == span
    }

    fn may_rotate(&self, key: &Credential) -> bool {
        crate::keys::can_rotate(key, &self.now)
    }

    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }

    fn exact(at: &Timestamp) -> String {
        text::exact(*at)
    }

    fn count(number: i64) -> String {
        text::count(number)
    }

    fn suspended(&self) -> bool {
        self.application.status == ApplicationStatus::Suspended
    }

    fn spans() -> &'static [(&'static str, &'static str, Duration)] {
        &SPANS
    }

    fn span_label(&self) -> String {
        let chosen = SPANS.iter().find(|(word, ..)| *word == self.span);
        chosen.map_or_else(String::new, |(_, label, _)| format!("last {label}"))
    }

    fn errors(&self) -> String {
        text::count(self.summary.client_errors + self.summary.server_errors)
    }

    /// The part of the requests that went well.
    fn success(&self) -> String {
        let Summary {
            requests,
            client_errors,
            server_errors,
            ..
        } = self.summary;
        // In hundredths of a percent, rounded down: one error in a million is not "100%".
        match ((requests - client_errors - server_errors) * 10_000).checked_div(requests) {
            None => "–".to_owned(),
            Some(10_000) => "100%".to_owned(),
            Some(part) => format!("{}.{:02}%", part / 100, part % 100),
        }
    }

    fn limited(&self) -> String {
        text::count(
            self.summary
                .reasons
                .get(Reason::RateLimited.code())
                .copied()
                .unwrap_or(0),
        )
    }

    fn p95(&self) -> String {
        self.summary
            .p95_ms
            .map_or_else(|| "–".to_owned(), |latency| format!("{} ms", text::trim(latency)))
    }
}
