//! What the gateway knows of gRPC: whether a request is one, how long it may take, and how a refusal is told.
//!
//! The protocol is described in `doc/PROTOCOL-HTTP2.md` and `doc/PROTOCOL-WEB.md` of the gRPC repository.

use std::time::Duration;

use http::header::{CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderName, HeaderValue};
use model::reason::Reason;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use pingora_http::RequestHeader;
use plugins::Refusal;

use super::head;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// What a status message may not hold as it is; what is not ASCII never may.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

/// The forms in which clients speak gRPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// gRPC itself.
    Grpc,
    /// gRPC-Web.
    Web,
    /// gRPC-Web in base64.
    WebText,
}

impl Dialect {
    /// The dialect of a request or response, by its content type.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?.to_ascii_lowercase();
        let base = kind.split(['+', ';']).next().unwrap_or_default().trim();
        match base {
            "application/grpc" => Some(Self::Grpc),
            "application/grpc-web" => Some(Self::Web),
            "application/grpc-web-text" => Some(Self::WebText),
            _ => None,
        }
    }

    /// The content type of an answer of the gateway's own.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Grpc => "application/grpc",
            Self::Web => "application/grpc-web+proto",
            Self::WebText => "application/grpc-web-text+proto",
        }
    }

    /// The content type of messages that came, or go, as this one says in gRPC.
    pub(super) fn rename(self, headers: &HeaderMap) -> HeaderValue {
        let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let suffix = kind.and_then(|kind| kind.find('+').map(|at| &kind[at..]));
        let base = self.content_type().split('+').next().unwrap_or_default();
        let usual = if self == Self::Grpc { "" } else { "+proto" };
        let renamed = format!("{base}{}", suffix.unwrap_or(usual));
        HeaderValue::from_str(&renamed).unwrap_or(HeaderValue::from_static(self.content_type()))
    }
}

/// Makes a request of gRPC-Web one of gRPC.
pub(super) fn translate(request: &mut RequestHeader) {
    let kind = Dialect::Grpc.rename(&request.headers);
    let _ = request.insert_header(CONTENT_TYPE, kind);
    let _ = request.insert_header(TE, HeaderValue::from_static("trailers"));
    // What a text-reading client accepts is not what the service sends.
    request.remove_header("accept");
    request.remove_header("x-grpc-web");
}

/// How long the client waits; none when it does not say, or not in the form that is agreed on.
pub(super) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// The status that stands for a reason.
pub(super) const fn status(reason: Reason) -> u8 {
    match reason.status() {
        400 | 414 | 431 => 3,
        401 => 16,
        403 => 7,
        404 => 12,
        413 | 429 => 8,
        502 | 503 => 14,
        504 => 4,
        _ => 2,
    }
}

/// The headers of a refusal, which is all there is of it.
pub(super) fn headers(refusal: &Refusal) -> Vec<(HeaderName, HeaderValue)> {
    let message = format!("{}: {}", refusal.reason.title(), refusal.detail);
    let message = utf8_percent_encode(&message, ENCODED).to_string();
    let message = HeaderValue::from_str(&message).unwrap_or(HeaderValue::from_static(refusal.reason.code()));
    vec![
        (GRPC_STATUS, HeaderValue::from(u16::from(status(refusal.reason)))),
        (GRPC_MESSAGE, message),
    ]
}

/// Bytes before each message: one for flags, four for its length.
const PREFIX: usize = 5;

/// Looks for messages that are too large. A stream has no size that would say anything: it may last for days.
#[derive(Debug)]
pub(super) struct Messages {
    prefix: [u8; PREFIX],
    have: usize,
    left: usize,
    limit: usize,
}

impl Messages {
    pub(super) const fn up_to(limit: usize) -> Self {
        Self {
            prefix: [0; PREFIX],
            have: 0,
            left: 0,
            limit,
        }
    }

