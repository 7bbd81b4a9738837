//! A developer's account: name, password, sessions.

use actix_web::web;
use askama::Template;
use control::accounts::sessions::SessionInfo;
use control::accounts::{password, sessions};
use control::developers::profile;
use model::account::Developer;
use model::clock::Timestamp;
use uuid::Uuid;

use super::form_errors;
use crate::times::{self, Time};
use crate::{Fields, Flash, Form, PageError, PageResult, PortalAccount, PortalArea, PortalPage, urls};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/account", web::get().to(show))
        .route("/account", web::post().to(update))
        .route("/account/password", web::post().to(change_password))
        .route("/account/sessions/{id}/end", web::post().to(end_session));
}

#[derive(Template)]
#[template(path = "portal/account/show.html")]
struct AccountPage {
    page: PortalPage,
    developer: Developer,
    fields: Fields,
    password: Fields,
    sessions: Vec<SessionInfo>,
    now: Timestamp,
}

impl AccountPage {
    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }
}

async fn account_page(
    account: &PortalAccount,
    fields: Option<Fields>,
    password: Fields,
) -> Result<AccountPage, PageError> {
    let control = account.control();
    let developer = profile::get(control, account.session()).await?;
    let fields = fields.unwrap_or_else(|| Fields::of(&developer));
    let sessions = sessions::list(control, account.session()).await?;
    let page = account.page("Account", PortalArea::Account);
    Ok(AccountPage {
        page,
        developer,
        fields,
        password,
        sessions,
        now: control.now(),
    })
}

async fn show(account: PortalAccount) -> PageResult {
    let page = account_page(&account, None, Fields::empty()).await?;
    account.html(&page)
}

async fn update(account: PortalAccount, form: Form) -> PageResult {
    match profile::update(account.control(), account.session(), form.submission()).await {
        Ok(_) => account.redirect_with(urls::portal::ACCOUNT, &Flash::ok("Account saved")),
        Err(error) => {
            let fields = Fields::typed(&form).with_errors(&form_errors(error)?);
            let page = account_page(&account, Some(fields), Fields::empty()).await?;
            account.invalid(&page)
        }
    }
}

async fn change_password(account: PortalAccount, form: Form) -> PageResult {
    match password::change(account.control(), account.session(), form.submission()).await {
        Ok(()) => {
            let flash = Flash::ok("Password changed; your other sessions have ended");
            account.redirect_with(urls::portal::ACCOUNT, &flash)
        }
        Err(error) => {
            let fields = Fields::typed(&form).with_errors(&form_errors(error)?);
            let page = account_page(&account, None, fields).await?;
            account.invalid(&page)
        }
    }
}

async fn end_session(account: PortalAccount, id: web::Path<Uuid>, _form: Form) -> PageResult {
    sessions::revoke(account.control(), account.session(), *id).await?;
    account.redirect_with(urls::portal::ACCOUNT, &Flash::ok("Session ended"))
}
