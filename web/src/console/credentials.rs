//! Keys of consumers: listed, issued, replaced, switched off and revoked.

use std::collections::HashMap;

use actix_web::web;
use askama::Template;
use control::credentials::{self, Issued};
use control::gateways::{self, WaitFor};
use control::{Mode, Written, names};
use model::clock::Timestamp;
use model::consumer::ConsumerSpec;
use model::credential::{Credential, CredentialStatus};
use model::id::CredentialId;
use model::{Code, Errors, Kind};
use uuid::Uuid;

use super::listing::Listing;
use super::references;
use crate::times::{self, Time};
use crate::visit::{PATIENCE, form_errors};
use crate::{Area, Console, ConsolePage, Fields, Form, PageError, PageResult, Query, keys, urls};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/keys", web::get().to(list))
        .route("/consumers/{id}/keys/new", web::get().to(new))
        .route("/consumers/{id}/keys/new", web::post().to(issue))
        .route("/keys/{id}/rotate", web::get().to(ask_rotate))
        .route("/keys/{id}/rotate", web::post().to(rotate))
        .route("/keys/{id}/enabled", web::post().to(switch))
        .route("/keys/{id}/revoke", web::get().to(ask_revoke))
        .route("/keys/{id}/revoke", web::post().to(revoke));
}

#[derive(Template)]
#[template(path = "console/keys/list.html")]
struct ListPage {
    page: ConsolePage,
    listing: Listing<Credential>,
    consumers: HashMap<Uuid, String>,
    now: Timestamp,
}

/// The form of a new key, or of one that replaces another.
#[derive(Template)]
#[template(path = "console/keys/form.html")]
struct FormPage {
    page: ConsolePage,
    fields: Fields,
    lead: String,
    action: String,
    back: String,
    replaces: bool,
}

/// The page with a new key: the only time that it is readable.
#[derive(Template)]
#[template(path = "console/keys/issued.html")]
struct IssuedPage {
    page: ConsolePage,
    secret: String,
    back: String,
    header: String,
    behind: i64,
}

#[derive(Template)]
#[template(path = "console/keys/revoke.html")]
struct RevokePage {
    page: ConsolePage,
    key: Credential,
    action: String,
    back: String,
}

async fn list(console: Console, query: Query) -> PageResult {
    let asked = query.list(&["consumer", "status"])?;
    let found = credentials::list(console.control(), console.actor(), &asked).await?;
    let consumers = names::of(
        console.control(),
        Kind::Consumer,
        found.items.iter().map(|key| key.consumer.0),
    )
    .await?;
    let consumer = references::shown(&console, Kind::Consumer, query.get("consumer")).await?;
    let listing = Listing::new(found, &asked, query, urls::console::KEYS).chip("Consumer", "consumer", consumer);
    let page = console.page(Area::Keys.title(), Area::Keys).await?;
    console.html(&ListPage {
        page,
        listing,
        consumers,
        now: console.control().now(),
    })
}

/// The page of the consumer with this id.
async fn home(console: &Console, consumer: Uuid) -> Result<(String, String), PageError> {
    let name = names::of(console.control(), Kind::Consumer, [consumer])
        .await?
        .remove(&consumer);
    Ok((
        name.unwrap_or_default(),
        urls::console::object(Kind::Consumer, consumer),
    ))
}

async fn page_of(console: &Console, title: &str, consumer: Uuid) -> Result<(ConsolePage, String, String), PageError> {
    let (name, back) = home(console, consumer).await?;
    let page = console.page(title, Area::Consumers).await?;
    let page = page
        .crumb(Area::Consumers.title(), Area::Consumers.url())
        .crumb(name.clone(), back.clone());
    Ok((page, name, back))
}

async fn issue_page(console: &Console, consumer: Uuid, fields: Fields) -> Result<FormPage, PageError> {
    let (page, name, back) = page_of(console, "New key", consumer).await?;
    let lead = format!("For {name}. It is shown once, on the next page.");
    Ok(FormPage {
        page,
        fields,
        lead,
        action: format!("{back}/keys/new"),
        back,
        replaces: false,
    })
}

async fn new(console: Console, id: web::Path<String>) -> PageResult {
    let consumer = control::get::<ConsumerSpec>(console.control(), console.actor(), &id).await?;
    console.html(&issue_page(&console, consumer.id.0, Fields::empty()).await?)
}