    /// Takes a piece of the stream.
    pub(super) fn check(&mut self, mut piece: &[u8]) -> Result<(), Refusal> {
        while !piece.is_empty() {
            let skipped = self.left.min(piece.len());
            self.left -= skipped;
            piece = &piece[skipped..];
            let Some((first, rest)) = piece.split_first() else {
                break;
            };
            self.prefix[self.have] = *first;
            self.have += 1;
            piece = rest;
            if self.have == PREFIX {
                let [_, length @ ..] = self.prefix;
                self.have = 0;
                self.left = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
                if self.left > self.limit {
                    return Err(head::message_too_large(self.limit));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).expect("a value"))])
    }

    #[test]
    fn the_content_type_says_which_dialect_it_is() {
        for (kind, dialect) in [
            ("application/grpc", Some(Dialect::Grpc)),
            ("application/grpc+proto", Some(Dialect::Grpc)),
            ("Application/GRPC; charset=x", Some(Dialect::Grpc)),
            ("application/grpc-web", Some(Dialect::Web)),
            ("application/grpc-web+proto", Some(Dialect::Web)),
            ("application/grpc-web-text+json", Some(Dialect::WebText)),
            ("application/grpcs", None),
            ("application/json", None),
        ] {
            assert_eq!(Dialect::of(&header(CONTENT_TYPE, kind)), dialect, "{kind}");
        }
    }

    #[test]
    fn messages_keep_their_format_when_the_dialect_changes() {
        for (from, dialect, to) in [
            ("application/grpc-web+json", Dialect::Grpc, "application/grpc+json"),
            ("application/grpc-web-text", Dialect::Grpc, "application/grpc"),
            ("application/grpc", Dialect::Web, "application/grpc-web+proto"),
            (
                "application/grpc+proto",
                Dialect::WebText,
                "application/grpc-web-text+proto",
            ),
        ] {
            assert_eq!(dialect.rename(&header(CONTENT_TYPE, from)), to, "{from}");
        }
    }

    #[test]
    fn a_timeout_is_eight_digits_and_a_unit() {
        for (text, wanted) in [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("3S", Some(Duration::from_secs(3))),
            ("250m", Some(Duration::from_millis(250))),
            ("7u", Some(Duration::from_micros(7))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("123456789S", None),
            ("S", None),
            ("", None),
            ("+1S", None),
            ("1.5S", None),
            ("1s", None),
            ("1", None),
        ] {
            assert_eq!(timeout(&header(GRPC_TIMEOUT, text)), wanted, "{text}");
        }
    }

    #[test]
    fn a_message_is_encoded_and_a_reason_has_a_status() {
        let refusal = head::refusal(Reason::RouteNotFound, "No route matches 100 % of ü.");
        let headers = headers(&refusal);
        assert_eq!(headers[0].1, "12");
        assert_eq!(headers[1].1, "No route: No route matches 100 %25 of %C3%BC.");
        let of = |reason| status(reason);
        assert_eq!((of(Reason::CredentialMissing), of(Reason::IpDenied)), (16, 7));
        assert_eq!((of(Reason::RateLimited), of(Reason::BodyTooLarge)), (8, 8));
        assert_eq!((of(Reason::UpstreamUnavailable), of(Reason::UpstreamReset)), (14, 14));
        assert_eq!((of(Reason::UpstreamTimeout), of(Reason::BadRequest)), (4, 3));
        assert_eq!((of(Reason::InternalError), of(Reason::LoopDetected)), (2, 2));
    }

    proptest! {
        #[test]
        fn only_a_message_that_is_too_large_is_found_however_it_comes(
            lengths in prop::collection::vec(0_usize..60, 0..8), limit in 20_usize..60, piece in 1_usize..30,
        ) {
            let mut stream = Vec::new();
            for length in &lengths {
                stream.push(0);
                stream.extend_from_slice(&u32::try_from(*length).expect("short").to_be_bytes());
                stream.extend(std::iter::repeat_n(0xff, *length));
            }
            let mut messages = Messages::up_to(limit);
            let refused = stream.chunks(piece).any(|piece| messages.check(piece).is_err());
            prop_assert_eq!(refused, lengths.iter().any(|length| *length > limit));
        }
    }
}
