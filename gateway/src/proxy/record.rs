//! What is left of a request when it is over: usage, metrics, a line in the log, spans.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use model::route::AccessLog;
use pingora::protocols::http::ServerSession;
use pingora_http::RequestHeader;

use super::{Context, Proxy};
use crate::runtime::{Route, Service};
use crate::telemetry::{LogChoice, Outcome};

/// What the client was sent.
pub(super) struct Seen {
    pub(super) status: Option<u16>,
    pub(super) sent: usize,
}

impl Seen {
    pub(super) fn of(session: &ServerSession) -> Self {
        Self {
            status: session.response_written().map(|response| response.status.as_u16()),
            sent: session.body_bytes_sent(),
        }
    }
}

impl Proxy {
    pub(super) fn record(&self, request: &RequestHeader, seen: Seen, context: &mut Context) {
        if context.request_id.is_empty() {
            return;
        }
        // The client has its answer: a panic here must not cost more than this look.
        drop(catch_unwind(AssertUnwindSafe(|| context.look_back())));
        let now = self.clock.now();
        let outcome = Outcome {
            received_at: context.facts.as_ref().map_or(now, |facts| facts.received_at),
            // 499 is what the field calls a client that did not wait for its answer.
            status: seen.status.unwrap_or(if context.client_gone { 499 } else { 500 }),
            reason: context.reason,
            latency: context.began.elapsed(),
            upstream: Duration::from_micros(context.upstream_us),
            exchange: context.exchange,
            facts: context.facts.as_ref(),
            route: context.route.as_deref(),
            other_service: other_service(context),
            request_id: &context.request_id,
            client_ip: context.client_ip,
            protocol: context.protocol,
            tls: context.tls.as_ref().map(|tls| tls.seen()),
            target: context.tried.last().map(String::as_str),
            tries: context.tried.len(),
            received: usize::try_from(context.received).unwrap_or(usize::MAX),
            sent: seen.sent,
            client_gone: context.client_gone,
            trace: context.trace,
            choice: context.route.as_deref().map(choice).unwrap_or_default(),
        };
        self.usage.record(now, &outcome);
        self.telemetry.record(request, &outcome);
    }
}

/// The service of a split that the request went to.
fn other_service(context: &Context) -> Option<&Service> {
    let (route, service) = (context.route.as_ref()?, context.service.as_deref()?);
    (service.id != route.service.id).then_some(service)
}

/// What a route says about log and traces.
pub(crate) fn choice(route: &Route) -> LogChoice {
    LogChoice {
        access_log: match route.access_log {
            AccessLog::Inherit | AccessLog::Sampled => None,
            AccessLog::Off => Some(false),
            AccessLog::Full => Some(true),
        },
        trace_sampling: route.trace_sampling,
    }
}
