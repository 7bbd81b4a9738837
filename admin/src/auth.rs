//! Who calls: an API token, or the console's session with its token against forged requests (CSRF).

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use control::accounts::{AccountKind, cookies, sessions};
use control::{Control, tokens};
use model::actor::Actor;

use crate::problem::Problem;

/// What a request with the console's session has to carry when it changes something.
pub(crate) const CSRF_HEADER: &str = "x-csrf-token";

/// Finds out who calls; nobody is a problem.
pub(crate) async fn identify(control: &Control, request: &HttpRequest) -> Result<Actor, Problem> {
    match request.headers().get(header::AUTHORIZATION) {
        Some(presented) => by_token(control, presented).await,
        None => by_session(control, request).await,
    }
}

async fn by_token(control: &Control, presented: &HeaderValue) -> Result<Actor, Problem> {
    let text = presented.to_str().unwrap_or_default();
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(unauthorized(
            "Bearer realm=\"Gatehouse\"",
            "Send an API token: `Authorization: Bearer …`.",
        ));
    }
    let actor = tokens::resolve(control, token.trim()).await?;
    actor.ok_or_else(|| {
        let detail = "This API token is not known, has ended or was revoked.";
        unauthorized("Bearer realm=\"Gatehouse\", error=\"invalid_token\"", detail)
    })
}

async fn by_session(control: &Control, request: &HttpRequest) -> Result<Actor, Problem> {
    let name = cookies::cookie(AccountKind::Admin, &control.settings().console_url).name;
    let session = match request.cookie(name) {
        Some(cookie) => sessions::resolve(control, AccountKind::Admin, cookie.value()).await?,
        None => None,
    };
    let Some(session) = session else {
        let detail = "Send an API token: `Authorization: Bearer …`. The console makes them under Settings.";
        return Err(unauthorized("Bearer realm=\"Gatehouse\"", detail));
    };
    let safe = matches!(*request.method(), Method::GET | Method::HEAD);
    let presented = request
        .headers()
        .get(CSRF_HEADER)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !safe && !sessions::same_csrf(&session, presented) {
        let detail = "A request with the console's session needs its token in `X-CSRF-Token`.";
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "csrf_token_wrong",
            "Forged request",
            detail,
        ));
    }
    Ok(session.actor)
}

fn unauthorized(challenge: &'static str, detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "Not signed in", detail)
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}
