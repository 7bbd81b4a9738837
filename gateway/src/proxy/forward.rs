//! What the service sees: the path, the host, and where the request came from.

use std::net::IpAddr;

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE, VIA};
use http::{HeaderName, HeaderValue};
use model::route::RequestKind;
use model::service::Scheme;
use pingora::protocols::http::ServerSession;
use pingora_http::RequestHeader;
use plugins::{Facts, Identity};

use super::context::Forward;
use crate::path;
use crate::router;
use crate::runtime::{Route, Service};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_CONSUMER_ID: HeaderName = HeaderName::from_static("x-consumer-id");
const X_CONSUMER_USERNAME: HeaderName = HeaderName::from_static("x-consumer-username");
const X_CONSUMER_CUSTOM_ID: HeaderName = HeaderName::from_static("x-consumer-custom-id");
const X_CREDENTIAL_IDENTIFIER: HeaderName = HeaderName::from_static("x-credential-identifier");
const X_ANONYMOUS_CONSUMER: HeaderName = HeaderName::from_static("x-anonymous-consumer");

/// What headers begin with that say who the caller is: only the gateway may set them.
const IDENTITY: [&str; 3] = ["x-consumer-", "x-credential-identifier", "x-anonymous-consumer"];
/// What headers begin with that say where a request came from: trusted proxies may.
const ORIGIN: [&str; 3] = ["x-forwarded-", "x-real-ip", "forwarded"];

/// Removes what only the gateway may say, before any plugin looks. Names with `_` go too, because many servers read
/// them as `-`.
pub(super) fn clean(request: &mut RequestHeader, from_trusted_proxy: bool) {
    let removed = |name: &HeaderName| {
        let name = name.as_str();
        let begins = |starts: &[&str]| starts.iter().any(|start| name.starts_with(start));
        name.contains('_')
            || begins(&IDENTITY)
            || *name == *X_FORWARDED_PREFIX.as_str()
            || (!from_trusted_proxy && begins(&ORIGIN))
    };
    let named = nominated(request);
    let gone: Vec<HeaderName> = request.headers.keys().filter(|name| removed(name)).cloned().collect();
    let gone = gone.into_iter().chain(named);
    for name in gone {
        request.remove_header(&name);
    }
}

/// The headers that `Connection` names: they are about the client's connection as much as itself (RFC 9110, section 7.6.1).
/// What says where the body ends and what the connection becomes has rules of its own.
fn nominated(request: &RequestHeader) -> Vec<HeaderName> {
    let values = request.headers.get_all(CONNECTION).iter().map(HeaderValue::as_bytes);
    let names = values.flat_map(|value| value.split(|byte| *byte == b','));
    let names = names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
    names
        .filter(|name| ![UPGRADE, HOST, CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION].contains(name))
        .collect()
}

/// Whether the client asks for a WebSocket; other protocols are not upgraded to.
pub(super) fn wants_websocket(session: &ServerSession) -> bool {
    session.is_upgrade_req() && router::kind_of(&session.req_header().headers, None) == RequestKind::WebSocket
}

/// Writes what the service sees into the request; the path and query that it sees.
pub(super) fn prepare(
    request: &mut RequestHeader,
    facts: &Facts,
    (route, service): (&Route, &Service),
    forward: &Forward,
    peer: IpAddr,
) -> Vec<u8> {
    let host = match &forward.authority {
        Some(authority) if route.preserve_host => authority.host.as_str().to_owned() + &port_suffix(authority.port),
        _ => service.host.clone(),
    };
    set(request, HOST, &host);
    set_origin(request, facts, forward, peer);
    set(request, X_REQUEST_ID, &facts.request_id);
    let _ = request.append_header(VIA, HeaderValue::from_static("1.1 gatehouse"));
    if let Some(identity) = &facts.identity {
        set_identity(request, identity);
    }
    let mut target = path::join(&service.base_path, &forward.rest).into_bytes();
    if let Some(query) = &facts.query {
        target.push(b'?');
        target.extend_from_slice(query.as_bytes());
    }
    target
}

fn set_origin(request: &mut RequestHeader, facts: &Facts, forward: &Forward, peer: IpAddr) {
    // Several lines are one list, of which every part counts.
    let known = request.headers.get_all(X_FORWARDED_FOR).iter();
    let mut chain: String = known
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| [line, ", "])
        .collect();
    chain.push_str(&peer.to_string());
    set(request, X_FORWARDED_FOR, &chain);
    set(request, X_REAL_IP, &facts.client_ip.to_string());
    let scheme = facts.scheme;
    set_unless_trusted(request, forward, X_FORWARDED_PROTO, scheme.as_str());
    if let Some(authority) = &forward.authority {
        let host = authority.host.as_str().to_owned() + &port_suffix(authority.port);
        set_unless_trusted(request, forward, X_FORWARDED_HOST, &host);
        let port = authority.port.unwrap_or(scheme.default_port()).to_string();
        set_unless_trusted(request, forward, X_FORWARDED_PORT, &port);
    }
    if let Some(prefix) = &forward.stripped_prefix {
        set(request, X_FORWARDED_PREFIX, prefix);
    }
}

/// What a trusted proxy said about the client's own connection stays.
fn set_unless_trusted(request: &mut RequestHeader, forward: &Forward, name: HeaderName, value: &str) {
    if !forward.from_trusted_proxy || !request.headers.contains_key(&name) {
        set(request, name, value);
    }
}

fn set_identity(request: &mut RequestHeader, identity: &Identity) {
    set(request, X_CONSUMER_ID, &identity.consumer.id.to_string());
    set(request, X_CONSUMER_USERNAME, &identity.consumer.row.name);
    if let Some(custom_id) = &identity.consumer.row.custom_id {
        set(request, X_CONSUMER_CUSTOM_ID, custom_id);
    }
    if let Some(identifier) = &identity.credential_identifier {
        set(request, X_CREDENTIAL_IDENTIFIER, identifier);
    }
    if identity.is_anonymous() {
        set(request, X_ANONYMOUS_CONSUMER, "true");
    }
}

/// Sets the host that a service sees.
pub(super) fn set_host(request: &mut RequestHeader, host: &str) {
    set(request, HOST, host);
}

fn port_suffix(port: Option<u16>) -> String {
    port.map(|port| format!(":{port}")).unwrap_or_default()
}

fn set(request: &mut RequestHeader, name: HeaderName, value: &str) {
    // A value that no header can hold (a name with a line break, say) is left out rather than passed on changed.
    if let Ok(value) = HeaderValue::from_str(value) {
        let _ = request.insert_header(name, value);
    }
}

/// The scheme that the client used, as far as it is known.
pub(super) fn scheme(request: &RequestHeader, tls: bool, from_trusted_proxy: bool) -> Scheme {
    let said = request
        .headers
        .get(X_FORWARDED_PROTO)
        .and_then(|value| value.to_str().ok());
    match said {
        Some("https") if from_trusted_proxy => Scheme::Https,
        Some("http") if from_trusted_proxy => Scheme::Http,
        _ if tls => Scheme::Https,
        _ => Scheme::Http,
    }
}
