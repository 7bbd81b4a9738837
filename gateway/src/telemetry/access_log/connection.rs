//! The line of a connection that was passed on unopened. Its names are those of requests where they mean the same.

use model::clock::Timestamp;
use model::reason::Reason;
use serde::Serialize;
use uuid::Uuid;

use crate::telemetry::passage::Passage;

/// A line. Its members up to `ended` are always there, empty when nothing is known; the others only when something is.
#[derive(Debug, Serialize)]
pub(super) struct ConnectionLine<'a> {
    #[serde(with = "time::serde::rfc3339")]
    timestamp: Timestamp,
    level: &'static str,
    target: &'static str,
    message: &'static str,
    protocol: &'static str,
    port: u16,
    reason: &'static str,
    route: &'a str,
    target_address: &'a str,
    client_ip: String,
    latency_us: u128,
    upstream_us: u128,
    bytes: u64,
    bytes_received: u64,
    ended: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    route_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_server_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_tries: Option<usize>,
}

impl<'a> ConnectionLine<'a> {
    pub(super) fn of(passage: &Passage<'a>) -> Self {
        let route = passage.route;
        Self {
            timestamp: passage.accepted_at,
            level: "INFO",
            target: "gatehouse::access",
            message: "connection",
            protocol: if passage.tls { "TLS" } else { "TCP" },
            port: passage.port,
            reason: passage.reason.map_or("", Reason::code),
            route: route.map_or("", |route| route.name.as_str()),
            target_address: passage.target.unwrap_or_default(),
            client_ip: passage.client.ip().to_canonical().to_string(),
            latency_us: passage.duration.as_micros(),
            upstream_us: passage.connect.as_micros(),
            bytes: passage.sent,
            bytes_received: passage.received,
            ended: passage.ended.as_str(),
            route_id: route.map(|route| route.id.0),
            service: route.map(|route| route.service.name.as_str()),
            service_id: route.map(|route| route.service.id.0),
            tls_server_name: passage.server_name,
            upstream_tries: (passage.tries > 0).then_some(passage.tries),
        }
    }
}
