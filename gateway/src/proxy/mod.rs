//! A request's way through the gateway, step by step.

mod admit;
mod answer;
mod client;
mod context;
mod failure;
mod forward;
mod head;
mod linger;
mod problem;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use bytes::Bytes;
use ipnet::IpNet;
use model::clock::Clock;
use model::reason::Reason;
use model::service::Scheme;
use pingora::prelude::HttpPeer;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::{Error, ErrorSource, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use plugins::{Answer, Refusal};

use crate::config::limits;
use crate::runtime::{Runtime, Service};
use crate::telemetry::{Outcome, Telemetry};
use crate::upstream::Resolver;
use crate::usage::Recorder;

pub use client::client_ip;
pub(crate) use context::Context;

/// The proxy: what every request needs and none changes.
pub(crate) struct Proxy {
    /// The snapshot that new requests see; none before the first one is loaded.
    pub(crate) current: Arc<ArcSwapOption<Runtime>>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) resolver: Resolver,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) usage: Arc<Recorder>,
}

impl Proxy {
    async fn send(&self, session: &mut Session, context: &mut Context, answer: Answer) -> Result<()> {
        if matches!(&answer, Answer::Refusal(refusal) if linger::ends_connection(refusal.reason)) {
            session.set_keepalive(None);
        }
        let (header, body) = answer::compose(answer, session.req_header(), context);
        let empty = body.is_empty();
        session.write_response_header(Box::new(header), empty).await?;
        if !empty {
            session.write_response_body(Some(body), true).await?;
        }
        linger::drain(session).await;
        Ok(())
    }

    /// A connection to the next target of a service.
    async fn peer(&self, service: &Service, session: &Session, context: &mut Context) -> Result<Box<HttpPeer>> {
        let no_target = || Error::explain(failure::NO_TARGET, "no target");
        let endpoint = service.pool.pick(&context.tried).ok_or_else(no_target)?;
        let socket = match endpoint.socket {
            Some(socket) => socket,
            None => self.resolver.resolve(&endpoint.address).await.ok_or_else(no_target)?,
        };
        context.tried.push(endpoint.address.clone());
        context.upstream_began = Some(Instant::now());
        Ok(Box::new(prepare_peer(socket, service, streams(session))))
    }

    fn outcome<'a>(session: &Session, context: &'a Context, error: Option<&Error>) -> Outcome<'a> {
        let written = session.response_written().map(|response| response.status.as_u16());
        let client_gone = error.is_some_and(|error| matches!(error.esource(), ErrorSource::Downstream));
        Outcome {
            // 499 is what the field calls a client that did not wait for its answer.
            status: written.unwrap_or(if client_gone { 499 } else { 500 }),
            reason: context.reason,
            latency: context.began.elapsed(),
            upstream: Duration::from_micros(context.upstream_us),
            facts: context.facts.as_ref(),
            route: context.route.as_deref(),
            request_id: &context.request_id,
            target: context.tried.last().map(String::as_str),
            tries: context.tried.len(),
            sent: session.body_bytes_sent(),
        }
    }
}

/// Whether silence is part of the conversation: upgraded connections and event streams.
fn streams(session: &Session) -> bool {
    let accepts_events = |value: &http::HeaderValue| value.as_bytes().starts_with(b"text/event-stream");
    session.is_upgrade_req()
        || session
            .req_header()
            .headers
            .get(http::header::ACCEPT)
            .is_some_and(accepts_events)
}

