//! From a request to its answer: every operation goes this one way.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use control::Control;
use control::idempotency::{self, Start};
use model::validation::nearest;
use uuid::Uuid;

use crate::call::Call;
use crate::operation::{Operation, Outcome};
use crate::problem::{self, Problem};
use crate::reply::Reply;
use crate::{api, auth, body};

/// How long an operation may take, including the longest wait for gateways.
const PATIENCE: Duration = Duration::from_mins(1);
/// The longest request id that is taken over from a client.
const MAX_REQUEST_ID: usize = 64;

/// Mounts every operation of the table.
pub(crate) fn configure(config: &mut ServiceConfig) {
    let mut paths: BTreeMap<String, Vec<&'static Operation>> = BTreeMap::new();
    for operation in api::operations() {
        // `~` sorts behind every letter: a literal part is tried before a parameter.
        paths
            .entry(operation.path.replace('{', "~{"))
            .or_default()
            .push(operation);
    }
    let mut scope = web::scope("/api/v1");
    for operations in paths.into_values() {
        let path = operations
            .first()
            .map(|operation| operation.path.clone())
            .unwrap_or_default();
        let handler = move |request, payload| serve(operations.clone(), request, payload);
        scope = scope.service(web::resource(path).to(handler));
    }
    config.service(scope.default_service(web::to(nowhere)));
}

async fn serve(operations: Vec<&'static Operation>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let id = request_id(request.headers());
    let method = if request.method() == Method::HEAD {
        Method::GET
    } else {
        request.method().clone()
    };
    let outcome = match operations.iter().find(|operation| operation.method == method) {
        Some(operation) => run(operation, request, payload).await,
        None => Err(method_not_allowed(&operations)),
    };
    respond(outcome, &id)
}

async fn nowhere(request: HttpRequest) -> HttpResponse {
    let path = request.path().trim_start_matches("/api/v1");
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let known: Vec<&str> = api::operations()
        .iter()
        .filter_map(|row| row.path.split('/').nth(1))
        .collect();
    let shown: String = path.chars().take(100).filter(|c| !c.is_control()).collect();
    let detail = match nearest(first, &known).filter(|near| *near != first) {
        Some(near) => format!("There is nothing at `{shown}`; did you mean `/{near}`?"),
        None => format!("There is nothing at `{shown}`; `/docs` shows what there is."),
    };
    respond(Err(Problem::not_found(detail)), &request_id(request.headers()))
}

fn respond(outcome: Outcome, request_id: &str) -> HttpResponse {
    let reply = match outcome {
        Ok(reply) => reply,
        Err(problem) => {
            if problem.status().is_server_error() {
                tracing::error!(request_id, code = problem.code(), "a request failed");
            }
            problem.reply(request_id)
        }
    };
    reply.into_response(request_id)
}

async fn run(operation: &'static Operation, request: HttpRequest, payload: Payload) -> Outcome {
    let Some(control) = request.app_data::<Data<Control>>().map(|data| data.get_ref().clone()) else {
        return Err(problem::unavailable("This server has no control plane."));
    };
    let actor = auth::identify(&control, &request).await?;
    let (resource, action) = operation.right;
    if !actor.rights.allow(resource, action) {
        return Err(problem::forbidden(resource, action));
    }
    acceptable(request.headers())?;
    let call = Call::new(control, actor, operation, request.clone())?;
    match tokio::time::timeout(PATIENCE, with_body(operation, call, &request, payload)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(problem::unavailable(
            "The operation took too long and was given up; try again.",
        )),
    }
}

