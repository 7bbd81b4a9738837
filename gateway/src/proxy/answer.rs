//! Answers that the gateway gives itself: refusals and the complete responses of plugins.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HOST, SET_COOKIE,
    TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use model::reason::Reason;
use pingora::protocols::http::ServerSession;
use pingora_http::{RequestHeader, ResponseHeader};
use plugins::{Answer, Refusal, ResponseExchange};

use super::context::Context;
use super::forward::HOP;
use super::problem::Form;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const UPSTREAM_LATENCY: HeaderName = HeaderName::from_static("x-gatehouse-upstream-latency");
const PROXY_LATENCY: HeaderName = HeaderName::from_static("x-gatehouse-proxy-latency");

/// Header and body of an answer, seen by the filters that ran.
pub(super) fn compose(answer: Answer, request: &RequestHeader, context: &mut Context) -> (ResponseHeader, Bytes) {
    let (status, headers, body) = match answer {
        Answer::Response { status, headers, body } => (status.as_u16(), headers, body),
        Answer::Refusal(refusal) => {
            context.reason = Some(refusal.reason);
            let form = context
                .dialect
                .map_or_else(|| Form::asked(&request.headers), Form::Grpc);
            let body = form.body(&refusal, &context.request_id);
            let status = form.status(&refusal);
            let mut headers = form.headers(&refusal);
            headers.extend(refusal.headers);
            headers.push((CONTENT_TYPE, HeaderValue::from_static(form.content_type())));
            headers.push((CACHE_CONTROL, HeaderValue::from_static("no-store")));
            (status, headers, body)
        }
    };
    let mut response = header(status);
    for (name, value) in headers {
        append(&mut response, name, value);
    }
    let grpc = response.headers.contains_key("grpc-status");
    if status != 204 && !grpc {
        let _ = response.insert_header(CONTENT_LENGTH, body.len());
    }
    finish(&mut response, context);
    let body = if request.method == Method::HEAD {
        Bytes::new()
    } else {
        body
    };
    (response, body)
}

/// Header and body of a refusal of what could not be read as a request.
pub(super) fn of_refusal(refusal: &Refusal) -> (ResponseHeader, Bytes) {
    let body = Form::Json.body(refusal, "");
    let mut response = header(refusal.reason.status());
    append(
        &mut response,
        CONTENT_TYPE,
        HeaderValue::from_static(Form::Json.content_type()),
    );
    let _ = response.insert_header(CONTENT_LENGTH, body.len());
    (response, body)
}

/// Writes the head of a response. Whether its end went with it, as HTTP/2 can and gRPC asks where there is no body.
pub(super) async fn write_head(
    session: &mut ServerSession,
    header: Box<ResponseHeader>,
    last: bool,
) -> pingora::Result<bool> {
    match session {
        ServerSession::H2(session) => session.write_response_header(header, last).map(|()| last),
        session => session.write_response_header(header).await.map(|()| false),
    }
}

/// What every response gets on its way to the client, whoever made it.
pub(super) fn finish(response: &mut ResponseHeader, context: &mut Context) {
    if let Some(facts) = context.facts.as_mut() {
        for filter in context.ran.iter().rev() {
            filter.on_response(&mut ResponseExchange { response, facts });
        }
        for (name, value) in std::mem::take(&mut facts.response_headers) {
            append(response, name, value);
        }
    }
    if let Some(cookie) = context
        .cookie
        .take()
        .and_then(|cookie| HeaderValue::from_str(&cookie).ok())
    {
        append(response, SET_COOKIE, cookie);
    }
    let id = HeaderValue::from_str(&context.request_id).ok();
    edit(response, |headers| {
        if let Some(id) = id {
            let _ = headers.try_insert(X_REQUEST_ID, id);
        }
        let _ = headers.try_append(VIA, HeaderValue::from_static(HOP));
        if context.tells_latency {
            tell_latency(headers, context);
        }
    });
}

/// Says in milliseconds how long the head of the service's answer was waited for, and how long everything else took.
fn tell_latency(headers: &mut HeaderMap, context: &Context) {
    // An answer of the gateway's own says nothing about a service that was asked before.
    let is_own = context.upstream_began.is_none() || context.reason.is_some();
    let upstream = Duration::from_micros(if is_own { 0 } else { context.upstream_us });
    let proxy = context.began.elapsed().saturating_sub(upstream);
    let milliseconds = |time: Duration| HeaderValue::from(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    let _ = headers.try_insert(PROXY_LATENCY, milliseconds(proxy));
    if !is_own {
        let _ = headers.try_insert(UPSTREAM_LATENCY, milliseconds(upstream));
    }
}

/// Changes headers where their names' cases do not matter, which costs a fraction of what keeping these does.
fn edit(response: &mut ResponseHeader, change: impl FnOnce(&mut HeaderMap)) {
    let nothing = http::Response::new(()).into_parts().0.into();
    let mut parts = http::response::Parts::from(std::mem::replace(response, nothing));
    change(&mut parts.headers);
    *response = parts.into();
}

/// Removes what is about the connection to the service only (RFC 9110, section 7.6.1).
pub(super) fn remove_hop_by_hop(response: &mut ResponseHeader, upgraded: bool) {
    let about_connections = [CONNECTION, UPGRADE, KEEP_ALIVE, PROXY_CONNECTION];
    if !response.headers.keys().any(|name| about_connections.contains(name)) {
        return;
    }
    let named = response
        .headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let named: Vec<String> = named
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        // How the body ends is for the proxy to say, and an upgrade is for both sides.
        .filter(|name| {
            !matches!(
                name.as_str(),
                "" | "close" | "upgrade" | "content-length" | "transfer-encoding"
            )
        })
        .collect();
    edit(response, |headers| {
        for name in &named {
            headers.remove(name);
        }
        headers.remove(KEEP_ALIVE);
        headers.remove(PROXY_CONNECTION);
        if !upgraded {
            headers.remove(UPGRADE);
        }
    });
}

/// Leaves of an interim response what is about the response to come: nothing about the connection to the service, and
/// nothing about a body, which it does not have (RFC 9110, section 15.2).
pub(super) fn clean_interim(response: &mut ResponseHeader) {
    remove_hop_by_hop(response, false);
    for name in [CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING] {
        response.remove_header(&name);
    }
}

/// Trailers without what would change how the response is read (RFC 9110, section 6.5.1).
pub(super) fn clean_trailers(mut trailers: HeaderMap) -> HeaderMap {
    for name in [
        CONNECTION,
        CONTENT_ENCODING,
        CONTENT_LENGTH,
        CONTENT_RANGE,
        CONTENT_TYPE,
        HOST,
        SET_COOKIE,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ] {
        trailers.remove(name);
    }
    trailers
}

/// A refusal of a method, with those that would do.
pub(super) fn method_not_allowed(methods: &[String]) -> Refusal {
    let list = methods.join(", ");
    let detail = format!("This path takes {list}.");
    let headers = HeaderValue::from_str(&list)
        .map(|list| vec![(ALLOW, list)])
        .unwrap_or_default();
    Refusal {
        reason: Reason::MethodNotAllowed,
        detail: detail.into(),
        headers,
    }
}

#[expect(clippy::expect_used, reason = "every status that is used here is a valid one")]
fn header(status: u16) -> ResponseHeader {
    ResponseHeader::build_no_case(status, Some(12)).expect("a valid status")
}

fn append(response: &mut ResponseHeader, name: HeaderName, value: HeaderValue) {
    // The header map is full at 32,768 names, which neither services nor plugins reach.
    let _ = response.append_header(name, value);
}
