//! What the service sees: the path, the host, and where the request came from.

use std::net::IpAddr;

use http::header::{CONNECTION, CONTENT_LENGTH, COOKIE, HOST, TRANSFER_ENCODING, UPGRADE, VIA};
use http::{HeaderName, HeaderValue, Method};
use model::route::RequestKind;
use model::service::Scheme;
use pingora::protocols::http::ServerSession;
use pingora_http::RequestHeader;
use plugins::{Facts, Identity};
use smallvec::SmallVec;
use uuid::Uuid;

use super::context::Forward;
use crate::host::Authority;
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

/// What the gateway calls itself on the way (RFC 9110, section 7.6.3).
pub(super) const HOP: &str = "1.1 gatehouse";

/// What headers begin with that say who the caller is: only the gateway may set them.
const IDENTITY: [&str; 3] = ["x-consumer-", "x-credential-identifier", "x-anonymous-consumer"];
/// What headers begin with that say where a request came from: trusted proxies may.
const ORIGIN: [&str; 3] = ["x-forwarded-", "x-real-ip", "forwarded"];
/// Headers in which some servers look for another target than the one that was matched, or for a proxy to call through:
/// trusted proxies may set them.
const DIVERSIONS: [&str; 4] = ["proxy", "x-original-url", "x-rewrite-url", "x-original-host"];

/// What of a request is written anew for its service.
#[derive(Debug, Clone)]
pub(super) struct Rewrite {
    /// Path and query.
    pub(super) target: Vec<u8>,
    /// The host that the service sees.
    pub(super) host: HeaderValue,
    /// Headers in place of those that the client sent under the same names.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Default for Rewrite {
    fn default() -> Self {
        Self {
            target: Vec::new(),
            host: HeaderValue::from_static(""),
            headers: Vec::new(),
        }
    }
}

