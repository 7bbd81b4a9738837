//! API tokens: listed, made and shown once, revoked.

mod scopes;

use actix_web::web;
use askama::Template;
use control::tokens;
use model::actor::Resource;
use model::clock::Timestamp;
use model::id::TokenId;
use model::token::{ApiToken, TokenDraft};
use model::{Draft as _, Submission};
use serde_json::Value;
use time::Duration;
use time::format_description::well_known::Rfc3339;

use super::Question;
use crate::console::listing::Listing;
use crate::times::{self, Time};
use crate::visit::form_errors;
use crate::{Choice, Console, ConsolePage, Fields, Flash, Form, PageResult, Query, urls};
use scopes::Grants;

const TAB: (&str, &str) = ("API tokens", urls::console::TOKENS);
/// How long a token may live: what is sent, what people read, and how many days; none is for ever.
const LIFETIMES: [(&str, &str, Option<i64>); 5] = [
    ("7", "In 7 days", Some(7)),
    ("30", "In 30 days", Some(30)),
    ("90", "In 90 days", Some(90)),
    ("365", "In a year", Some(365)),
    ("never", "Never", None),
];
const USUAL_LIFETIME: &str = "90";

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/settings/tokens", web::get().to(list))
        .route("/settings/tokens/new", web::get().to(new))
        .route("/settings/tokens/new", web::post().to(create))
        .route("/settings/tokens/{id}/revoke", web::get().to(ask_revoke))
        .route("/settings/tokens/{id}/revoke", web::post().to(revoke));
}

#[derive(Template)]
#[template(path = "console/settings/tokens/list.html")]
struct ListPage {
    page: ConsolePage,
    listing: Listing<ApiToken>,
    status: String,
    now: Timestamp,
}

#[derive(Template)]
#[template(path = "console/settings/tokens/form.html")]
struct FormPage {
    page: ConsolePage,
    fields: Fields,
    grants: Grants,
}

#[derive(Template)]
#[template(path = "console/settings/tokens/secret.html")]
struct SecretPage {
    page: ConsolePage,
    token: ApiToken,
    secret: String,
    call: String,
}

async fn list(console: Console, query: Query) -> PageResult {
    let (control, list) = (console.control(), query.list(&["status"])?);
    let found = tokens::list(control, console.actor(), &list).await?;
    console.html(&ListPage {
        page: super::page(&console, TAB.0, None).await?,
        status: query.get("status").to_owned(),
        listing: Listing::new(found, &list, query, urls::console::TOKENS),
        now: control.now(),
    })
}

async fn new(console: Console) -> PageResult {
    let fields = Fields::of(&serde_json::json!({ "lifetime": USUAL_LIFETIME }));
    let page = form_page(&console, fields).await?;
    console.html(&page)
}

async fn form_page(console: &Console, fields: Fields) -> Result<FormPage, crate::PageError> {
    Ok(FormPage {
        page: super::page(console, "New API token", Some(TAB)).await?,
        grants: Grants::of(&fields, &console.actor().rights),
        fields,
    })
}

async fn create(console: Console, form: Form) -> PageResult {
    let control = console.control();
    match tokens::create(control, console.actor(), draft(&form, control.now())).await {
        Ok(issued) => {
            let secret = issued.secret.expose().to_owned();
            let url = format!("{}/api/v1/routes", control.settings().console_url);
            console.html(&SecretPage {
                page: super::page(&console, "Your new token", Some(TAB)).await?,
                call: format!("curl {url} \\\n  -H 'Authorization: Bearer {secret}'"),
                token: issued.token,
                secret,
            })
        }
        Err(error) => {
            let fields = Fields::typed(&form).with_errors(&form_errors(error)?);
            let page = form_page(&console, fields).await?;
            console.invalid(&page)
        }
    }
}

/// The draft, where the time that was chosen became the moment at which the token ends.
fn draft(form: &Form, now: Timestamp) -> Submission<TokenDraft> {
    let mut body = form.json();
    let days = LIFETIMES.iter().find(|(word, ..)| *word == form.text("lifetime"));
    if let Value::Object(members) = &mut body {
        members.remove("lifetime");
        if let Some(days) = days.and_then(|(.., days)| *days) {
            let end = (now + Duration::days(days)).format(&Rfc3339).unwrap_or_default();
            members.insert("expires_at".to_owned(), Value::String(end));
        }
    }
    TokenDraft::read(&body)
}

async fn ask_revoke(console: Console, id: web::Path<TokenId>) -> PageResult {
    let token = tokens::get(console.control(), console.actor(), *id).await?;
    let question = Question {
        action: urls::console::setting(urls::console::TOKENS, token.id, "revoke"),
        title: format!("Revoke the token {}?", token.name),
        text: "What uses it is refused at once and for good. A token cannot be brought back.",
        danger: "Revoke token",
        keep: "Keep it",
        tab: TAB,
        typed: String::new(),
    };
    super::ask(&console, question).await
}

async fn revoke(console: Console, id: web::Path<TokenId>, _form: Form) -> PageResult {
    let token = tokens::revoke(console.control(), console.actor(), *id).await?;
    let flash = Flash::ok(format!("Token {} revoked", token.name));
    console.redirect_with(urls::console::TOKENS, &flash)
}

impl ListPage {
    fn state(&self, token: &ApiToken) -> (&'static str, &'static str) {
        match (token.revoked_at, token.expires_at) {
            (Some(_), _) => ("Revoked", ""),
            (None, Some(end)) if end <= self.now => ("Ended", ""),
            _ => ("Active", "ok"),
        }
    }

    fn statuses() -> [(&'static str, &'static str); 4] {
        [
            ("", "All"),
            ("active", "Active"),
            ("expired", "Ended"),
            ("revoked", "Revoked"),
        ]
    }

    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }
}

impl SecretPage {
    fn title(&self) -> String {
        format!("Token {}", self.token.name)
    }
}

impl FormPage {
    fn lifetimes() -> Vec<Choice> {
        let choice = |(word, label, _): (&str, &str, Option<i64>)| Choice::new(word, label);
        LIFETIMES.into_iter().map(choice).collect()
    }
}
