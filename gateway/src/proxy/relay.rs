//! Brings a request to its service and the response back, both as they come.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode, Version as HttpVersion};
use pingora::protocols::http::ServerSession;
use pingora_http::ResponseHeader;
use plugins::{Answer, Refusal};
use tokio::time::{Instant, Sleep, sleep_until};

use super::context::Context;
use super::converse::Conversation;
use super::deadlines::Deadlines;
use super::upload::Upload;
use super::{End, Proxy, answer, failure, forward, head};
use crate::config::limits;
use crate::runtime::{Route, Service};
use crate::upstream::client::{Dial, Event, Exchange, Failure, Fault, Framing, Head, Return};

/// A request on its way.
pub(super) struct Relay<'a> {
    proxy: &'a Proxy,
    session: &'a mut ServerSession,
    context: &'a mut Context,
    upload: Upload,
    upgrade: bool,
}

/// Why there is no whole response.
enum Trouble {
    /// The service failed.
    Service(Fault),
    /// The client went away, or does not go on.
    Client,
    /// The request is refused after all.
    Refused(Refusal),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Service(fault)
    }
}

/// What came of an attempt.
enum Done {
    Whole,
    Upgraded(Box<ResponseHeader>),
}

impl<'a> Relay<'a> {
    pub(super) fn new(proxy: &'a Proxy, session: &'a mut ServerSession, context: &'a mut Context) -> Self {
        let upgrade = forward::wants_websocket(session);
        Self {
            upload: Upload::new(session, limits::BODY),
            proxy,
            session,
            context,
            upgrade,
        }
    }

    /// One attempt after the other, until there is a response or no more sense in trying.
    pub(super) async fn run(mut self) -> End {
        let Some(route) = self.context.route.clone() else {
            return self.fail(Trouble::Service(failure::no_target())).await;
        };
        self.prepare(&route);
        loop {
            match self.attempt(&route.service).await {
                Ok(end) => return end,
                Err(Trouble::Service(fault)) if self.may_retry(&fault, &route.service) => {
                    tracing::debug!(request_id = self.context.request_id, fault = %fault, "another attempt");
                    self.upload.rewind();
                }
                Err(trouble) => return self.fail(trouble).await,
            }
        }
    }

    /// Writes what the service shall see into the request.
    fn prepare(&mut self, route: &Route) {
        let peer = self.session.client_addr().and_then(|address| address.as_inet());
        let peer = peer.map(SocketAddr::ip).map(|ip| ip.to_canonical());
        let Some(facts) = &self.context.facts else { return };
        let peer = peer.unwrap_or(facts.client_ip);
        let request = self.session.req_header_mut();
        self.context.target = forward::prepare(request, facts, route, &self.context.forward, peer);
    }

    async fn attempt(&mut self, service: &Arc<Service>) -> Result<End, Trouble> {
        let endpoint = service.pool.pick(&self.context.tried).ok_or_else(failure::no_target)?;
        let address = match endpoint.socket {
            Some(socket) => socket,
            None => {
                let found = self.proxy.resolver.resolve(&endpoint.address).await;
                found.ok_or_else(failure::no_target)?
            }
        };
        self.context.tried.push(endpoint.address.clone());
        self.context.upstream_began = Some(std::time::Instant::now());
        let (mut exchange, back) = self.start(service, address).await?;
        match self.exchange(service, &mut exchange).await? {
            Done::Whole => {
                self.proxy.client.give_back(exchange, back);
                Ok(End::Whole)
            }
            Done::Upgraded(header) => {
                self.session
                    .write_response_header(header)
                    .await
                    .map_err(|_| self.gone())?;
                let (service_side, early) = exchange
                    .into_upgraded()
                    .ok_or_else(|| Fault::bad_answer("the connection cannot be taken over"))?;
                Ok(End::Upgraded(Conversation::new(
                    service_side,
                    early,
                    service.idle_timeout,
                )))
            }
        }
    }

