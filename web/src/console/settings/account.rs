//! One's own account: the password, and where one is signed in.

use actix_web::web;
use askama::Template;
use control::accounts::sessions::SessionInfo;
use control::accounts::{password, sessions};
use model::clock::Timestamp;
use uuid::Uuid;

use crate::console::session::throttled;
use crate::times::{self, Time};
use crate::{Console, ConsolePage, Fields, Flash, Form, PageError, PageResult, text, urls};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/settings/account", web::get().to(show))
        .route("/settings/account/password", web::post().to(change_password))
        .route("/settings/account/sessions/end", web::post().to(end_others))
        .route("/settings/account/sessions/{id}/end", web::post().to(end));
}

#[derive(Template)]
#[template(path = "console/settings/account.html")]
struct AccountPage {
    page: ConsolePage,
    fields: Fields,
    sessions: Vec<SessionInfo>,
    now: Timestamp,
}

async fn account_page(console: &Console, fields: Fields) -> Result<AccountPage, PageError> {
    let control = console.control();
    Ok(AccountPage {
        page: super::page(console, "My account", None).await?,
        fields,
        sessions: sessions::list(control, console.session()).await?,
        now: control.now(),
    })
}

async fn show(console: Console) -> PageResult {
    let page = account_page(&console, Fields::empty()).await?;
    console.html(&page)
}

async fn change_password(console: Console, form: Form) -> PageResult {
    match password::change(console.control(), console.session(), form.submission()).await {
        Ok(()) => done(&console, "Password changed; your other sessions have ended"),
        Err(error) => {
            let errors = throttled(error, "current_password")?;
            let page = account_page(&console, Fields::typed(&form).with_errors(&errors)).await?;
            console.invalid(&page)
        }
    }
}

async fn end(console: Console, id: web::Path<Uuid>, _form: Form) -> PageResult {
    sessions::revoke(console.control(), console.session(), *id).await?;
    done(&console, "Session ended")
}

async fn end_others(console: Console, _form: Form) -> PageResult {
    let ended = sessions::revoke_others(console.control(), console.session()).await?;
    let ended = i64::try_from(ended).unwrap_or(i64::MAX);
    done(
        &console,
        &format!("{} ended", text::plural(ended, "session", "sessions")),
    )
}

fn done(console: &Console, words: &str) -> PageResult {
    console.redirect_with(urls::console::ACCOUNT, &Flash::ok(words))
}

impl AccountPage {
    fn others(&self) -> bool {
        self.sessions.iter().any(|session| !session.current)
    }

    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }
}
