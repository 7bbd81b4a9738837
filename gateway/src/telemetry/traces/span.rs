//! What a sampled request looks like to OpenTelemetry: the gateway's span, and below it the one of the service.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use pingora_http::RequestHeader;

use super::Trace;
use crate::telemetry::methods;
use crate::telemetry::outcome::{Outcome, user_agent};

/// The spans of a request that is over: that of the gateway, and that of the service when one was tried.
pub(crate) fn spans(request: &RequestHeader, outcome: &Outcome<'_>, trace: &Trace) -> Vec<SpanData> {
    let began = SystemTime::from(outcome.received_at);
    let method = methods::label(&request.method);
    let mut server = Draft {
        trace,
        kind: SpanKind::Server,
        name: match outcome.route {
            Some(route) => format!("{method} {}", route.name).into(),
            None => Cow::Borrowed(method),
        },
        began,
        took: outcome.latency,
    }
    .finish(request, server_attributes(request, outcome));
    if outcome.status >= 500 {
        let reason = outcome.reason.map_or("", |reason| reason.code());
        server.status = Status::error(reason);
    }
    let mut spans = vec![server];
    if outcome.tries > 0 {
        let client = Draft {
            trace,
            kind: SpanKind::Client,
            name: Cow::Borrowed(method),
            began: began + outcome.exchange.began,
            took: outcome.upstream_time(),
        };
        spans.push(client.finish(request, client_attributes(request, outcome)));
    }
    spans
}

/// A span without what is said of it.
struct Draft<'a> {
    trace: &'a Trace,
    kind: SpanKind,
    name: Cow<'static, str>,
    began: SystemTime,
    took: Duration,
}

impl Draft<'_> {
    fn finish(self, request: &RequestHeader, attributes: Vec<KeyValue>) -> SpanData {
        let span = |id: std::num::NonZeroU64| SpanId::from(id.get());
        let is_server = self.kind == SpanKind::Server;
        let (own, parent) = if is_server {
            (self.trace.server, self.trace.parent)
        } else {
            (self.trace.client, Some(self.trace.server))
        };
        SpanData {
            span_context: SpanContext::new(
                TraceId::from(self.trace.id.get()),
                span(own),
                TraceFlags::SAMPLED,
                false,
                state(request, self.trace),
            ),
            parent_span_id: parent.map_or(SpanId::INVALID, span),
            parent_span_is_remote: is_server && parent.is_some(),
            span_kind: self.kind,
            name: self.name,
            start_time: self.began,
            end_time: self.began + self.took,
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::builder("gatehouse").build(),
        }
    }
}

fn state(request: &RequestHeader, trace: &Trace) -> TraceState {
    let header = request.headers.get("tracestate").filter(|_| trace.keeps_state);
    let text = header.and_then(|value| value.to_str().ok());
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn server_attributes(request: &RequestHeader, outcome: &Outcome<'_>) -> Vec<KeyValue> {
    let facts = outcome.facts;
    let size = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
    let mut all = common(request, outcome);
    all.extend([
        KeyValue::new("url.path", outcome.path(request).into_owned()),
        KeyValue::new("url.scheme", if outcome.tls.is_some() { "https" } else { "http" }),
        KeyValue::new("network.protocol.version", outcome.protocol.version()),
        KeyValue::new("http.request.body.size", size(outcome.received)),
        KeyValue::new("http.response.body.size", size(outcome.sent)),
        KeyValue::new("http.response.status_code", i64::from(outcome.status)),
        KeyValue::new("gatehouse.request_id", outcome.request_id.to_owned()),
    ]);
    let mut add = |name: &'static str, value: Option<String>| all.extend(value.map(|value| KeyValue::new(name, value)));
    add("server.address", facts.map(|facts| facts.host.clone()));
    add("client.address", outcome.client_ip().map(|ip| ip.to_string()));
    add("url.query", outcome.query(request).map(Cow::into_owned));
    add("user_agent.original", user_agent(request).map(Cow::into_owned));
    add("http.route", outcome.route.map(|route| route.name.clone()));
    add(
        "gatehouse.service",
        outcome.route.map(|route| route.service.name.clone()),
    );
    add(
        "gatehouse.reason",
        outcome.reason.map(|reason| reason.code().to_owned()),
    );
    all
}

fn client_attributes(request: &RequestHeader, outcome: &Outcome<'_>) -> Vec<KeyValue> {
    let mut all = common(request, outcome);
    if let Some((host, port)) = outcome.target.and_then(|target| target.rsplit_once(':')) {
        all.push(KeyValue::new("server.address", host.to_owned()));
        all.extend(port.parse::<i64>().ok().map(|port| KeyValue::new("server.port", port)));
    }
    if outcome.tries > 1 {
        let resent = i64::try_from(outcome.tries - 1).unwrap_or(i64::MAX);
        all.push(KeyValue::new("http.request.resend_count", resent));
    }
    // With a reason the status is the gateway's own word.
    if outcome.reason.is_none() {
        all.push(KeyValue::new("http.response.status_code", i64::from(outcome.status)));
    }
    all
}

/// What both spans say.
fn common(request: &RequestHeader, outcome: &Outcome<'_>) -> Vec<KeyValue> {
    let mut all = vec![KeyValue::new("http.request.method", methods::label(&request.method))];
    let failed = outcome.reason.filter(|_| outcome.status >= 500);
    all.extend(failed.map(|reason| KeyValue::new("error.type", reason.code())));
    all
}