    async fn start(&self, service: &Service, address: SocketAddr) -> Result<(Exchange, Return), Fault> {
        let tls = service.tls()?;
        let dial = Dial {
            address,
            tls,
            version: service.version,
            timeout: service.connect_timeout,
            preamble: None,
        };
        // A connection that waited may be closed just now, which only some requests can be tried again after.
        let fresh = self.context.stale;
        let lease = self.proxy.client.lease(&dial, fresh).await?;
        lease.start(&Head {
            request: self.session.req_header(),
            target: &self.context.target,
            upgrade: self.upgrade,
            body: self.upload.framing,
        })
    }

    /// Moves bytes both ways until the response is whole.
    async fn exchange(&mut self, service: &Service, exchange: &mut Exchange) -> Result<Done, Trouble> {
        let now = Instant::now();
        let mut deadlines = Deadlines::new(service.idle_timeout, None, now);
        let mut timer = std::pin::pin!(sleep_until(now + service.idle_timeout));
        let mut asked = false;
        loop {
            if self.upload.feed(exchange) && !asked {
                asked = true;
                if !self.context.answered {
                    deadlines.asked(service.response_timeout, Instant::now());
                    timer.as_mut().reset(deadlines.next());
                }
            }
            let look = if !self.upload.whole && !exchange.is_full() {
                Look::Body
            } else if self.upload.whole && !self.context.answered && !self.upgrade {
                Look::Presence
            } else {
                Look::Nothing
            };
            let event = tokio::select! {
                biased;
                event = poll_fn(|cx| exchange.poll(cx)) => event?,
                piece = look.at(self.session) => {
                    let piece = piece.map_err(|_| self.gone())?;
                    self.upload.take(piece, self.context, exchange).map_err(Trouble::Refused)?;
                    deadlines.moved(Instant::now());
                    continue;
                }
                () = timer.as_mut() => {
                    late(&deadlines, timer.as_mut())?;
                    continue;
                }
            };
            match event {
                Event::Room => {}
                Event::Interim(header) => self.interim(header).await?,
                Event::Upgraded(header) => return Ok(Done::Upgraded(self.finish_head(header, Framing::Open))),
                Event::Head(header, framing) => {
                    self.begin(header, framing).await?;
                    deadlines.answered(Instant::now());
                    timer.as_mut().reset(deadlines.next());
                }
                Event::Body(piece) => {
                    self.pass(piece).await?;
                    deadlines.moved(Instant::now());
                }
                Event::End(trailers) => {
                    self.end(trailers).await?;
                    return Ok(Done::Whole);
                }
            }
        }
    }

    async fn interim(&mut self, header: Box<ResponseHeader>) -> Result<(), Trouble> {
        let request = self.session.req_header();
        let wanted = match header.status.as_u16() {
            100 => request.headers.contains_key(EXPECT),
            103 => true,
            _ => false,
        };
        if wanted && request.version == HttpVersion::HTTP_11 {
            self.session
                .write_response_header(header)
                .await
                .map_err(|_| self.gone())?;
        }
        Ok(())
    }

    /// Sends the head of the response on.
    async fn begin(&mut self, header: Box<ResponseHeader>, framing: Framing) -> Result<(), Trouble> {
        self.context.answered = true;
        let header = self.finish_head(header, framing);
        self.session
            .write_response_header(header)
            .await
            .map_err(|_| self.gone())
    }

    /// The head as the client sees it.
    fn finish_head(&mut self, mut header: Box<ResponseHeader>, framing: Framing) -> Box<ResponseHeader> {
        if let Some(began) = self.context.upstream_began {
            self.context.upstream_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        }
        let upgraded = header.status == StatusCode::SWITCHING_PROTOCOLS;
        self.context.upgraded = upgraded;
        answer::remove_hop_by_hop(&mut header, upgraded);
        answer::finish(&mut header, self.context);
        if !upgraded {
            self.say_where_it_ends(&mut header, framing);
        }
        header
    }

