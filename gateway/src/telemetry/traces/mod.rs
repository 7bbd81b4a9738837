//! Traces: which trace a request belongs to, what the service is told of it, and the spans that are sent away.
//!
//! A request that is not sampled costs two random numbers and the header that the service gets.

mod context;
mod export;
mod span;

use std::num::{NonZeroU64, NonZeroU128};

use http::{HeaderMap, HeaderName, HeaderValue};
use pingora_http::RequestHeader;

pub use context::{Parent, format_parent, is_state, parent};
pub(crate) use export::{Counts, Exporter, Receiver};
pub(crate) use span::spans;

use super::sampling::chosen;

/// The header with trace, span and whether it is sampled.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The header with what other systems say of the trace.
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The place of a request in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    /// The trace.
    pub id: NonZeroU128,
    /// The caller's span, when the trace is continued.
    pub parent: Option<NonZeroU64>,
    /// The gateway's span.
    pub server: NonZeroU64,
    /// The span of the conversation with the service, which the service sees as its parent.
    pub client: NonZeroU64,
    /// Whether it is recorded.
    pub sampled: bool,
    /// Whether the caller's `tracestate` is valid and goes on.
    pub keeps_state: bool,
}

impl Trace {
    /// Continues the trace of a request, or starts one. Whether it is sampled is the decision of a trusted caller, else
    /// that of chance: anybody could ask for all of it.
    pub fn begin(request: &RequestHeader, trusted: bool, share: f64) -> Self {
        let parent = only(&request.headers, &TRACEPARENT).and_then(|value| parent(value.as_bytes()));
        Self {
            id: parent.map_or_else(new_trace, |parent| parent.trace),
            parent: parent.map(|parent| parent.span),
            server: new_span(),
            client: new_span(),
            sampled: match parent {
                Some(parent) if trusted => parent.sampled,
                _ => chosen(share),
            },
            keeps_state: parent.is_some() && has_valid_state(&request.headers),
        }
    }

    /// What the service is told of it: the header `traceparent`.
    #[expect(
        clippy::expect_used,
        reason = "digits and hyphens are a value that a header can have"
    )]
    pub fn parent(&self) -> (HeaderName, HeaderValue) {
        let text = format_parent(Parent {
            trace: self.id,
            span: self.client,
            sampled: self.sampled,
        });
        let value = HeaderValue::from_bytes(&text).expect("digits are a value of a header");
        (TRACEPARENT, value)
    }

    /// Leaves `tracestate` only when it is valid.
    pub fn check_state(&self, request: &mut RequestHeader) {
        if !self.keeps_state && request.headers.contains_key(&TRACESTATE) {
            request.remove_header(&TRACESTATE);
        }
    }

    /// The trace in hexadecimal digits.
    pub(crate) fn id_text(&self) -> String {
        format!("{:032x}", self.id)
    }
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn has_valid_state(headers: &HeaderMap) -> bool {
    headers.contains_key(&TRACESTATE) && is_state(headers.get_all(&TRACESTATE).iter().map(HeaderValue::as_bytes))
}

fn new_trace() -> NonZeroU128 {
    NonZeroU128::new(fastrand::u128(..)).unwrap_or(NonZeroU128::MIN)
}

fn new_span() -> NonZeroU64 {
    NonZeroU64::new(fastrand::u64(..)).unwrap_or(NonZeroU64::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn request(headers: &[(&'static str, &str)]) -> RequestHeader {
        let mut request = RequestHeader::build("GET", b"/", None).expect("a request");
        for (name, value) in headers {
            request.append_header(*name, *value).expect("a header");
        }
        request
    }

    fn forwarded(trace: Trace, request: &mut RequestHeader) -> (String, Option<String>) {
        trace.check_state(request);
        let text = |value: &HeaderValue| value.to_str().expect("text").to_owned();
        (text(&trace.parent().1), request.headers.get("tracestate").map(text))
    }

    #[test]
    fn a_trace_is_continued_with_the_gateways_span_as_parent() {
        let mut request = request(&[("traceparent", PARENT), ("tracestate", "a=1")]);
        let trace = Trace::begin(&request, true, 0.0);
        let (told, state) = forwarded(trace, &mut request);
        assert!(
            told.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && told.ends_with("-01"),
            "{told}"
        );
        assert!(
            !told.contains("00f067aa0ba902b7") && told.contains(&format!("{:016x}", trace.client)),
            "{told}"
        );
        assert_eq!(state.as_deref(), Some("a=1"));
    }

    #[test]
    fn what_is_garbage_or_twice_there_starts_a_new_trace_without_a_state() {
        for headers in [
            vec![("traceparent", "garbage"), ("tracestate", "a=1")],
            vec![("traceparent", PARENT), ("traceparent", PARENT), ("tracestate", "a=1")],
            vec![("tracestate", "a=1")],
        ] {
            let mut request = request(&headers);
            let trace = Trace::begin(&request, true, 0.0);
            let (told, state) = forwarded(trace, &mut request);
            assert!(
                !told.contains("4bf92f3577b34da6a3ce929d0e0e4736") && told.ends_with("-00"),
                "{told}"
            );
            assert_eq!((trace.parent, state), (None, None));
        }
    }

    #[test]
    fn only_a_trusted_caller_decides_what_is_sampled() {
        let asked = request(&[("traceparent", PARENT)]);
        assert!(Trace::begin(&asked, true, 0.0).sampled && !Trace::begin(&asked, false, 0.0).sampled);
        let declined = request(&[("traceparent", &PARENT.replace("-01", "-00"))]);
        assert!(!Trace::begin(&declined, true, 1.0).sampled && Trace::begin(&declined, false, 1.0).sampled);
    }

    #[test]
    fn an_invalid_state_is_dropped_and_the_trace_goes_on() {
        let mut request = request(&[("traceparent", PARENT), ("tracestate", "A=1")]);
        let trace = Trace::begin(&request, false, 0.0);
        let (told, state) = forwarded(trace, &mut request);
        assert!(told.contains("4bf92f3577b34da6a3ce929d0e0e4736"));
        assert_eq!(state, None);
    }
}
