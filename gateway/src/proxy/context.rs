//! What a request carries from its first byte to its log line.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use model::reason::Reason;
use plugins::{Facts, Filter};

use crate::host::Authority;
use crate::runtime::{Route, Runtime, Service};
use crate::telemetry::InFlight;
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
    /// Path and query as the service sees them.
    pub(super) target: Vec<u8>,
    /// Whether the response of the service has begun.
    pub(super) answered: bool,
    /// Whether a connection that had waited turned out to be closed.
    pub(super) stale: bool,
    /// Whether the client went away.
    pub(super) client_gone: bool,
    /// Whether the connection became one of another protocol, such as a WebSocket.
    pub(super) upgraded: bool,
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

impl Context {
    pub(super) fn new(in_flight: InFlight) -> Self {
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
            target: Vec::new(),
            answered: false,
            stale: false,
            client_gone: false,
            upgraded: false,
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

    /// Lets the filters that ran see a piece of the response body, the last one first.
    pub(super) fn filter_response_body(&mut self, piece: &mut Option<Bytes>, end: bool) {
        let Some(facts) = self.facts.as_mut() else { return };
        for filter in self.ran.iter().rev().filter(|filter| filter.reads_response_body()) {
            filter.on_response_body(facts, piece, end);
        }
    }
}
