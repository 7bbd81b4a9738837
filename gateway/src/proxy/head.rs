//! The first look at a request: what is too large, cannot be read or is ambiguous does not come further.

use http::header::{CONTENT_LENGTH, RETRY_AFTER, TRANSFER_ENCODING, VIA};
use http::{HeaderValue, Method, Version};
use model::reason::Reason;
use pingora::protocols::http::ServerSession;
use pingora_http::RequestHeader;
use plugins::Refusal;
use uuid::Uuid;

use crate::config::limits;

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
    check_framing(request)?;
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

/// Refuses bodies whose end different servers would see in different places (RFC 9112, section 6.3).
fn check_framing(request: &RequestHeader) -> Result<(), Refusal> {
    let lengths: Vec<_> = request.headers.get_all(CONTENT_LENGTH).iter().collect();
    let codings: Vec<_> = request.headers.get_all(TRANSFER_ENCODING).iter().collect();
    let bad = |detail: &'static str| Err(refusal(Reason::BadRequest, detail));
    if lengths.len() > 1
        || lengths
            .iter()
            .any(|length| length.is_empty() || !length.as_bytes().iter().all(u8::is_ascii_digit))
    {
        return bad("The request must have at most one Content-Length, in digits.");
    }
    if codings.len() > 1
        || codings
            .iter()
            .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
    {
        return bad("Transfer-Encoding must be `chunked` or absent.");
    }
    if !codings.is_empty() && (!lengths.is_empty() || request.version == Version::HTTP_10) {
        return bad("Transfer-Encoding excludes Content-Length and HTTP/1.0.");
    }
    let method = request.method.as_str();
    if [Method::TRACE, Method::CONNECT]
        .iter()
        .any(|refused| method.eq_ignore_ascii_case(refused.as_str()))
    {
        return bad("TRACE is not served.");
    }
    Ok(())
}

/// Refuses a body with two lengths. Pingora has taken `Content-Length` out of such a request before anybody else sees it,
/// but for the bytes as they came.
pub(super) fn check_lengths(session: &ServerSession) -> Result<(), Refusal> {
    if !session.req_header().headers.contains_key(TRANSFER_ENCODING) {
        return Ok(());
    }
    if names(&session.to_h1_raw(), CONTENT_LENGTH.as_str()) {
        let detail = "A request must not have both Transfer-Encoding and Content-Length.";
        return Err(refusal(Reason::BadRequest, detail));
    }
    Ok(())
}

/// Whether the head of a request has a header of this name.
fn names(head: &[u8], name: &str) -> bool {
    head.split(|byte| *byte == b'\n').skip(1).any(|line| {
        let (start, rest) = line.split_at_checked(name.len()).unwrap_or((line, &[]));
        start.eq_ignore_ascii_case(name.as_bytes()) && rest.trim_ascii_start().starts_with(b":")
    })
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
    fn ambiguous_framing_is_refused() {
        for headers in [
            vec![("content-length", "5"), ("content-length", "5")],
            vec![("content-length", "+5")],
            vec![("content-length", "5,5")],
            vec![("content-length", "0x5")],
            vec![("transfer-encoding", "gzip, chunked")],
            vec![("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
            vec![("transfer-encoding", "chunked"), ("content-length", "5")],
        ] {
            assert_eq!(reason(&request(&headers)), Some(Reason::BadRequest), "{headers:?}");
        }
        assert_eq!(reason(&request(&[("transfer-encoding", "chunked")])), None);
        assert_eq!(reason(&request(&[("content-length", "5")])), None);
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
    fn a_header_is_found_in_the_bytes_of_a_head() {
        let head = b"POST /content-length: HTTP/1.1\r\nHost: a\r\nX-Content-Length: 1\r\nCONTENT-length : 4\r\n\r\n";
        assert!(names(head, "content-length"));
        assert!(!names(&head[..62], "content-length") && !names(b"", "content-length"));
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
