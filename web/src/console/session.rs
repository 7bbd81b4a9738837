//! How administrators get in and out: the first one's setup, the password of an invited one, sign-in, sign-out.

use actix_web::web;
use askama::Template;
use control::Error;
use control::accounts::{admins, setup, sign_in};
use model::account::{Admin, MIN_PASSWORD};
use model::{Code, Errors};

use crate::page::AuthPage;
use crate::visit::form_errors;
use crate::{Fields, Form, PageError, PageResult, Query, Visit, text, urls};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/setup", web::get().to(show_setup))
        .route("/setup", web::post().to(complete_setup))
        .route("/invitation", web::get().to(show_invitation))
        .route("/invitation", web::post().to(accept_invitation))
        .route("/login", web::get().to(show_sign_in))
        .route("/login", web::post().to(sign_in))
        .route("/logout", web::post().to(sign_out));
}

#[derive(Template)]
#[template(path = "console/session/setup.html")]
struct SetupPage {
    page: AuthPage,
    fields: Fields,
    token: String,
}

#[derive(Template)]
#[template(path = "console/session/invitation.html")]
struct InvitationPage {
    page: AuthPage,
    fields: Fields,
    admin: Admin,
    token: String,
}

#[derive(Template)]
#[template(path = "console/session/sign_in.html")]
struct SignInPage {
    page: AuthPage,
    fields: Fields,
    problem: String,
    next: String,
    /// Whether there is nobody yet who could sign in.
    setup_needed: bool,
}

/// One card that only says something.
#[derive(Template)]
#[template(path = "console/session/notice.html")]
struct NoticePage {
    page: AuthPage,
    lead: &'static str,
}

const DEAD_SETUP: &str = "It ended, or was cut off when it was copied. Start Gatehouse again: it prints a new one.";
const DEAD_INVITATION: &str =
    "It was used already, or it ended after three days. Ask an owner to send you a new one from the settings.";

async fn show_setup(visit: Visit, query: Query) -> PageResult {
    if !setup::needed(visit.control()).await? {
        return visit.redirect(urls::console::SIGN_IN);
    }
    let token = query.get("token").to_owned();
    if !setup::check(visit.control(), &token).await? {
        return notice(&visit, DEAD_SETUP);
    }
    visit.html(&setup_page(&visit, token, Fields::empty()))
}

async fn complete_setup(visit: Visit, form: Form) -> PageResult {
    let token = form.button("_token").unwrap_or_default().to_owned();
    match setup::complete(visit.control(), &token, form.submission(), &visit.client()).await {
        Ok(opened) => visit.sign_in(&opened, urls::console::HOME),
        // Somebody else was faster.
        Err(Error::DeadLink) if !setup::needed(visit.control()).await? => visit.redirect(urls::console::SIGN_IN),
        Err(Error::DeadLink) => notice(&visit, DEAD_SETUP),
        Err(error) => {
            let fields = Fields::typed(&form).with_errors(&form_errors(error)?);
            visit.invalid(&setup_page(&visit, token, fields))
        }
    }
}

fn setup_page(visit: &Visit, token: String, fields: Fields) -> SetupPage {
    SetupPage {
        page: visit.auth_page("Set up Gatehouse"),
        fields,
        token,
    }
}

async fn show_invitation(visit: Visit, query: Query) -> PageResult {
    let token = query.get("token").to_owned();
    let Some(admin) = admins::check_invitation(visit.control(), &token).await? else {
        return notice(&visit, DEAD_INVITATION);
    };
    visit.html(&invitation_page(&visit, admin, token, Fields::empty()))
}

async fn accept_invitation(visit: Visit, form: Form) -> PageResult {
    let (control, token) = (visit.control(), form.button("_token").unwrap_or_default().to_owned());
    match admins::accept_invitation(control, &token, Some(form.text("password")), &visit.client()).await {
        Ok(opened) => visit.sign_in(&opened, urls::console::HOME),
        Err(Error::DeadLink | Error::Suspended) => notice(&visit, DEAD_INVITATION),
        Err(error) => {
            let fields = Fields::typed(&form).with_errors(&form_errors(error)?);
            match admins::check_invitation(control, &token).await? {
                Some(admin) => visit.invalid(&invitation_page(&visit, admin, token, fields)),
                None => notice(&visit, DEAD_INVITATION),
            }
        }
    }
}

fn invitation_page(visit: &Visit, admin: Admin, token: String, fields: Fields) -> InvitationPage {
    InvitationPage {
        page: visit.auth_page("Choose your password"),
        fields,
        admin,
        token,
    }
}

async fn show_sign_in(visit: Visit, query: Query) -> PageResult {
    let next = query.get("next").to_owned();
    if visit.session().is_some() {
        return visit.redirect(visit.way_back(&next));
    }
    let page = sign_in_page(&visit, next, Fields::empty(), String::new()).await?;
    visit.html(&page)
}

async fn sign_in(visit: Visit, form: Form) -> PageResult {
    let next = form.button("_next").unwrap_or_default().to_owned();
    match sign_in::admin(visit.control(), form.submission(), &visit.client()).await {
        Ok(opened) => visit.sign_in(&opened, &next),
        Err(error) => {
            let (problem, errors) = refusal(error)?;
            let fields = Fields::typed(&form).with_errors(&errors);
            let page = sign_in_page(&visit, next, fields, problem).await?;
            visit.invalid(&page)
        }
    }
}

async fn sign_in_page(visit: &Visit, next: String, fields: Fields, problem: String) -> Result<SignInPage, PageError> {
    Ok(SignInPage {
        page: visit.auth_page("Sign in"),
        fields,
        problem,
        next,
        setup_needed: setup::needed(visit.control()).await?,
    })
}

/// Which of the reasons not to let somebody in are for the form to tell.
fn refusal(error: Error) -> Result<(String, Errors), PageError> {
    let words = match error {
        Error::WrongCredentials => "E-mail address or password is wrong. Check both and try again.".to_owned(),
        Error::Suspended => "This account is disabled. Ask an owner to enable it.".to_owned(),
        Error::Throttled { retry_after } => format!(
            "Too many attempts. For safety nothing is looked at for a while; try again in {}.",
            text::duration(retry_after)
        ),
        other => return Ok((String::new(), form_errors(other)?)),
    };
    Ok((words, Errors::new()))
}

async fn sign_out(visit: Visit, _form: Form) -> PageResult {
    visit.sign_out(urls::console::SIGN_IN).await
}

fn notice(visit: &Visit, lead: &'static str) -> PageResult {
    let page = visit.auth_page("This link does not work any more");
    visit.render(actix_web::http::StatusCode::GONE, &NoticePage { page, lead })
}

/// What a new password must be.
pub(super) fn password_help() -> String {
    format!("At least {MIN_PASSWORD} characters. A few words in a row are easy to remember.")
}

/// A wait that belongs beside a password field.
pub(super) fn throttled(error: Error, field: &str) -> Result<Errors, PageError> {
    match error {
        Error::Throttled { retry_after } => {
            let words = format!("was tried too often; try again in {}", text::duration(retry_after));
            Ok(Errors::one(field, Code::Conflict, words))
        }
        other => form_errors(other),
    }
}
