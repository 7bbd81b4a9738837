//! Sign-up, confirmation, sign-in, and the way back after a lost password.

use actix_web::web;
use askama::Template;
use control::Error;
use control::accounts::sign_in;
use control::developers::{recovery, sign_up};

use super::form_errors;
use crate::page::AuthPage;
use crate::{Fields, Flash, Form, PageError, PageResult, Query, Visit, text, urls};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/login", web::get().to(show_sign_in))
        .route("/login", web::post().to(sign_in))
        .route("/logout", web::post().to(sign_out))
        .route("/signup", web::get().to(show_sign_up))
        .route("/signup", web::post().to(sign_up))
        .route("/verify", web::get().to(show_verify))
        .route("/verify", web::post().to(verify))
        .route("/forgot", web::get().to(show_forgot))
        .route("/forgot", web::post().to(forgot))
        .route("/reset", web::get().to(show_reset))
        .route("/reset", web::post().to(reset));
}

#[derive(Template)]
#[template(path = "portal/session/sign_in.html")]
struct SignInPage {
    page: AuthPage,
    fields: Fields,
    problem: String,
    next: String,
}

#[derive(Template)]
#[template(path = "portal/session/sign_up.html")]
struct SignUpPage {
    page: AuthPage,
    fields: Fields,
    next: String,
}

/// One card with a form of one field or none.
#[derive(Template)]
#[template(path = "portal/session/step.html")]
struct StepPage {
    page: AuthPage,
    title: &'static str,
    lead: String,
    action: &'static str,
    token: String,
    field: Option<crate::fields::Field>,
    button: &'static str,
}

/// One card that only says something.
#[derive(Template)]
#[template(path = "portal/session/notice.html")]
struct NoticePage {
    page: AuthPage,
    title: &'static str,
    lead: &'static str,
    link: (&'static str, &'static str),
}

impl SignInPage {
    fn sign_up(&self) -> String {
        urls::with_query(urls::portal::SIGN_UP, &[("next", &self.next)])
    }
}

impl SignUpPage {
    fn sign_in(&self) -> String {
        urls::with_query(urls::portal::SIGN_IN, &[("next", &self.next)])
    }
}

async fn show_sign_in(visit: Visit, query: Query) -> PageResult {
    if visit.session().is_some() {
        return visit.redirect(urls::portal::APPLICATIONS);
    }
    let asked = Some(query.get("next")).filter(|next| !next.is_empty());
    let next = asked.or(visit.wish()).unwrap_or_default().to_owned();
    let page = visit.auth_page("Sign in");
    visit.html(&SignInPage {
        page,
        fields: Fields::empty(),
        problem: String::new(),
        next,
    })
}

async fn sign_in(visit: Visit, form: Form) -> PageResult {
    let next = form.button("_next").unwrap_or_default().to_owned();
    match sign_in::developer(visit.control(), form.submission(), &visit.client()).await {
        Ok(opened) => visit.sign_in(
            &opened,
            if next.is_empty() {
                urls::portal::APPLICATIONS
            } else {
                &next
            },
        ),
        Err(error) => {
            let (problem, errors) = sign_in_problem(error)?;
            let fields = Fields::typed(&form).with_errors(&errors);
            visit.invalid(&SignInPage {
                page: visit.auth_page("Sign in"),
                fields,
                problem,
                next,
            })
        }
    }
}

/// Which of the reasons not to let somebody in are for the form to tell.
fn sign_in_problem(error: Error) -> Result<(String, model::Errors), PageError> {
    match error {
        Error::WrongCredentials | Error::Unverified | Error::Suspended => {
            Ok((text::sentence(&error.to_string()), model::Errors::new()))
        }
        Error::Throttled { retry_after } => {
            let wait = text::duration(retry_after);
            Ok((format!("Too many attempts. Try again in {wait}."), model::Errors::new()))
        }
        other => Ok((String::new(), form_errors(other)?)),
    }
}

async fn sign_out(visit: Visit, _form: Form) -> PageResult {
    visit.sign_out(urls::portal::HOME).await
}

async fn show_sign_up(visit: Visit, query: Query) -> PageResult {
    visit.html(&sign_up_page(&visit, Fields::empty(), query.get("next")))
}

fn sign_up_page(visit: &Visit, fields: Fields, next: &str) -> SignUpPage {
    SignUpPage {
        page: visit.auth_page("Make an account"),
        fields,
        next: next.to_owned(),
    }
}

async fn sign_up(visit: Visit, form: Form) -> PageResult {
    let errors = match sign_up::sign_up(visit.control(), form.submission(), &visit.client()).await {
        Ok(()) => {
            let link = (urls::portal::SIGN_IN, "Sign in");
            let mut page = notice(&visit, "Look into your mail", LOOK_INTO_MAIL, link)?;
            visit.keep_wish(&mut page, form.button("_next").unwrap_or_default());
            return Ok(page);
        }
        Err(Error::Throttled { retry_after }) => {
            let wait = text::duration(retry_after);
            let message = format!("cannot be used right now: too many attempts. Try again in {wait}");
            model::Errors::one("email", model::Code::Conflict, message)
        }
        Err(error) => form_errors(error)?,
    };
    let fields = Fields::typed(&form).with_errors(&errors);
    visit.invalid(&sign_up_page(&visit, fields, form.button("_next").unwrap_or_default()))
}

