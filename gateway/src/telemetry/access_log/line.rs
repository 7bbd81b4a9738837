//! A line of the access log. Its names are stable; docs/observability.md lists them.

use std::borrow::Cow;

use model::clock::Timestamp;
use model::reason::Reason;
use pingora_http::RequestHeader;
use serde::Serialize;
use uuid::Uuid;

use crate::telemetry::outcome::{Outcome, user_agent};

/// A line. Its members up to `bytes` are always there, empty when nothing is known; the others only when something is.
#[derive(Debug, Serialize)]
pub(super) struct Line<'a> {
    #[serde(with = "time::serde::rfc3339")]
    timestamp: Timestamp,
    level: &'static str,
    target: &'static str,
    message: &'static str,
    request_id: &'a str,
    method: &'a str,
    host: &'a str,
    path: Cow<'a, str>,
    status: u16,
    reason: &'static str,
    route: &'a str,
    consumer: &'a str,
    target_address: &'a str,
    client_ip: String,
    latency_us: u128,
    upstream_us: u128,
    bytes: usize,
    bytes_received: usize,
    protocol: &'static str,
    #[serde(skip_serializing_if = "is_false")]
    client_gone: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumer_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_server_name: Option<&'a str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    exchange: Option<Exchange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span_id: Option<String>,
}

