//! Problems (RFC 9457): the one place where an error becomes an answer.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use control::{Dependant, Error};
use model::{Code, Errors, FieldError, Kind};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::reply::Reply;

/// Why a request was not done, in the form of RFC 9457.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// A URN that ends in the code.
    #[serde(rename = "type")]
    #[schema(example = "urn:gatehouse:problem:invalid_input")]
    urn: String,
    /// What kind of problem it is, in a few words.
    #[schema(example = "Invalid input")]
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 422)]
    status: u16,
    /// What happened, and what to do about it.
    detail: String,
    /// The kind of problem, for programs.
    #[schema(example = "invalid_input")]
    code: &'static str,
    /// Everything that is wrong with the input, by path.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
    /// The objects that need the one that should be deleted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    dependants: Vec<Dependant>,
    /// The object as it is now, when somebody else changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    current: Option<Box<Value>>,
    /// The request, as it is called in the logs.
    #[schema(value_type = String)]
    request_id: Option<String>,
    #[serde(skip)]
    #[schema(ignore)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem of this status and kind.
    pub(crate) fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            urn: format!("urn:gatehouse:problem:{code}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            code,
            errors: Vec::new(),
            dependants: Vec::new(),
            current: None,
            request_id: None,
            headers: Vec::new(),
        }
    }

    /// Nothing is there.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found", detail)
    }

    /// There is no object of this id or name.
    pub(crate) fn no(kind: Kind, reference: &str) -> Self {
        let shown: String = reference.chars().take(64).filter(|c| !c.is_control()).collect();
        Self::not_found(format!("There is no {kind} `{shown}`."))
    }

    /// The request cannot be understood.
    pub(crate) fn bad_request(code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, title, detail)
    }

    /// The input is wrong in these places.
    pub(crate) fn invalid(errors: &Errors) -> Self {
        let detail = format!("The input is not valid: {}", places(errors));
        let problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_input",
            "Invalid input",
            detail,
        );
        problem.with_errors(errors)
    }

    /// The object is not the one that the client has seen.
    pub(crate) fn precondition_failed(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "changed_since",
            "Changed since it was read",
            detail,
        )
    }

    /// Another header of the answer.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    fn with_errors(mut self, errors: &Errors) -> Self {
        self.errors = errors.iter().cloned().collect();
        self
    }

    /// Says that a parent in the path is not there, when that is what a member is about.
    pub(crate) fn of_parent(self, parent: Kind, reference: &str, member: &str) -> Self {
        let missing = self
            .errors
            .iter()
            .any(|error| error.path == member && error.code == Code::NotFound);
        if missing { Self::no(parent, reference) } else { self }
    }

    /// The status.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The code.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// The answer, with the id of the request in it.
    pub(crate) fn reply(mut self, request_id: &str) -> Reply {
        self.request_id = Some(request_id.to_owned());
        let headers = std::mem::take(&mut self.headers);
        let mut reply = Reply::json(self.status(), &self).with_type("application/problem+json");
        for (name, value) in headers {
            reply = reply.with_header(name, value);
        }
        reply
    }
}

/// Where the mistakes are, short enough for one line.
fn places(errors: &Errors) -> String {
    let all: Vec<String> = errors
        .iter()
        .map(|error| {
            if error.path.is_empty() {
                error.message.clone()
            } else {
                format!("`{}` {}", error.path, error.message)
            }
        })
        .collect();
    match all.len() {
        0..=3 => all.join("; "),
        more => format!("{}; and {} more", all[..3].join("; "), more - 3),
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(errors) => Self::invalid(&errors),
            Error::InvalidQuery(errors) => {
                let detail = format!("The request is not valid: {}", places(&errors));
                Self::bad_request("invalid_query", "Invalid query", detail).with_errors(&errors)
            }
            Error::NotFound { kind, reference } => Self::no(kind, &reference),
            Error::Stale { version, current } => {
                let detail = format!("Somebody changed it since it was read: its version is {version} now.");
                let etag = crate::conditions::etag(version);
                let problem = Self::precondition_failed(detail).with_header(header::ETAG, etag);
                Self {
                    current: Some(current),
                    ..problem
                }
            }
            Error::InUse { kind, name, dependants } => in_use(kind, &name, dependants),
            Error::Conflict(text) => Self::new(StatusCode::CONFLICT, "conflict", "Conflict", sentence(&text)),
            Error::Forbidden { resource, action } => forbidden(resource, action),
            Error::Throttled { retry_after } => {
                let seconds = retry_after.as_secs().max(1);
                let detail = format!("Too many attempts; try again in {seconds} seconds.");
                Self::new(StatusCode::TOO_MANY_REQUESTS, "throttled", "Too many attempts", detail)
                    .with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
            }
            Error::WrongCredentials | Error::Unverified | Error::Suspended | Error::DeadLink => Self::new(
                StatusCode::FORBIDDEN,
                "refused",
                "Refused",
                sentence(&error.to_string()),
            ),
            Error::Database(_) => {
                tracing::error!(error = %Chain(&error), "the database failed");
                unavailable("The database does not answer; try again.")
            }
            Error::Corrupt { .. } | Error::PasswordHash => {
                tracing::error!(error = %Chain(&error), "an operation failed");
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Self::new(
                    status,
                    "internal",
                    "Internal error",
                    "Gatehouse failed; its log says more under the id of this request.",
                )
            }
        }
    }
}

/// Nothing is wrong with the request: it can be sent again soon.
pub(crate) fn unavailable(detail: &str) -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "unavailable",
        "Not available now",
        detail,
    )
    .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
}

/// The actor has no right to this.
pub(crate) fn forbidden(resource: model::actor::Resource, action: model::actor::Action) -> Problem {
    let right = format!("{}:{}", resource.as_str(), action.as_str());
    let detail = format!("This needs the right `{right}`, which you do not have.");
    let path = Errors::one("", Code::Invalid, format!("needs the right `{right}`"));
    Problem::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed", detail).with_errors(&path)
}

fn in_use(kind: Kind, name: &str, dependants: Vec<Dependant>) -> Problem {
    let named: Vec<String> = dependants
        .iter()
        .take(5)
        .map(|dependant| format!("{} `{}`", dependant.kind, dependant.name))
        .collect();
    let more = dependants.len().saturating_sub(named.len());
    let and_more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let detail = format!(
        "The {kind} `{name}` is needed by {}{and_more}. Delete them first, or delete all with `?cascade=true`.",
        named.join(", ")
    );
    let problem = Problem::new(StatusCode::CONFLICT, "in_use", "In use", detail);
    Problem { dependants, ..problem }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters
        .next()
        .map(|first| first.to_uppercase().to_string())
        .unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// An error with everything that led to it, for the log.
struct Chain<'a>(&'a Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = std::error::Error::source(self.0);
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

/// An example of a problem, for the document.
pub(crate) fn example() -> Value {
    json!({
        "type": "urn:gatehouse:problem:invalid_input",
        "title": "Invalid input",
        "status": 422,
        "detail": "The input is not valid: `pathes` unknown member `pathes`, did you mean `paths`?",
        "code": "invalid_input",
        "errors": [
            {"path": "pathes", "message": "unknown member `pathes`, did you mean `paths`?", "code": "unknown_member"},
        ],
        "request_id": "0198c1d2-6f2a-7c3e-9b1d-2f6a1c0e9d11",
    })
}
