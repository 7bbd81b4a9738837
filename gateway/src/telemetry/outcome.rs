//! What is known of a request when it is over: the proxy fills it, the log, the metrics and the traces read it.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use model::clock::Timestamp;
use model::reason::Reason;
use pingora_http::RequestHeader;
use plugins::Facts;

use super::redact;
use super::traces::Trace;
use crate::runtime::{Route, Service};

/// Bytes of a path or a query that are written down.
const TARGET: usize = 2_048;
/// Bytes of a client's name for itself that are.
const USER_AGENT: usize = 256;

/// How a request ended.
#[derive(Debug, Clone, Copy)]
pub struct Outcome<'a> {
    /// When its header was complete.
    pub received_at: Timestamp,
    /// What the client saw.
    pub status: u16,
    /// Why the gateway answered itself, when it did.
    pub reason: Option<Reason>,
    /// From the complete header to the last byte sent.
    pub latency: Duration,
    /// Of it, waiting for the service's header.
    pub upstream: Duration,
    /// More about the conversation with the service.
    pub exchange: UpstreamExchange,
    /// What is known of it, once a route matched.
    pub facts: Option<&'a Facts>,
    /// The route that matched.
    pub route: Option<&'a Route>,
    /// The service that it went to, where that is not the route's own.
    pub other_service: Option<&'a Service>,
    /// Its id.
    pub request_id: &'a str,
    /// The client, behind trusted proxies; where [`Outcome::facts`] are known, theirs counts.
    pub client_ip: Option<IpAddr>,
    /// The protocol that the client spoke.
    pub protocol: Protocol,
    /// What is known of the client's TLS; none for plain connections.
    pub tls: Option<Tls<'a>>,
    /// The last target that was tried.
    pub target: Option<&'a str>,
    /// How many were.
    pub tries: usize,
    /// Bytes of the body received from the client.
    pub received: usize,
    /// Bytes of the body sent to the client.
    pub sent: usize,
    /// Whether the client went away before it had its answer.
    pub client_gone: bool,
    /// The trace it belongs to, once that is decided.
    pub trace: Option<Trace>,
    /// What its route says about log and traces.
    pub choice: LogChoice,
}

/// What a client calls itself.
pub(crate) fn user_agent(request: &RequestHeader) -> Option<Cow<'_, str>> {
    let value = request.headers.get(http::header::USER_AGENT)?.as_bytes();
    Some(match String::from_utf8_lossy(value) {
        Cow::Borrowed(text) => shortened(text, USER_AGENT),
        Cow::Owned(text) => Cow::Owned(shortened(&text, USER_AGENT).into_owned()),
    })
}

/// The beginning of a text that is too long, marked as such.
fn shortened(text: &str, bytes: usize) -> Cow<'_, str> {
    if text.len() <= bytes {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}…", &text[..text.floor_char_boundary(bytes)]))
}

impl Default for Outcome<'_> {
    fn default() -> Self {
        Self {
            received_at: Timestamp::UNIX_EPOCH,
            status: 0,
            reason: None,
            latency: Duration::ZERO,
            upstream: Duration::ZERO,
            exchange: UpstreamExchange::default(),
            facts: None,
            route: None,
            other_service: None,
            request_id: "",
            client_ip: None,
            protocol: Protocol::default(),
            tls: None,
            target: None,
            tries: 0,
            received: 0,
            sent: 0,
            client_gone: false,
            trace: None,
            choice: LogChoice::default(),
        }
    }
}

impl<'a> Outcome<'a> {
    /// The time with the service, to its last byte where that is known.
    pub(crate) fn upstream_time(&self) -> Duration {
        self.exchange.total.max(self.upstream).min(self.latency)
    }

    /// The service that it went to, or would have.
    pub(crate) fn service(&self) -> Option<&'a Service> {
        self.other_service.or(self.route.map(|route| &*route.service))
    }

    /// The client's address.
    pub(crate) fn client_ip(&self) -> Option<IpAddr> {
        self.facts.map(|facts| facts.client_ip).or(self.client_ip)
    }

    /// The canonical path, or what was asked for when there is none.
    pub(crate) fn path<'b>(&'b self, request: &'b RequestHeader) -> Cow<'b, str> {
        shortened(
            self.facts
                .map_or_else(|| request.uri.path(), |facts| facts.path.as_str()),
            TARGET,
        )
    }

    /// The query without values that may be credentials: by their names, by what plugins of the route read, and all of
    /// them where no route says what they are.
    pub(crate) fn query<'b>(&self, request: &'b RequestHeader) -> Option<Cow<'b, str>> {
        let query = request.uri.query().filter(|query| !query.is_empty())?;
        let is_secret = |name: &str| {
            self.route.is_none_or(|route| {
                let filters = route.chain.links().iter().map(|link| &link.filter);
                filters
                    .flat_map(|filter| filter.secret_parameters())
                    .any(|secret| secret.eq_ignore_ascii_case(name))
            })
        };
        Some(match redact::query(query, is_secret) {
            Cow::Borrowed(text) => shortened(text, TARGET),
            Cow::Owned(text) => Cow::Owned(shortened(&text, TARGET).into_owned()),
        })
    }

    /// Whether it is in the log and the traces whatever the sampling: the gateway or the service failed or refused.
    pub(crate) fn is_notable(&self) -> bool {
        self.status >= 500 || self.reason.is_some()
    }
}

/// Times and connections of a conversation with a service.
#[derive(Debug, Clone, Copy, Default)]
pub struct UpstreamExchange {
    /// From the complete request header until the first target was chosen.
    pub began: Duration,
    /// Opening connections, in all attempts.
    pub connect: Duration,
    /// From the choice of the first target to the last byte of its answer.
    pub total: Duration,
    /// Connections that were opened.
    pub connects: u32,
    /// Idle connections that were used again.
    pub reuses: u32,
}

/// The protocol of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
    /// HTTP/2.
    Http2,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Protocol; 3] = [Protocol::Http10, Protocol::Http11, Protocol::Http2];

    /// The name in log and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Protocol::Http10 => "HTTP/1.0",
            Protocol::Http11 => "HTTP/1.1",
            Protocol::Http2 => "HTTP/2",
        }
    }

    /// The version alone, as OpenTelemetry writes it.
    pub const fn version(self) -> &'static str {
        match self {
            Protocol::Http10 => "1.0",
            Protocol::Http11 => "1.1",
            Protocol::Http2 => "2",
        }
    }
}

/// What is known of a client's TLS.
#[derive(Debug, Clone, Copy)]
pub struct Tls<'a> {
    /// The version, such as `TLSv1.3`.
    pub version: &'a str,
    /// The server name that the client asked for.
    pub server_name: Option<&'a str>,
}

/// What a route says about its requests; what it leaves out the settings decide.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LogChoice {
    /// Whether they are in the access log: `false` leaves all of them out, `true` keeps each one.
    pub access_log: Option<bool>,
    /// The share that is traced, from 0 to 1.
    pub trace_sampling: Option<f64>,
}
