//! The first look at a request: what is too large, cannot be read or is ambiguous does not come further.

use http::header::{ALLOW, CONTENT_LENGTH, RETRY_AFTER, VIA};
use http::{HeaderValue, Method};
use model::reason::Reason;
use pingora_http::RequestHeader;
use plugins::Refusal;
use uuid::Uuid;

use crate::config::limits;
use crate::guard::{ALLOWED, Rule};

/// Refuses what no route could make acceptable.
pub(super) fn check(request: &RequestHeader) -> Result<(), Refusal> {
    let target = request.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > limits::TARGET {
        return Err(refusal(
            Reason::TargetTooLong,
            format!("The URL has {target} bytes; {} are allowed.", limits::TARGET),
        ));
    }
    let size: usize = request
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    if size > limits::HEADERS || request.headers.len() > limits::HEADER_COUNT {
        let detail = format!(
            "The headers have {size} bytes in {} fields; {} bytes in {} fields are allowed.",
            request.headers.len(),
            limits::HEADERS,
            limits::HEADER_COUNT,
        );
        return Err(refusal(Reason::HeaderTooLarge, detail));
    }
    check_length_once(request)?;
    check_method(&request.method)?;
    if rounds(request) > limits::ROUNDS {
        let detail = "The request went through gateways again and again: a service leads back to its gateway.";
        return Err(refusal(Reason::LoopDetected, detail));
    }
    Ok(())
}

/// How many gateways a request came through already.
fn rounds(request: &RequestHeader) -> usize {
    let values = request
        .headers
        .get_all(VIA)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .filter(|hop| hop.trim().ends_with(" gatehouse"))
        .count()
}

/// Refuses a body whose length is said twice, or is empty (RFC 9110, section 8.6). The guard of HTTP/1
/// has refused much more; the library of HTTP/2 takes the same length twice, and an empty one.
fn check_length_once(request: &RequestHeader) -> Result<(), Refusal> {
    let mut lengths = request.headers.get_all(CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(()),
        (Some(length), None) if !length.is_empty() => Ok(()),
        _ => Err(broken(Rule::ContentLength)),
    }
}

/// Refuses methods that a proxy for everybody must not serve; a service may not care for the case of letters.
fn check_method(method: &Method) -> Result<(), Refusal> {
    let refused = [Method::TRACE, Method::CONNECT];
    if refused
        .iter()
        .any(|refused| method.as_str().eq_ignore_ascii_case(refused.as_str()))
    {
        return Err(Refusal {
            headers: vec![(ALLOW, HeaderValue::from_static(ALLOWED))],
            ..broken(Rule::MethodRefused)
        });
    }
    Ok(())
}

/// The refusal of what breaks a rule that the guard has for HTTP/1.
fn broken(rule: Rule) -> Refusal {
    refusal(rule.reason(), rule.detail())
}

/// Refuses a body that says itself that it is longer than its route takes.
pub(super) fn check_length(request: &RequestHeader, limit: Option<u64>) -> Result<(), Refusal> {
    match (declared_length(request), limit) {
        (Some(length), Some(limit)) if length > limit => Err(body_too_large(limit)),
        _ => Ok(()),
    }
}

pub(super) fn declared_length(request: &RequestHeader) -> Option<u64> {
    request.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

pub(super) fn body_too_large(limit: u64) -> Refusal {
    refusal(
        Reason::BodyTooLarge,
        format!("The body may have at most {limit} bytes."),
    )
}

/// The refusal of a message of gRPC.
pub(super) fn message_too_large(limit: usize) -> Refusal {
    refusal(
        Reason::BodyTooLarge,
        format!("A message may have at most {limit} bytes."),
    )
}

/// The id of a request: a trusted proxy's own, when it has a sane one, else a new one.
pub(super) fn request_id(request: &RequestHeader, from_trusted_proxy: bool) -> String {
    let given = request
        .headers
        .get("x-request-id")
        .and_then(|value| value.to_str().ok());
    let sane = |id: &&str| {
        (8..=128).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte))
    };
    match given.filter(|id| from_trusted_proxy && sane(id)) {
        Some(id) => id.to_owned(),
        None => Uuid::now_v7().to_string(),
    }
}

