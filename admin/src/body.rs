//! Bodies of requests: bounded in size and time, of the right type, and JSON without surprises.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt as _;
use model::{Code, Errors};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::problem::Problem;
use crate::strict_json;

/// The largest body, in bytes.
pub(crate) const MAX_BODY: usize = 1024 * 1024;
/// What is read of a larger one and thrown away, so that a client that writes first also reads the answer.
const MAX_DRAINED: usize = 64 * 1024 * 1024;
/// How long a body may take.
const PATIENCE: Duration = Duration::from_secs(20);
const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// Reads a body; a larger one than allowed, or a slow one, is a problem.
pub(crate) async fn read(payload: &mut Payload) -> Result<Bytes, Problem> {
    let deadline = Instant::now() + PATIENCE;
    let mut body = BytesMut::new();
    let mut length = 0_usize;
    loop {
        match timeout_at(deadline, payload.next()).await {
            Err(_) => return Err(too_slow()),
            Ok(None) if length > MAX_BODY => return Err(too_large()),
            Ok(None) => return Ok(body.freeze()),
            Ok(Some(Err(error))) => {
                let detail = format!("The body cannot be read: {error}.");
                return Err(Problem::bad_request("broken_body", "Broken body", detail));
            }
            Ok(Some(Ok(piece))) => {
                length = length.saturating_add(piece.len());
                if length > MAX_DRAINED {
                    return Err(too_large());
                }
                if length <= MAX_BODY {
                    body.extend_from_slice(&piece);
                }
            }
        }
    }
}

fn too_slow() -> Problem {
    let detail = format!("The body did not arrive within {} seconds.", PATIENCE.as_secs());
    Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", "Body too slow", detail)
}

fn too_large() -> Problem {
    let detail = format!("The body is larger than {MAX_BODY} bytes, which is the most.");
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        "Body too large",
        detail,
    )
}

/// Refuses a body of another type than JSON.
pub(crate) fn check_type(request: &HttpRequest) -> Result<(), Problem> {
    let is_patch = request.method() == Method::PATCH;
    let given = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let mut parts = given.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
    let fits = media_type == JSON || (is_patch && media_type == MERGE_PATCH);
    let foreign = parts.any(|part| {
        let part = part.to_ascii_lowercase();
        part.strip_prefix("charset=")
            .is_some_and(|charset| charset.trim_matches('"') != "utf-8")
    });
    if fits && !foreign {
        return Ok(());
    }
    let wanted = if is_patch { MERGE_PATCH } else { JSON };
    let detail = format!("Send the body as `{wanted}` in UTF-8, and say so in `Content-Type`.");
    let problem = Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "Unsupported media type",
        detail,
    );
    let name = if is_patch {
        HeaderName::from_static("accept-patch")
    } else {
        header::ACCEPT
    };
    Err(problem.with_header(
        name,
        HeaderValue::from_static(if is_patch { MERGE_PATCH } else { JSON }),
    ))
}

/// Reads JSON; text that the database cannot hold is refused with its path.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        let detail = "This operation needs a JSON object as its body; there is none.";
        return Err(Problem::bad_request("body_missing", "No body", detail));
    }
    let value = strict_json::read(bytes).map_err(|error| {
        let text = error.to_string();
        let reason = text.split(" at line ").next().unwrap_or_default();
        let detail = format!(
            "The body is not JSON: {reason}, line {}, column {}.",
            error.line(),
            error.column()
        );
        Problem::bad_request("invalid_json", "Invalid JSON", detail)
    })?;
    let mut errors = Errors::new();
    find_nul(&value, "", &mut errors);
    if errors.is_empty() {
        Ok(value)
    } else {
        Err(Problem::invalid(&errors))
    }
}

fn find_nul(value: &Value, path: &str, errors: &mut Errors) {
    let join = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    match value {
        Value::String(text) if text.contains('\0') => {
            errors.add(path, Code::Invalid, "must not contain the character NUL");
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                find_nul(item, &join(&index.to_string()), errors);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                if name.contains('\0') {
                    errors.add(
                        join(&name.replace('\0', "\\0")),
                        Code::Invalid,
                        "must not be named with the character NUL",
                    );
                }
                find_nul(member, &join(name), errors);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn accepts(method: Method, media_type: &str) -> bool {
        let request = TestRequest::default()
            .method(method)
            .insert_header((header::CONTENT_TYPE, media_type));
        check_type(&request.to_http_request()).is_ok()
    }

    #[test]
    fn only_json_is_read() {
        for (method, media_type, good) in [
            (Method::POST, "application/json", true),
            (Method::POST, "Application/JSON; charset=\"UTF-8\"", true),
            (Method::POST, "application/json; charset=latin1", false),
            (Method::POST, "application/merge-patch+json", false),
            (Method::PATCH, "application/merge-patch+json", true),
            (Method::PATCH, "application/json", true),
            (Method::PATCH, "application/json-patch+json", false),
            (Method::POST, "text/plain", false),
            (Method::POST, "", false),
        ] {
            assert_eq!(accepts(method, media_type), good, "{media_type}");
        }
    }

    #[test]
    fn bad_json_is_located() {
        let problem = parse(b"{\n  \"name\": }").expect_err("not json");
        assert!(problem.to_string().contains("line 2, column 11"), "{problem}");
        assert_eq!(problem.status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn nul_is_refused_where_it_stands() {
        let problem = parse(br#"{"tags": ["a", "b\u0000"], "x\u0000": 1}"#).expect_err("nul");
        let text = problem.to_string();
        assert!(text.contains("`tags.1`") && text.contains("`x\\0`"), "{text}");
    }
}