const LOOK_INTO_MAIL: &str = "We sent a link to your address. Follow it to finish. It works once, for one day.";
const DEAD: &str = "This link was used already or has ended. Ask for a new one.";

async fn show_verify(visit: Visit, query: Query) -> PageResult {
    let token = query.get("token").to_owned();
    if !sign_up::check(visit.control(), &token).await? {
        return notice(&visit, "This link has ended", DEAD, (urls::portal::SIGN_IN, "Sign in"));
    }
    let lead = "One more click, and your account is ready.".to_owned();
    visit.html(&step(
        &visit,
        ("Confirm your address", lead),
        (urls::portal::VERIFY, "Confirm address"),
        token,
        None,
    ))
}

async fn verify(visit: Visit, form: Form) -> PageResult {
    match sign_up::verify(visit.control(), form.text("token")).await {
        Ok(developer) => {
            let flash = Flash::ok(format!("{} is confirmed. Sign in to go on.", developer.email));
            visit.redirect_with(urls::portal::SIGN_IN, &flash)
        }
        Err(Error::DeadLink) => notice(&visit, "This link has ended", DEAD, (urls::portal::SIGN_IN, "Sign in")),
        Err(error) => Err(error.into()),
    }
}

async fn show_forgot(visit: Visit) -> PageResult {
    let field = Fields::empty()
        .email("email", "E-mail address")
        .autocomplete("username");
    let lead = "Tell us your address. If it has an account, we send a link to choose a new password.".to_owned();
    let action = (urls::portal::FORGOT, "Send the link");
    visit.html(&step(
        &visit,
        ("Forgot your password?", lead),
        action,
        String::new(),
        Some(field),
    ))
}

async fn forgot(visit: Visit, form: Form) -> PageResult {
    match recovery::request(visit.control(), Some(form.text("email")), &visit.client()).await {
        Ok(()) => {
            let lead = "If the address has an account, a link is on its way. It works once, for one hour.";
            notice(
                &visit,
                "Look into your mail",
                lead,
                (urls::portal::SIGN_IN, "Back to sign in"),
            )
        }
        Err(error) => {
            let fields = Fields::typed(&form).with_errors(&form_errors(error)?);
            let field = fields.email("email", "E-mail address").autocomplete("username");
            let lead = "Tell us your address.".to_owned();
            let action = (urls::portal::FORGOT, "Send the link");
            visit.invalid(&step(
                &visit,
                ("Forgot your password?", lead),
                action,
                String::new(),
                Some(field),
            ))
        }
    }
}

async fn show_reset(visit: Visit, query: Query) -> PageResult {
    let token = query.get("token").to_owned();
    if !recovery::check(visit.control(), &token).await? {
        return notice(
            &visit,
            "This link has ended",
            DEAD,
            (urls::portal::FORGOT, "Ask for a new link"),
        );
    }
    visit.html(&reset_step(&visit, token, &Fields::empty()))
}

async fn reset(visit: Visit, form: Form) -> PageResult {
    let token = form.text("token").to_owned();
    match recovery::reset(visit.control(), &token, Some(form.text("password")), &visit.client()).await {
        Ok(_) => visit.redirect_with(
            urls::portal::SIGN_IN,
            &Flash::ok("The new password is set. Sign in with it."),
        ),
        Err(Error::DeadLink) => notice(
            &visit,
            "This link has ended",
            DEAD,
            (urls::portal::FORGOT, "Ask for a new link"),
        ),
        Err(error) => {
            let fields = Fields::typed(&form).with_errors(&form_errors(error)?);
            visit.invalid(&reset_step(&visit, token, &fields))
        }
    }
}

fn reset_step(visit: &Visit, token: String, fields: &Fields) -> StepPage {
    let field = fields
        .password("password", "New password")
        .autocomplete("new-password")
        .help("At least 12 characters.");
    let lead = "All your other sessions end when you set it.".to_owned();
    step(
        visit,
        ("Choose a new password", lead),
        (urls::portal::RESET, "Set password"),
        token,
        Some(field),
    )
}

fn step(
    visit: &Visit,
    (title, lead): (&'static str, String),
    (action, button): (&'static str, &'static str),
    token: String,
    field: Option<crate::fields::Field>,
) -> StepPage {
    StepPage {
        page: visit.auth_page(title),
        title,
        lead,
        action,
        token,
        field,
        button,
    }
}

fn notice(visit: &Visit, title: &'static str, lead: &'static str, link: (&'static str, &'static str)) -> PageResult {
    visit.html(&NoticePage {
        page: visit.auth_page(title),
        title,
        lead,
        link,
    })
}
