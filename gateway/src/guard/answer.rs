//! The answer to what is no request.

use http::StatusCode;
use model::reason::Reason;
use serde_json::json;

use super::rule::Rule;

/// The methods that are served everywhere: what a refusal of others must name (RFC 9110, section 15.5.6).
pub(crate) const ALLOWED: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// The body of a refusal in JSON (RFC 9457).
pub(crate) fn problem_json(reason: Reason, detail: &str, request_id: &str) -> String {
    let body = json!({
        "type": format!("urn:gatehouse:reason:{}", reason.code()),
        "title": reason.title(),
        "status": reason.status(),
        "detail": detail,
        "reason": reason.code(),
        "advice": reason.advice(),
        "request_id": request_id,
    });
    format!("{body}\n")
}

/// A whole HTTP/1.1 answer, after which the connection ends.
pub(crate) fn refusal(rule: Rule, request_id: &str) -> Vec<u8> {
    let reason = rule.reason();
    let body = problem_json(reason, rule.detail(), request_id);
    let status = StatusCode::from_u16(reason.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let phrase = status.canonical_reason().unwrap_or_default();
    let allow = if status == StatusCode::METHOD_NOT_ALLOWED {
        format!("Allow: {ALLOWED}\r\n")
    } else {
        String::new()
    };
    let answer = format!(
        "HTTP/1.1 {} {phrase}\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\n{allow}\
         X-Request-Id: {request_id}\r\nVia: 1.1 gatehouse\r\nConnection: close\r\n\r\n{body}",
        status.as_u16(),
        body.len(),
    );
    answer.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_a_whole_answer() {
        for rule in Rule::ALL {
            let answer = String::from_utf8(refusal(*rule, "abc")).expect("text");
            let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
            assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
            assert!(head.starts_with("HTTP/1.1 4"), "{head}");
            assert_eq!(head.contains("Allow: "), head.contains(" 405 "), "{head}");
            let body: serde_json::Value = serde_json::from_str(body).expect("json");
            assert_eq!(body["reason"], rule.reason().code());
            assert_eq!(body["request_id"], "abc");
        }
    }
}