pub(super) fn refusal(reason: Reason, detail: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal {
        reason,
        detail: detail.into(),
        headers: Vec::new(),
    }
}

/// The answer while memory is short.
pub(super) fn overloaded() -> Refusal {
    Refusal {
        headers: vec![(RETRY_AFTER, HeaderValue::from_static("1"))],
        ..refusal(
            Reason::Overloaded,
            "The gateway is short of memory and takes on nothing at the moment.",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&'static str, &str)]) -> RequestHeader {
        let mut request = RequestHeader::build("POST", b"/", None).expect("a request");
        for (name, value) in headers {
            request.append_header(*name, *value).expect("room");
        }
        request
    }

    fn reason(request: &RequestHeader) -> Option<Reason> {
        check(request).err().map(|refusal| refusal.reason)
    }

    #[test]
    fn a_length_is_said_once() {
        for headers in [
            vec![("content-length", "5"), ("content-length", "5")],
            vec![("content-length", "")],
        ] {
            assert_eq!(reason(&request(&headers)), Some(Reason::BadRequest), "{headers:?}");
        }
        assert_eq!(reason(&request(&[("content-length", "5")])), None);
        assert_eq!(reason(&request(&[])), None);
    }

    #[test]
    fn methods_that_are_not_served_are_refused_in_any_spelling() {
        for (method, refused) in [
            ("TRACE", true),
            ("connect", true),
            ("Trace", true),
            ("GET", false),
            ("TRACED", false),
        ] {
            let request = RequestHeader::build(method, b"/", None).expect("a request");
            let refusal = check(&request).err();
            assert_eq!(refusal.is_some(), refused, "{method}");
            let Some(refusal) = refusal else { continue };
            assert_eq!(refusal.reason, Reason::MethodNotAllowed);
            assert_eq!(refusal.headers[0].0, ALLOW);
        }
    }

    #[test]
    fn a_request_that_goes_round_is_stopped() {
        let hops = |count: usize| vec![("via", "1.1 gatehouse"); count];
        assert_eq!(reason(&request(&hops(limits::ROUNDS))), None);
        assert_eq!(reason(&request(&hops(limits::ROUNDS + 1))), Some(Reason::LoopDetected));
    }

    #[test]
    fn what_is_too_large_is_refused_by_name() {
        assert_eq!(
            reason(&request(&[("x-a", &"a".repeat(limits::HEADERS))])),
            Some(Reason::HeaderTooLarge)
        );
        assert_eq!(reason(&request(&vec![("x-a", "a"); 101])), Some(Reason::HeaderTooLarge));
        let long = request(&[("content-length", "10485761")]);
        assert!(check_length(&long, Some(10_485_761)).is_ok() && check_length(&long, None).is_ok());
        let refused = check_length(&long, Some(10_485_760)).err();
        assert_eq!(refused.map(|refusal| refusal.reason), Some(Reason::BodyTooLarge));
        let long = format!("/{}", "a".repeat(limits::TARGET));
        let long = RequestHeader::build("GET", long.as_bytes(), None).expect("a request");
        assert_eq!(reason(&long), Some(Reason::TargetTooLong));
    }

    #[test]
    fn a_request_id_is_kept_only_from_trusted_proxies_and_only_when_it_is_sane() {
        let given = request(&[("x-request-id", "abcdef-123")]);
        assert_eq!(request_id(&given, true), "abcdef-123");
        assert_ne!(request_id(&given, false), "abcdef-123");
        assert_ne!(
            request_id(&request(&[("x-request-id", "a\"b c d e f")]), true),
            "a\"b c d e f"
        );
    }
}