/// Reads the body, runs the operation, and keeps the answer for a repeated request.
async fn with_body(
    operation: &'static Operation,
    mut call: Call,
    request: &HttpRequest,
    mut payload: Payload,
) -> Outcome {
    let bytes = body::read(&mut payload).await?;
    match &operation.body {
        Some(wanted) if !(wanted.optional && bytes.is_empty()) => {
            body::check_type(request)?;
            call.body = body::parse(&bytes)?;
        }
        Some(_) => {}
        None if bytes.is_empty() => {}
        None => {
            let detail = "This operation takes no body; send it without one.";
            return Err(Problem::bad_request("body_unexpected", "Unexpected body", detail));
        }
    }
    let key = request
        .headers()
        .get("idempotency-key")
        .filter(|_| operation.method == Method::POST);
    let Some(key) = key else {
        return (operation.handler)(call).await;
    };
    let (control, actor) = (call.control.clone(), call.actor.clone());
    let mut whole = format!("{} {}\n", request.method(), request.uri()).into_bytes();
    whole.extend_from_slice(&bytes);
    let claim = match idempotency::begin(&control, &actor, key.to_str().unwrap_or_default(), &whole).await? {
        Start::Answered(answer) => return Ok(Reply::of_kept(answer)),
        Start::New(claim) => claim,
    };
    call.claim = Some(claim.clone());
    let outcome = (operation.handler)(call).await;
    let kept = match &outcome {
        Ok(reply) => idempotency::finish(&control, claim, &reply.kept()).await,
        Err(problem) if problem.status().is_server_error() => idempotency::abandon(&control, claim).await,
        Err(problem) => {
            let reply = problem.clone().reply(&request_id(request.headers()));
            idempotency::finish(&control, claim, &reply.kept()).await
        }
    };
    if let Err(error) = kept {
        // What was asked for is done; a repeated request will be refused as still running for a minute.
        tracing::warn!(%error, "the answer for an Idempotency-Key could not be kept");
    }
    outcome
}

/// The client's own id of the request when it is harmless to print, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers
        .get("x-request-id")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let plain = given
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if plain && (1..=MAX_REQUEST_ID).contains(&given.len()) {
        given.to_owned()
    } else {
        Uuid::now_v7().to_string()
    }
}

fn method_not_allowed(operations: &[&'static Operation]) -> Problem {
    let mut methods: Vec<&str> = operations.iter().map(|operation| operation.method.as_str()).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    let list = methods.join(", ");
    let detail = format!("This path takes {list}.");
    let problem = Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "Method not allowed",
        detail,
    );
    match HeaderValue::from_str(&list) {
        Ok(list) => problem.with_header(header::ALLOW, list),
        Err(_) => problem,
    }
}

/// Refuses a client that does not take JSON.
fn acceptable(headers: &HeaderMap) -> Result<(), Problem> {
    let ranges: Vec<String> = headers
        .get_all(header::ACCEPT)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|range| range.replace([' ', '\t'], "").to_ascii_lowercase())
        .filter(|range| !range.is_empty())
        .collect();
    let takes = |range: &String| {
        let (media_type, rest) = range.split_once(';').unwrap_or((range, ""));
        let refused = rest
            .split(';')
            .any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
        matches!(media_type, "*/*" | "application/*" | "application/json") && !refused
    };
    if ranges.is_empty() || ranges.iter().any(takes) {
        return Ok(());
    }
    let detail = "Answers are `application/json`; send an `Accept` that takes it.";
    Err(Problem::new(
        StatusCode::NOT_ACCEPTABLE,
        "not_acceptable",
        "Not acceptable",
        detail,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(accept: &'static str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        acceptable(&headers).is_ok()
    }

    #[test]
    fn whoever_takes_json_gets_it() {
        for accept in [
            "*/*",
            "",
            "application/json; charset=utf-8",
            "text/html, application/*;q=0.5",
        ] {
            assert!(takes(accept), "{accept}");
        }
        for accept in [
            "text/html",
            "application/json;q=0",
            "image/*, text/*",
            "application/problem+json",
        ] {
            assert!(!takes(accept), "{accept}");
        }
    }

    #[test]
    fn a_request_id_is_taken_over_when_it_is_plain() {
        let id_of = |given: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(
                header::HeaderName::from_static("x-request-id"),
                HeaderValue::from_static(given),
            );
            request_id(&headers)
        };
        assert_eq!(id_of("abc-1"), "abc-1");
        assert_ne!(id_of("a b"), "a b");
        assert_ne!(id_of(""), "");
    }
}
