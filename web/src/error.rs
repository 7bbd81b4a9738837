//! Everything that can go wrong on a page, and the page that says so.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpResponse, ResponseError};
use askama::Template;
use control::{Dependant, Error};
use model::{Errors, Kind};

use crate::text;

/// What handlers return.
pub type PageResult = Result<HttpResponse, PageError>;

/// Why there is no page. Errors of a form never come here: they stand beside their fields.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// An operation refused.
    #[error(transparent)]
    Control(#[from] Error),
    /// Nobody is signed in; sign in and come back.
    #[error("sign in first")]
    SignIn(String),
    /// There is no such page.
    #[error("no such page")]
    NotFound,
    /// The form was made for another session, or too long ago.
    #[error("the form is out of date")]
    StaleForm,
    /// The form cannot be read.
    #[error("the form cannot be read: {0}")]
    BadForm(String),
    /// The form is too large.
    #[error("the form is larger than {0} bytes")]
    FormTooLarge(usize),
    /// The form did not arrive in time.
    #[error("the form did not arrive within {0:?}")]
    FormTooSlow(Duration),
    /// Another site sent the form.
    #[error("the form was sent by another site")]
    ForeignOrigin,
    /// A template failed.
    #[error("the page could not be written")]
    Render(#[from] askama::Error),
}

/// An error as people read it: what happened, why, what to do.
#[derive(Debug, Template)]
#[template(path = "error.html")]
struct ErrorPage {
    status: u16,
    title: String,
    detail: String,
    dependants: Vec<Dependant>,
    errors: Errors,
    theme: Option<&'static str>,
    home: &'static str,
}

impl PageError {
    fn words(&self) -> (String, String) {
        let (title, detail) = match self {
            Self::SignIn(_) => ("Sign in first", "This page is for people who are signed in."),
            Self::NotFound => (
                "There is no such page",
                "The address may be mistyped, or what it showed is gone.",
            ),
            Self::StaleForm => (
                "This form is out of date",
                "You signed in or out since it was opened, or cookies are blocked. Go back, reload the page and send it again.",
            ),
            Self::ForeignOrigin => (
                "Refused",
                "This form was sent from a page of another site, so nothing was changed.",
            ),
            Self::Render(_) => (
                "Something went wrong",
                "The page could not be written. The log has the details.",
            ),
            Self::BadForm(reason) => return ("The form could not be read".to_owned(), format!("It {reason}.")),
            Self::FormTooLarge(limit) => {
                return (
                    "The form is too large".to_owned(),
                    format!("It may have at most {}.", text::bytes(*limit)),
                );
            }
            Self::FormTooSlow(patience) => {
                return (
                    "The form took too long".to_owned(),
                    format!(
                        "It did not arrive within {} seconds. Go back and send it again.",
                        patience.as_secs()
                    ),
                );
            }
            Self::Control(error) => return control_words(error),
        };
        (title.to_owned(), detail.to_owned())
    }

    fn page(&self, theme: Option<&'static str>, home: &'static str) -> ErrorPage {
        let (title, detail) = self.words();
        let dependants = match self {
            Self::Control(Error::InUse { dependants, .. }) => dependants.clone(),
            _ => Vec::new(),
        };
        let errors = match self {
            Self::Control(Error::Invalid(errors) | Error::InvalidQuery(errors)) => errors.clone(),
            _ => Errors::new(),
        };
        let status = self.status_code().as_u16();
        ErrorPage {
            status,
            title,
            detail,
            dependants,
            errors,
            theme,
            home,
        }
    }

    /// The answer in the theme that the visitor chose, with the way back to their site's start.
    pub(crate) fn dressed(&self, theme: Option<&'static str>, home: &'static str) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if let Self::SignIn(location) = self {
            return response.insert_header((header::LOCATION, location.as_str())).finish();
        }
        if let Self::Control(Error::Throttled { retry_after }) = self {
            response.insert_header((header::RETRY_AFTER, retry_after.as_secs().max(1)));
        }
        let body = self.page(theme, home).render().unwrap_or_else(|_| self.to_string());
        response.content_type("text/html; charset=utf-8").body(body)
    }
}

fn control_words(error: &Error) -> (String, String) {
    match error {
        Error::NotFound { kind, reference } => (
            format!("There is no {kind} {reference}"),
            "It may have been renamed or deleted; the audit log knows.".into(),
        ),
        Error::Stale { version, .. } => (
            "Somebody else changed this".into(),
            format!("It is at version {version} now. Go back, reload the page to see it, and make your change again."),
        ),
        Error::InUse { kind, name, .. } => (
            format!("{} {name} is in use", text::capital(&kind.to_string())),
            "These need it. Change or delete them first:".into(),
        ),
        Error::Conflict(reason) => ("This cannot be done now".into(), text::sentence(reason)),
        Error::Forbidden { resource, action } => {
            let right = format!("{} {}", action.as_str(), resource.as_str().replace('_', " "));
            (
                "You may not do this".into(),
                format!("Your role has no right to {right}. Ask an owner."),
            )
        }
        Error::Throttled { retry_after } => ("Too many attempts".into(), throttled(*retry_after)),
        Error::DeadLink => (
            "This link does not work any more".into(),
            "It was used already, or it has ended. Ask for a new one.".into(),
        ),
        Error::Invalid(_) | Error::InvalidQuery(_) => (
            "This cannot be shown".into(),
            "The address asks for something that does not exist:".into(),
        ),
        Error::WrongCredentials | Error::Unverified | Error::Suspended => {
            ("Not signed in".into(), text::sentence(&error.to_string()))
        }
        Error::Database(_) => (
            "The database does not answer".into(),
            "Traffic through the gateway goes on. Try again in a moment.".into(),
        ),
        Error::Corrupt { .. } | Error::PasswordHash => {
            ("Something went wrong".into(), "The log has the details.".into())
        }
    }
}

/// What to tell somebody who tried too often.
pub fn throttled(retry_after: Duration) -> String {
    format!(
        "For safety nothing is looked at for a while. Try again in {}.",
        text::duration(retry_after)
    )
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Control(error) => control_status(error),
            Self::SignIn(_) => StatusCode::SEE_OTHER,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::StaleForm | Self::ForeignOrigin => StatusCode::FORBIDDEN,
            Self::BadForm(_) => StatusCode::BAD_REQUEST,
            Self::FormTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::FormTooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Render(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        if self.status_code().is_server_error() {
            tracing::error!(error = ?self, "a page failed");
        }
        self.dressed(None, "/")
    }
}

fn control_status(error: &Error) -> StatusCode {
    match error {
        Error::NotFound { .. } => StatusCode::NOT_FOUND,
        Error::Stale { .. } => StatusCode::PRECONDITION_FAILED,
        Error::InUse { .. } | Error::Conflict(_) => StatusCode::CONFLICT,
        Error::Forbidden { .. } | Error::Suspended | Error::Unverified => StatusCode::FORBIDDEN,
        Error::WrongCredentials => StatusCode::UNAUTHORIZED,
        Error::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::DeadLink => StatusCode::GONE,
        Error::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Error::InvalidQuery(_) => StatusCode::BAD_REQUEST,
        Error::Database(_) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Corrupt { .. } | Error::PasswordHash => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Whether pages of this kind exist in the console, to link to.
fn has_page(kind: Kind) -> bool {
    matches!(kind, Kind::Service | Kind::Route | Kind::Upstream | Kind::Consumer)
}
