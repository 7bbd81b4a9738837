//! From an API to a key: choose a plan and an application, or make the first one.

use actix_web::web;
use askama::Template;
use control::offers::{self, ListedApi, Offer};
use control::{ListQuery, Mode, applications, keys, subscriptions};
use model::application::{Application, ApplicationDraft};
use model::id::ApplicationId;

use super::{form_errors, keys as key_pages};
use crate::{Choice, Fields, Form, PageError, PageResult, PortalAccount, PortalArea, PortalPage, urls};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/apis/{name}/subscribe", web::get().to(show))
        .route("/apis/{name}/subscribe", web::post().to(subscribe));
}

#[derive(Template)]
#[template(path = "portal/apis/subscribe.html")]
struct SubscribePage {
    page: PortalPage,
    api: ListedApi,
    offers: Vec<Offer>,
    applications: Vec<Application>,
    fields: Fields,
}

/// The choice that stands for a new application.
const NEW: &str = "new";

async fn show(account: PortalAccount, name: web::Path<String>) -> PageResult {
    let page = form_page(&account, &name, Fields::empty()).await?;
    account.html(&page)
}

async fn form_page(account: &PortalAccount, name: &str, fields: Fields) -> Result<SubscribePage, PageError> {
    let found = offers::get(account.control(), name).await?;
    let all = ListQuery::all();
    let applications = applications::list(account.control(), account.actor(), &all)
        .await?
        .items;
    let page = account.page(format!("Get a key for {}", found.api.title), PortalArea::Apis);
    Ok(SubscribePage {
        page,
        api: found.api,
        offers: found.offers,
        applications,
        fields,
    })
}

impl SubscribePage {
    /// The plan that was chosen before, or else the first.
    fn is_chosen(&self, offer: &Offer) -> bool {
        let typed = self.fields.shown("plan");
        let known = self.offers.iter().any(|offer| offer.name == typed);
        let first = self.offers.first().map(|offer| &offer.name);
        if known {
            offer.name == typed
        } else {
            Some(&offer.name) == first
        }
    }

    /// An application that exists has keys already.
    fn button(&self) -> &'static str {
        if self.applications.is_empty() {
            "Get a key"
        } else {
            "Subscribe"
        }
    }

    fn name_help(&self) -> &'static str {
        if self.applications.is_empty() {
            "What you build; only you and the operators see it."
        } else {
            "Only for a new application."
        }
    }

    fn choices(&self) -> Vec<Choice> {
        let known = self
            .applications
            .iter()
            .map(|application| Choice::new(application.id.to_string(), application.name.as_str()));
        known.chain([Choice::new(NEW, "A new application")]).collect()
    }
}

async fn subscribe(account: PortalAccount, name: web::Path<String>, form: Form) -> PageResult {
    let chosen = form.text("application").to_owned();
    if chosen.is_empty() || chosen == NEW {
        return first_key(&account, &name, &form).await;
    }
    let id: ApplicationId = chosen.parse().map_err(|_| PageError::NotFound)?;
    let (control, plan) = (account.control(), form.text("plan"));
    let written = control
        .write(account.actor(), Mode::Commit, async |change| {
            subscriptions::request(change, id, plan).await
        })
        .await;
    match written {
        Ok(written) => {
            account
                .done(&written, "Subscribed", urls::portal::application(id))
                .await
        }
        Err(error) => refused(&account, &name, &form, error).await,
    }
}

/// Application, subscription and key in one go; the key is on the page that answers.
async fn first_key(account: &PortalAccount, name: &str, form: &Form) -> PageResult {
    let draft = ApplicationDraft {
        name: Some(form.text("name").to_owned()),
        description: None,
    };
    let plan = form.text("plan");
    let written = account
        .control()
        .write(account.actor(), Mode::Commit, async |change| {
            keys::first(change, draft.into(), plan).await
        })
        .await;
    match written {
        Ok(written) => {
            let first = &written.value;
            key_pages::shown(account, first.application.id, None, &first.key, written.revision).await
        }
        Err(error) => refused(account, name, form, error).await,
    }
}

async fn refused(account: &PortalAccount, name: &str, form: &Form, error: control::Error) -> PageResult {
    let fields = Fields::typed(form).with_errors(&form_errors(error)?);
    let page = form_page(account, name, fields).await?;
    account.invalid(&page)
}