/// The conversation with the service, once one was begun.
#[derive(Debug, Serialize)]
struct Exchange {
    upstream_tries: usize,
    upstream_connect_us: u128,
    upstream_total_us: u128,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl<'a> Line<'a> {
    pub(super) fn of(request: &'a RequestHeader, outcome: &'a Outcome<'a>) -> Self {
        let (facts, route) = (outcome.facts, outcome.route);
        let identity = facts.and_then(|facts| facts.identity.as_ref());
        Self {
            timestamp: outcome.received_at,
            level: "INFO",
            target: "gatehouse::access",
            message: "request",
            request_id: outcome.request_id,
            method: request.method.as_str(),
            host: facts.map_or("", |facts| facts.host.as_str()),
            path: outcome.path(request),
            status: outcome.status,
            reason: outcome.reason.map_or("", Reason::code),
            route: route.map_or("", |route| route.name.as_str()),
            consumer: identity.map_or("", |identity| identity.consumer.row.name.as_str()),
            target_address: outcome.target.unwrap_or_default(),
            client_ip: outcome.client_ip().map(|ip| ip.to_string()).unwrap_or_default(),
            latency_us: outcome.latency.as_micros(),
            upstream_us: outcome.upstream.as_micros(),
            bytes: outcome.sent,
            bytes_received: outcome.received,
            protocol: outcome.protocol.name(),
            client_gone: outcome.client_gone,
            query: outcome.query(request),
            user_agent: user_agent(request),
            route_id: route.map(|route| route.id.0),
            service: outcome.service().map(|service| service.name.as_str()),
            service_id: outcome.service().map(|service| service.id.0),
            consumer_id: identity.map(|identity| identity.consumer.id.0),
            credential: identity.and_then(|identity| identity.credential_identifier.as_deref()),
            tls_version: outcome.tls.map(|tls| tls.version),
            tls_server_name: outcome.tls.and_then(|tls| tls.server_name),
            exchange: (outcome.tries > 0).then(|| Exchange {
                upstream_tries: outcome.tries,
                upstream_connect_us: outcome.exchange.connect.as_micros(),
                upstream_total_us: outcome.upstream_time().as_micros(),
            }),
            trace_id: outcome.trace.map(|trace| trace.id_text()),
            span_id: outcome.trace.map(|trace| format!("{:016x}", trace.server)),
        }
    }
}

/// A line with its end. JSON escapes what would end it before or colour a terminal.
pub(super) fn to_json(line: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(512);
    serde_json::to_writer(&mut text, line)?;
    text.push(b'\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use model::Kind;
    use model::snapshot::Entry;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;
    use crate::runtime::Builder;

    const CANARY: &str = "canary-7f3a";

    #[test]
    fn no_secret_of_a_request_is_in_its_line() {
        let mut request = RequestHeader::build(
            "GET",
            format!("/a?apikey={CANARY}&door={CANARY}&page=2").as_bytes(),
            None,
        )
        .expect("a request");
        for name in ["authorization", "cookie", "x-api-key", "proxy-authorization", "referer"] {
            request.insert_header(name, CANARY).expect("a header");
        }
        let outcome = Outcome::default();
        let line = String::from_utf8(to_json(&Line::of(&request, &outcome)).expect("a line")).expect("text");
        assert!(!line.contains(CANARY), "{line}");
        assert!(line.contains(r#""query":"apikey=***&door=***&page=***""#), "{line}");
    }

    /// Names that are always secret, what a plugin of the route reads, and nothing else.
    #[test]
    fn a_route_tells_which_parameters_are_secret() {
        let row = |kind: Kind, number: u128, body: Value| Entry {
            kind,
            id: Uuid::from_u128(number),
            revision: 1,
            body: Some(body),
        };
        let timeouts = json!({"connect_timeout_ms": 1, "response_timeout_ms": 1, "idle_timeout_ms": 1});
        let mut service = json!({
            "name": "s", "url": "http://a.test", "retries": 0, "tls_verify": true, "tags": [], "enabled": true
        });
        let members = timeouts.as_object().expect("an object").clone();
        service.as_object_mut().expect("an object").extend(members);
        let route = json!({
            "name": "r", "service": Uuid::from_u128(1), "protocols": ["http"], "hosts": [], "paths": ["/"],
            "methods": [], "headers": {}, "priority": 0, "regex_priority": 0, "strip_path": true,
            "preserve_host": false, "encoded_slashes": "reject", "merge_slashes": true, "tags": [], "enabled": true
        });
        let plugin = json!({
            "plugin": "key-auth", "config": {"query_parameters": ["door"]}, "route": Uuid::from_u128(2), "position": 0,
            "tags": [], "enabled": true
        });
        let rows = [
            row(Kind::Service, 1, service),
            row(Kind::Route, 2, route),
            row(Kind::Plugin, 3, plugin),
        ];
        let mut builder = Builder::new(&[7; 32], &plugins::REGISTRY, plugins::testing::services());
        let runtime = builder.apply(1, &rows);
        let outcome = Outcome {
            route: runtime.routes.get(&Uuid::from_u128(2).into()).map(|route| &**route),
            ..Outcome::default()
        };
        assert!(outcome.route.is_some(), "{:?}", builder.problems());
        let target = format!("/a?apikey={CANARY}&DOOR={CANARY}&page=2");
        let request = RequestHeader::build("GET", target.as_bytes(), None).expect("a request");
        let line = String::from_utf8(to_json(&Line::of(&request, &outcome)).expect("a line")).expect("text");
        assert!(!line.contains(CANARY), "{line}");
        assert!(line.contains(r#""query":"apikey=***&DOOR=***&page=2""#), "{line}");
    }

    proptest! {
        #[test]
        fn whatever_a_client_sends_stays_one_line_of_json(agent in prop::collection::vec(any::<u8>(), 0..400), id in ".{0,40}") {
            let mut request = RequestHeader::build("GET", b"/", None).expect("a request");
            if let Ok(value) = http::HeaderValue::from_bytes(&agent) {
                request.insert_header("user-agent", value).expect("a header");
            }
            let outcome = Outcome { request_id: &id, ..Outcome::default() };
            let line = to_json(&Line::of(&request, &outcome)).expect("a line");
            prop_assert_eq!(line.iter().filter(|byte| matches!(byte, b'\n' | b'\r' | 0x1b)).count(), 1);
            let read: Value = serde_json::from_slice(&line).expect("JSON");
            prop_assert_eq!(read["request_id"].as_str(), Some(id.as_str()));
        }
    }

    #[test]
    fn line_ends_and_colours_are_escaped() {
        let request = RequestHeader::build("GET", b"/", None).expect("a request");
        let outcome = Outcome {
            request_id: "a\r\n{\"status\":200}\u{1b}[31m\u{2028}",
            ..Outcome::default()
        };
        let line = String::from_utf8(to_json(&Line::of(&request, &outcome)).expect("a line")).expect("text");
        assert!(line.contains(r#"a\r\n{\"status\":200}\u001b[31m"#), "{line}");
        assert_eq!(line.lines().count(), 1);
    }
}