/// Removes what only the gateway may say, before any plugin looks. Names with `_` go too, because many servers read
/// them as `-`.
pub(super) fn clean(request: &mut RequestHeader, from_trusted_proxy: bool) {
    let removed = |name: &HeaderName| {
        let name = name.as_str();
        let begins = |starts: &[&str]| starts.iter().any(|start| name.starts_with(start));
        name.bytes().any(|byte| byte == b'_')
            // What follows begins with one of these.
            || (name.starts_with(['x', 'f', 'p'])
                && (begins(&IDENTITY)
                    || (!from_trusted_proxy && (begins(&ORIGIN) || DIVERSIONS.contains(&name)))))
    };
    let mut gone: Vec<HeaderName> = request.headers.keys().filter(|name| removed(name)).cloned().collect();
    if request.headers.contains_key(CONNECTION) {
        gone.extend(nominated(request));
    }
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

/// Whether the client asks for a WebSocket (RFC 6455, section 4.1); other protocols are not upgraded to.
pub(super) fn wants_websocket(session: &ServerSession) -> bool {
    let request = session.req_header();
    session.is_upgrade_req()
        && request.method == Method::GET
        && router::kind_of(&request.headers, None) == RequestKind::WebSocket
}

/// What the service sees, as far as the client did not say it.
pub(super) fn rewrite(
    request: &RequestHeader,
    facts: &Facts,
    (route, service): (&Route, &Service),
    forward: &Forward,
    peer: IpAddr,
) -> Rewrite {
    let asked = forward
        .authority
        .as_ref()
        .and_then(|authority| asked_host(request, authority));
    let mut headers = Vec::with_capacity(16);
    set_origin(&mut headers, request, facts, forward, (peer, asked.as_ref()));
    set(&mut headers, X_REQUEST_ID, &facts.request_id);
    headers.push((VIA, via(request)));
    headers.extend(cookies(request).map(|cookies| (COOKIE, cookies)));
    if let Some(identity) = &facts.identity {
        set_identity(&mut headers, identity);
    }
    Rewrite {
        target: target(service, &forward.rest, facts.query.as_deref()),
        host: asked
            .filter(|_| route.preserve_host)
            .unwrap_or_else(|| host_of(service)),
        headers,
    }
}

/// Path and query as a service sees them.
pub(super) fn target(service: &Service, rest: &str, query: Option<&str>) -> Vec<u8> {
    let mut target = path::join(&service.base_path, rest).into_bytes();
    if let Some(query) = query {
        target.push(b'?');
        target.extend_from_slice(query.as_bytes());
    }
    target
}

/// The host that a service sees, unless it shall see the client's.
pub(super) fn host_of(service: &Service) -> HeaderValue {
    HeaderValue::from_str(&service.host).unwrap_or(HeaderValue::from_static(""))
}

/// The host that the client asked for, in its canonical form, which it mostly has already.
fn asked_host(request: &RequestHeader, authority: &Authority) -> Option<HeaderValue> {
    let host = authority.host.as_str();
    match (request.headers.get(HOST), authority.port) {
        (Some(header), None) if header.as_bytes() == host.as_bytes() => Some(header.clone()),
        (_, None) => HeaderValue::from_str(host).ok(),
        (_, Some(port)) => HeaderValue::from_str(&format!("{host}:{port}")).ok(),
    }
}

/// The gateways that the request came through, with this one.
fn via(request: &RequestHeader) -> HeaderValue {
    if !request.headers.contains_key(VIA) {
        return HeaderValue::from_static(HOP);
    }
    let known = request.headers.get_all(VIA).iter().map(HeaderValue::as_bytes);
    let hops: Vec<&[u8]> = known.chain([HOP.as_bytes()]).collect();
    HeaderValue::from_bytes(&hops.join(&b", "[..])).unwrap_or(HeaderValue::from_static(HOP))
}

/// Cookies in one line, where they came in several: as HTTP/2 may send them, and HTTP/1.1 may not (RFC 9113, section
/// 8.2.3).
fn cookies(request: &RequestHeader) -> Option<HeaderValue> {
    let mut lines = request.headers.get_all(COOKIE).iter();
    lines.nth(1)?;
    let lines = request.headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
    HeaderValue::from_bytes(&lines.collect::<Vec<_>>().join(&b"; "[..])).ok()
}

type Headers = Vec<(HeaderName, HeaderValue)>;

fn set_origin(
    headers: &mut Headers,
    request: &RequestHeader,
    facts: &Facts,
    forward: &Forward,
    (peer, asked): (IpAddr, Option<&HeaderValue>),
) {
    let client = address(facts.client_ip);
    headers.push((X_FORWARDED_FOR, forwarded_for(request, peer, facts.client_ip, &client)));
    headers.push((X_REAL_IP, client));
    // What a trusted proxy said about the client's own connection stays.
    let free = |name: &HeaderName| !forward.from_trusted_proxy || !request.headers.contains_key(name);
    let scheme = facts.scheme;
    if free(&X_FORWARDED_PROTO) {
        headers.push((X_FORWARDED_PROTO, HeaderValue::from_static(scheme.as_str())));
    }
    if let Some(authority) = &forward.authority {
        if let Some(asked) = asked.filter(|_| free(&X_FORWARDED_HOST)) {
            headers.push((X_FORWARDED_HOST, asked.clone()));
        }
        if free(&X_FORWARDED_PORT) {
            let port = authority.port.unwrap_or(scheme.default_port());
            headers.push((X_FORWARDED_PORT, port.into()));
        }
    }
    if let Some(prefix) = &forward.stripped_prefix {
        let whole = prefix_before(request).map(|before| before + prefix);
        set(headers, X_FORWARDED_PREFIX, whole.as_deref().unwrap_or(prefix));
    }
}

/// What trusted proxies took off the path before; from others nothing is left of what they say about that.
fn prefix_before(request: &RequestHeader) -> Option<String> {
    let lines = request.headers.get_all(X_FORWARDED_PREFIX).iter();
    let lines: Vec<&str> = lines.filter_map(|line| line.to_str().ok()).collect();
    let parts = lines.iter().flat_map(|line| line.split(','));
    let parts = parts.map(|part| part.trim().trim_end_matches('/'));
    let whole: String = parts.filter(|part| part.starts_with('/')).collect();
    (!whole.is_empty()).then_some(whole)
}

/// The addresses that the request came through, with the one that it came from to here.
fn forwarded_for(request: &RequestHeader, peer: IpAddr, client_ip: IpAddr, client: &HeaderValue) -> HeaderValue {
    let last = if peer == client_ip {
        client.clone()
    } else {
        address(peer)
    };
    if !request.headers.contains_key(X_FORWARDED_FOR) {
        return last;
    }
    // Several lines are one list, of which every part counts.
    let known = request.headers.get_all(X_FORWARDED_FOR).iter();
    let known = known.filter(|line| line.to_str().is_ok()).map(HeaderValue::as_bytes);
    let chain: Vec<&[u8]> = known.chain([last.as_bytes()]).collect();
    HeaderValue::from_bytes(&chain.join(&b", "[..])).unwrap_or(last)
}

fn set_identity(headers: &mut Headers, identity: &Identity) {
    let mut id = Uuid::encode_buffer();
    set(
        headers,
        X_CONSUMER_ID,
        identity.consumer.id.0.hyphenated().encode_lower(&mut id),
    );
    set(headers, X_CONSUMER_USERNAME, &identity.consumer.row.name);
    if let Some(custom_id) = &identity.consumer.row.custom_id {
        set(headers, X_CONSUMER_CUSTOM_ID, custom_id);
    }
    if let Some(identifier) = &identity.credential_identifier {
        set(headers, X_CREDENTIAL_IDENTIFIER, identifier);
    }
    if identity.is_anonymous() {
        headers.push((X_ANONYMOUS_CONSUMER, HeaderValue::from_static("true")));
    }
}

fn set(headers: &mut Headers, name: HeaderName, value: &str) {
    // A value that no header can hold (a name with a line break, say) is left out rather than passed on changed.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.push((name, value));
    }
}

/// An address as text. Nearly all are of IPv4, for which this costs a tenth of the usual way.
#[expect(clippy::expect_used, reason = "digits and dots are a value that a header can have")]
fn address(ip: IpAddr) -> HeaderValue {
    let IpAddr::V4(ip) = ip else {
        return HeaderValue::from_str(&ip.to_string()).expect("an address is a value of a header");
    };
    let mut text = SmallVec::<[u8; 15]>::new();
    for octet in ip.octets() {
        if !text.is_empty() {
            text.push(b'.');
        }
        text.extend(itoa::Buffer::new().format(octet).bytes());
    }
    HeaderValue::from_bytes(&text).expect("an address is a value of a header")
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