fn prepare_peer(socket: SocketAddr, service: &Service, streams: bool) -> HttpPeer {
    let tls = service.scheme == Scheme::Https;
    let mut peer = HttpPeer::new(socket, tls, service.server_name.clone());
    peer.options.connection_timeout = Some(service.connect_timeout);
    peer.options.total_connection_timeout = Some(service.connect_timeout);
    peer.options.read_timeout = Some(if streams {
        service.idle_timeout
    } else {
        service.response_timeout
    });
    peer.options.write_timeout = Some(service.idle_timeout);
    peer.options.idle_timeout = Some(Duration::from_secs(60));
    peer.options.verify_cert = service.tls_verify;
    peer.options.verify_hostname = service.tls_verify;
    peer
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::new(self.telemetry.enter())
    }

    async fn early_request_filter(&self, session: &mut Session, context: &mut Context) -> Result<()> {
        context.began = Instant::now();
        session.set_read_timeout(Some(limits::READ));
        // A connection that ends with this request, as those of HTTP/1.0 do, is not kept after all.
        if session.get_keepalive().is_some() && !session.is_process_shutting_down() {
            session.set_keepalive(Some(limits::KEEP_ALIVE));
        }
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, context: &mut Context) -> Result<bool> {
        match self.admit(session, context).await {
            None => Ok(false),
            Some(answer) => {
                self.send(session, context, answer).await?;
                Ok(true)
            }
        }
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        context: &mut Context,
    ) -> Result<()> {
        // What follows an upgrade is a conversation, not a body.
        if context.upgraded {
            return Ok(());
        }
        context.body_read += body.as_ref().map_or(0, Bytes::len);
        if context.body_read > limits::BODY {
            return Err(Error::explain(failure::BODY_TOO_LARGE, "the body is too large"));
        }
        if let Some(Answer::Refusal(refusal)) = context.filter_request_body(body, end_of_stream) {
            context.reason = Some(refusal.reason);
            return Err(Error::explain(failure::BODY_REFUSED, refusal.detail.into_owned()));
        }
        Ok(())
    }

    async fn upstream_peer(&self, session: &mut Session, context: &mut Context) -> Result<Box<HttpPeer>> {
        let route = context
            .route
            .clone()
            .ok_or_else(|| Error::explain(failure::NO_TARGET, "no route"))?;
        self.peer(&route.service, session, context).await
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        context: &mut Context,
    ) -> Result<()> {
        if let (Some(facts), Some(route)) = (&context.facts, &context.route) {
            let peer = session
                .client_addr()
                .and_then(|address| address.as_inet())
                .map(SocketAddr::ip);
            let peer = peer.map_or_else(|| facts.client_ip.to_string(), |ip| ip.to_canonical().to_string());
            forward::prepare(request, facts, route, &context.forward, &peer);
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        context: &mut Context,
    ) -> Result<()> {
        if let Some(began) = context.upstream_began {
            context.upstream_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        }
        // Interim answers are passed on as they are; only the last one is the response.
        context.upgraded |= response.status == 101;
        if !response.status.is_informational() || context.upgraded {
            answer::remove_hop_by_hop(response, context.upgraded);
            answer::finish(response, context);
        }
        Ok(())
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        context: &mut Context,
    ) -> Result<Option<Duration>> {
        if !context.upgraded {
            context.filter_response_body(body, end_of_stream);
        }
        Ok(None)
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        context: &mut Context,
        mut error: Box<Error>,
    ) -> Box<Error> {
        let allowed = context
            .route
            .as_ref()
            .map_or(0, |route| usize::from(route.service.retries));
        // Nothing was sent yet, so every method may be tried again.
        error.set_retry(context.tried.len() <= allowed);
        error
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        context: &mut Context,
        client_reused: bool,
    ) -> Box<Error> {
        let allowed = context
            .route
            .as_ref()
            .map_or(0, |route| usize::from(route.service.retries));
        let safe = session.req_header().method.is_idempotent() && !session.as_ref().retry_buffer_truncated();
        if safe && context.tried.len() <= allowed {
            error.retry.decide_reuse(client_reused);
        } else {
            error.set_retry(false);
        }
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, context: &mut Context) -> FailToProxy {
        let Some(reason) = context.reason.or_else(|| failure::reason(error)) else {
            return FailToProxy {
                error_code: 0,
                can_reuse_downstream: false,
            };
        };
        context.reason = Some(reason);
        let service = context.route.as_ref().map_or("", |route| route.service.name.as_str());
        if reason != Reason::BodyTooLarge {
            tracing::warn!(service, request.id = context.request_id, error = %error, reason = reason.code(), "a request failed");
        }
        let detail = failure::detail(reason, service);
        let refusal = Refusal {
            reason,
            detail: detail.into(),
            headers: Vec::new(),
        };
        let (header, body) = answer::compose(Answer::Refusal(refusal), session.req_header(), context);
        // It does nothing when a part of the response was sent already: then the connection just ends.
        let _ = session.as_downstream_mut().write_error_response(header, body).await;
        linger::drain(session).await;
        FailToProxy {
            error_code: reason.status(),
            can_reuse_downstream: false,
        }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, context: &mut Context) {
        if context.request_id.is_empty() {
            return;
        }
        if let Some(facts) = &context.facts {
            for filter in &context.ran {
                filter.on_log(facts);
            }
        }
        let outcome = Self::outcome(session, context, error);
        self.usage.record(self.clock.now(), &outcome);
        self.telemetry.record(session.req_header(), &outcome);
    }

    fn suppress_error_log(&self, _session: &Session, _context: &Context, _error: &Error) -> bool {
        true
    }
}
