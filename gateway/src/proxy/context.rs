//! What a request carries from its first byte to its log line.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use h2::Reason as Code;
use http::Version;
use model::reason::Reason;
use pingora::protocols::http::ServerSession;
use plugins::{Facts, Filter};

use super::forward::Rewrite;
use super::grpc::Dialect;
use crate::host::Authority;
use crate::listener::facts::tls_facts;
use crate::runtime::{Route, Runtime, Service};
use crate::telemetry::InFlight;
use crate::telemetry::traces::Trace;
use crate::telemetry::{Protocol, Tls, UpstreamExchange};
use crate::upstream::TargetKey;

/// What a request carries.
pub(crate) struct Context {
    /// The one snapshot that it sees.
    pub(super) runtime: Option<Arc<Runtime>>,
    /// When its header was complete.
    pub(super) began: Instant,
    /// What plugins know of it; made once a route matched.
    pub(super) facts: Option<Facts>,
    /// Its id, also where nothing else is known.
    pub(super) request_id: String,
    /// The route that matched.
    pub(super) route: Option<Arc<Route>>,
    /// What is forwarded: path and what was stripped from it.
    pub(super) forward: Forward,
    /// The filters that ran, in order.
    pub(super) ran: Vec<Arc<dyn Filter>>,
    /// Why the gateway answers itself, when it does.
    pub(super) reason: Option<Reason>,
    /// Targets tried so far.
    pub(super) tried: Vec<String>,
    /// The same, as balancing knows them.
    pub(super) keys: Vec<TargetKey>,
    /// The service that the request goes to: the route's, or one of its split.
    pub(super) service: Option<Arc<Service>>,
    /// The cookie that keeps the client with its target.
    pub(super) cookie: Option<String>,
    /// When the current target was chosen.
    pub(super) upstream_began: Option<Instant>,
    /// Time until the target's header came, in microseconds.
    pub(super) upstream_us: u64,
    /// Whether the response says how long it took.
    pub(super) tells_latency: bool,
    /// What the service sees that the client did not send.
    pub(super) rewrite: Rewrite,
    /// Whether the response of the service has begun.
    pub(super) answered: bool,
    /// Whether a connection that had waited turned out to be closed.
    pub(super) stale: bool,
    /// Whether the client went away.
    pub(super) client_gone: bool,
    /// The dialect of gRPC that the client speaks, where the request does not say it any more.
    pub(super) dialect: Option<Dialect>,
    /// The code by which the service broke its stream.
    pub(super) broken_by: Option<Code>,
    /// Whether the connection became one of another protocol, such as a WebSocket.
    pub(super) upgraded: bool,
    /// Bytes of the request's body that were read.
    pub(super) received: u64,
    /// What the conversation with the service took.
    pub(super) exchange: UpstreamExchange,
    /// The client, behind trusted proxies.
    pub(super) client_ip: Option<IpAddr>,
    /// What is known of its TLS; none for plain connections.
    pub(super) tls: Option<ClientTls>,
    /// What the client speaks.
    pub(super) protocol: Protocol,
    /// The trace it belongs to, once that is decided.
    pub(super) trace: Option<Trace>,
    /// Counts it as being in flight until it is dropped.
    pub(super) _in_flight: InFlight,
}

/// What is known of the way to the service.
#[derive(Debug, Default)]
pub(super) struct Forward {
    pub(super) authority: Option<Authority>,
    /// What is left of the path behind what is stripped.
    pub(super) rest: String,
    pub(super) stripped_prefix: Option<String>,
    pub(super) from_trusted_proxy: bool,
}

/// What is known of a client's TLS.
#[derive(Debug, Clone)]
pub(super) struct ClientTls {
    version: String,
    pub(super) server_name: Option<String>,
    /// Whether the client showed a certificate that was verified.
    pub(super) verified: bool,
}

impl ClientTls {
    /// Of the connection that a request came on; none when that is plain.
    pub(super) fn of(session: &ServerSession) -> Option<Self> {
        let facts = tls_facts(session)?;
        let digest = session.digest()?.ssl_digest.as_ref()?;
        Some(Self {
            version: digest.version.to_string(),
            server_name: facts.server_name.clone(),
            verified: !facts.client_certificates.is_empty(),
        })
    }

    pub(super) fn seen(&self) -> Tls<'_> {
        Tls {
            version: &self.version,
            server_name: self.server_name.as_deref(),
        }
    }
}

fn protocol(session: &ServerSession) -> Protocol {
    match session.req_header().version {
        Version::HTTP_10 | Version::HTTP_09 => Protocol::Http10,
        Version::HTTP_2 => Protocol::Http2,
        _ if session.is_http2() => Protocol::Http2,
        _ => Protocol::Http11,
    }
}

impl Context {
    pub(super) fn new(in_flight: InFlight, session: &ServerSession) -> Self {
        Self {
            runtime: None,
            began: Instant::now(),
            facts: None,
            request_id: String::new(),
            route: None,
            forward: Forward::default(),
            ran: Vec::new(),
            reason: None,
            tried: Vec::new(),
            keys: Vec::new(),
            service: None,
            cookie: None,
            upstream_began: None,
            upstream_us: 0,
            tells_latency: false,
            rewrite: Rewrite::default(),
            answered: false,
            stale: false,
            client_gone: false,
            dialect: None,
            broken_by: None,
            upgraded: false,
            received: 0,
            exchange: UpstreamExchange::default(),
            protocol: protocol(session),
            client_ip: None,
            tls: None,
            trace: None,
            _in_flight: in_flight,
        }
    }

    /// Lets the filters that ran see that the request is over.
    pub(super) fn look_back(&self) {
        if let Some(facts) = &self.facts {
            for filter in &self.ran {
                filter.on_log(facts);
            }
        }
    }

    /// Lets the filters that ran see a piece of the request body.
    pub(super) fn filter_request_body(&mut self, piece: &mut Option<Bytes>, end: bool) -> Option<plugins::Answer> {
        let facts = self.facts.as_mut()?;
        for filter in self.ran.iter().filter(|filter| filter.reads_request_body()) {
            if let plugins::Flow::Respond(answer) = filter.on_request_body(facts, piece, end) {
                return Some(*answer);
            }
        }
        None
    }

    /// Whether a filter sees the response body, and may make one where there is none.
    pub(super) fn filters_response_body(&self) -> bool {
        self.ran.iter().any(|filter| filter.reads_response_body())
    }

    /// Lets the filters that ran see a piece of the response body, the last one first.
    pub(super) fn filter_response_body(&mut self, piece: &mut Option<Bytes>, end: bool) {
        let Some(facts) = self.facts.as_mut() else { return };
        for filter in self.ran.iter().rev().filter(|filter| filter.reads_response_body()) {
            filter.on_response_body(facts, piece, end);
        }
    }
}