    fn say_where_it_ends(&self, header: &mut ResponseHeader, framing: Framing) {
        let request = self.session.req_header();
        let bodiless = request.method == Method::HEAD
            || header.status == StatusCode::NO_CONTENT
            || header.status == StatusCode::NOT_MODIFIED;
        match framing {
            Framing::Open if !bodiless => {
                header.remove_header(&CONTENT_LENGTH);
                if request.version == HttpVersion::HTTP_11 {
                    let _ = header.insert_header(TRANSFER_ENCODING, "chunked");
                }
            }
            Framing::Empty if !bodiless => drop(header.insert_header(CONTENT_LENGTH, "0")),
            _ => {}
        }
    }

    async fn pass(&mut self, piece: Bytes) -> Result<(), Trouble> {
        let mut piece = Some(piece);
        self.context.filter_response_body(&mut piece, false);
        match piece {
            Some(piece) => {
                let written = self.session.write_response_body(piece, false).await;
                written.map_err(|_| self.gone())
            }
            None => Ok(()),
        }
    }

    async fn end(&mut self, trailers: Option<HeaderMap>) -> Result<(), Trouble> {
        let mut rest = None;
        self.context.filter_response_body(&mut rest, true);
        let rest = rest.unwrap_or_default();
        let written = match trailers.filter(|_| self.session.is_http2()) {
            Some(trailers) => {
                let written = self.session.write_response_body(rest, false).await;
                match written {
                    Ok(()) => self.session.write_response_trailers(trailers).await,
                    failed => failed,
                }
            }
            None => self.session.write_response_body(rest, true).await,
        };
        written.map_err(|_| self.gone())?;
        if !self.upload.whole {
            // The service did not want the rest; the client may still be sending it.
            super::linger::drain(self.session).await;
        }
        Ok(())
    }

    fn gone(&mut self) -> Trouble {
        self.context.client_gone = true;
        Trouble::Client
    }

    /// Whether another attempt could do better and can do no harm.
    fn may_retry(&mut self, fault: &Fault, service: &Service) -> bool {
        if self.context.answered || !self.upload.can_be_sent_again() {
            return false;
        }
        let idempotent = self.session.req_header().method.is_idempotent();
        if fault.stale && idempotent && !self.context.stale {
            // The connection had waited too long, which says nothing about the target.
            self.context.stale = true;
            self.context.tried.pop();
            return true;
        }
        let allowed = self.context.tried.len() <= usize::from(service.retries);
        allowed && !self.context.tried.is_empty() && (fault.unsent || (idempotent && fault.failure == Failure::Reset))
    }

    async fn fail(self, trouble: Trouble) -> End {
        let refusal = match trouble {
            Trouble::Client => return End::Broken,
            Trouble::Refused(refusal) => refusal,
            Trouble::Service(fault) => {
                let service = self
                    .context
                    .route
                    .as_ref()
                    .map_or("", |route| route.service.name.as_str());
                let reason = failure::reason(&fault);
                tracing::warn!(
                    service,
                    request_id = self.context.request_id,
                    target_address = self.context.tried.last().map_or("", String::as_str),
                    fault = %fault,
                    reason = reason.code(),
                    "a request failed"
                );
                head::refusal(reason, failure::detail(reason, service))
            }
        };
        self.context.reason = Some(refusal.reason);
        if self.context.answered {
            return End::Broken;
        }
        self.proxy
            .send(self.session, self.context, Answer::Refusal(refusal))
            .await
    }
}

/// What the client may do meanwhile.
#[derive(Clone, Copy)]
enum Look {
    /// Send more of the body.
    Body,
    /// Go away.
    Presence,
    /// Nothing that is of interest now.
    Nothing,
}

impl Look {
    async fn at(self, session: &mut ServerSession) -> pingora::Result<Option<Bytes>> {
        match self {
            Self::Body => session.read_request_body().await,
            Self::Presence => session.read_body_or_idle(true).await,
            Self::Nothing => std::future::pending().await,
        }
    }
}

/// The timer went off: either something is too late, or something has moved since it was set.
fn late(deadlines: &Deadlines, timer: Pin<&mut Sleep>) -> Result<(), Fault> {
    match deadlines.missed(Instant::now()) {
        Some(fault) => Err(fault),
        None => {
            timer.reset(deadlines.next());
            Ok(())
        }
    }
}