async fn issue(console: Console, id: web::Path<String>, form: Form) -> PageResult {
    let consumer = control::get::<ConsumerSpec>(console.control(), console.actor(), &id)
        .await?
        .id
        .0;
    let (reference, submission) = (consumer.to_string(), form.submission());
    let written = console
        .control()
        .write(console.actor(), Mode::Commit, async |change| {
            credentials::issue(change, &reference, submission).await
        })
        .await;
    match written {
        Ok(written) => issued(&console, &written).await,
        Err(error) => {
            let fields = Fields::typed(&form).with_errors(&form_errors(error)?);
            console.invalid(&issue_page(&console, consumer, fields).await?)
        }
    }
}

async fn issued(console: &Console, written: &Written<Issued>) -> PageResult {
    let Issued { credential, secret } = &written.value;
    let behind = match written.revision {
        Some(revision) => gateways::wait(console.control(), revision, WaitFor::All, PATIENCE)
            .await?
            .len(),
        None => 0,
    };
    // After waiting, so that what stands around the page knows of the key too.
    let (page, _, back) = page_of(console, "Your new key", credential.consumer.0).await?;
    console.html(&IssuedPage {
        page,
        secret: secret.expose().to_owned(),
        back,
        header: format!("X-API-Key: {}", secret.expose()),
        behind: i64::try_from(behind).unwrap_or(i64::MAX),
    })
}

async fn rotate_page(console: &Console, key: &Credential, errors: &Errors) -> Result<FormPage, PageError> {
    let (page, name, back) = page_of(console, "Rotate a key", key.consumer.0).await?;
    let lead = format!(
        "{name} gets a new key with the same rights as {}. Choose how long the old one goes on.",
        key.name
    );
    let (fields, action) = (
        Fields::empty().with_errors(errors),
        format!("{}/rotate", urls::console::key(key.id)),
    );
    Ok(FormPage {
        page,
        fields,
        lead,
        action,
        back,
        replaces: true,
    })
}

async fn ask_rotate(console: Console, id: web::Path<CredentialId>) -> PageResult {
    let key = credentials::get(console.control(), console.actor(), *id).await?;
    console.html(&rotate_page(&console, &key, &Errors::new()).await?)
}

async fn rotate(console: Console, id: web::Path<CredentialId>, form: Form) -> PageResult {
    let key = credentials::get(console.control(), console.actor(), *id).await?;
    let Some(grace) = keys::grace(&form) else {
        let unknown = Errors::one("grace", Code::Invalid, "is none of the choices");
        return console.invalid(&rotate_page(&console, &key, &unknown).await?);
    };
    let written = console
        .control()
        .write(console.actor(), Mode::Commit, async |change| {
            credentials::rotate(change, *id, grace).await
        })
        .await;
    match written {
        Ok(written) => issued(&console, &written).await,
        Err(error) => console.invalid(&rotate_page(&console, &key, &form_errors(error)?).await?),
    }
}

async fn switch(console: Console, id: web::Path<CredentialId>, form: Form) -> PageResult {
    let enabled = form.text("enabled") == "true";
    let written = console
        .control()
        .write(console.actor(), Mode::Commit, async |change| {
            credentials::set_enabled(change, *id, enabled).await
        })
        .await?;
    let words = if enabled { "Key switched on" } else { "Key switched off" };
    let back = urls::console::object(Kind::Consumer, written.value.consumer);
    console.saved(&written, words, back).await
}

async fn ask_revoke(console: Console, id: web::Path<CredentialId>) -> PageResult {
    let key = credentials::get(console.control(), console.actor(), *id).await?;
    let (page, _, back) = page_of(&console, "Revoke a key", key.consumer.0).await?;
    let action = format!("{}/revoke", urls::console::key(key.id));
    console.html(&RevokePage {
        page,
        key,
        action,
        back,
    })
}

async fn revoke(console: Console, id: web::Path<CredentialId>, _form: Form) -> PageResult {
    let written = console
        .control()
        .write(console.actor(), Mode::Commit, async |change| {
            credentials::revoke(change, *id).await
        })
        .await?;
    let back = urls::console::object(Kind::Consumer, written.value.consumer);
    console.saved(&written, "Key revoked", back).await
}

impl ListPage {
    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }

    fn consumer(&self, key: &Credential) -> &str {
        self.consumers
            .get(&key.consumer.0)
            .map(String::as_str)
            .unwrap_or_default()
    }

    fn statuses() -> [(&'static str, &'static str); 4] {
        [
            ("", "All"),
            ("active", "Active"),
            ("disabled", "Disabled"),
            ("revoked", "Revoked"),
        ]
    }
}
