//! Brings a request to its service and the response back, both as they come.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use pingora::protocols::http::ServerSession;
use pingora_http::ResponseHeader;
use plugins::{Answer, Refusal};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

use super::context::Context;
use super::converse::Conversation;
use super::deadlines::{self, Deadlines};
use super::grpc::{self, Dialect, Messages};
use super::grpc_web::Translation;
use super::look::{Gone, Look};
use super::reply::Reply;
use super::upload::Upload;
use super::{End, Proxy, failure, forward, head};
use crate::config::limits;
use crate::runtime::{Route, Service};
use crate::upstream::client::{Dial, Event, Exchange, Failure, Fault, Framing, Head, Return, Version};
use crate::upstream::preamble;

/// A request on its way.
pub(super) struct Relay<'a> {
    pub(super) proxy: &'a Proxy,
    pub(super) session: &'a mut ServerSession,
    pub(super) context: &'a mut Context,
    pub(super) upload: Upload,
    upgrade: bool,
    /// By when everything has to be over, whoever says so.
    until: Option<Instant>,
    /// Between what the client speaks and what the service does.
    pub(super) translation: Option<Translation>,
    pub(super) reply: Reply,
    /// Counts the messages of a call, which has no other limit.
    messages: Option<Messages>,
}

/// Why there is no whole response.
pub(super) enum Trouble {
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
        let limit = context.route.as_ref().map_or(limits::BODY, |route| route.body_limit);
        Self {
            upload: Upload::new(session, limit),
            proxy,
            session,
            context,
            upgrade,
            until: None,
            translation: None,
            reply: Reply::default(),
            messages: None,
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
        let dialect = Dialect::of(&request.headers);
        let called_for = dialect.and_then(|_| grpc::timeout(&request.headers));
        let total = called_for.into_iter().chain(route.service.timeout).min();
        self.until = total.map(|total| Instant::from_std(self.context.began) + total);
        if let Some(dialect) = dialect {
            self.prepare_call(dialect, route.service.version);
        }
    }

    /// Makes a call of any dialect one that the service understands.
    fn prepare_call(&mut self, dialect: Dialect, version: Version) {
        self.context.dialect = Some(dialect);
        self.translation = Translation::of(dialect).filter(|_| version != Version::Http1);
        if let Some(translation) = &self.translation {
            grpc::translate(self.session.req_header_mut());
            if !translation.keeps_length() {
                self.upload.forget_length();
            }
        }
        if self.translation.is_some() || dialect == Dialect::Grpc {
            self.messages = Some(Messages::up_to(self.upload.lift_limit()));
        }
    }

    async fn attempt(&mut self, service: &Arc<Service>) -> Result<End, Trouble> {
        let until = self.until;
        let opening = self.open(service);
        let (mut exchange, back) = match until {
            Some(until) => timeout_at(until, opening).await.map_err(|_| deadlines::over())??,
            None => opening.await?,
        };
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

    /// Begins an exchange with the next target.
    async fn open(&mut self, service: &Service) -> Result<(Exchange, Return), Fault> {
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
        self.start(service, address).await
    }

    async fn start(&self, service: &Service, address: SocketAddr) -> Result<(Exchange, Return), Fault> {
        let tls = service.tls()?;
        let dial = Dial {
            address,
            tls,
            version: service.version,
            timeout: service.connect_timeout,
            preamble: self.preamble(service),
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

    /// Who the client is, for a service that wants to know it before anything else. Its port is known when it connected
    /// itself.
    fn preamble(&self, service: &Service) -> Option<Bytes> {
        let facts = self.context.facts.as_ref()?;
        let local = self.session.server_addr().and_then(|address| address.as_inet())?;
        let peer = self.session.client_addr().and_then(|address| address.as_inet())?;
        let port = if peer.ip().to_canonical() == facts.client_ip {
            peer.port()
        } else {
            0
        };
        preamble::header(service.proxy_protocol, SocketAddr::new(facts.client_ip, port), *local)
    }

    /// Moves bytes both ways until the response is whole.
    async fn exchange(&mut self, service: &Service, exchange: &mut Exchange) -> Result<Done, Trouble> {
        let now = Instant::now();
        let mut deadlines = Deadlines::new(service.idle_timeout, self.until, now);
        let mut timer = std::pin::pin!(sleep_until(deadlines.next()));
        let mut asked = false;
        loop {
            if self.upload.feed(exchange) && !asked {
                asked = true;
                if !self.context.answered {
                    deadlines.asked(service.response_timeout, Instant::now());
                    timer.as_mut().reset(deadlines.next());
                }
            }
            let look = self.look(exchange);
            let event = tokio::select! {
                event = poll_fn(|cx| exchange.poll(cx)) => event?,
                seen = look.at(self.session) => {
                    let piece = seen.map_err(|gone| self.left(gone, exchange))?;
                    self.forward(piece, exchange).map_err(Trouble::Refused)?;
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

    /// What to expect of the client now. Its leaving shows on a stream of its own at any time, and on a connection only
    /// when no body is in the way.
    fn look(&self, exchange: &mut Exchange) -> Look {
        let whole = self.upload.whole;
        if !whole && !exchange.is_full() {
            Look::Body
        } else if self.session.is_http2() || (whole && !self.upgrade) {
            Look::Presence
        } else {
            Look::Nothing
        }
    }

    /// Hands a piece of the body on; none is its end.
    fn forward(&mut self, piece: Option<Bytes>, exchange: &mut Exchange) -> Result<(), Refusal> {
        let piece = match &mut self.translation {
            Some(translation) => translation.request(piece)?,
            None => piece,
        };
        if let (Some(messages), Some(piece)) = (&mut self.messages, &piece) {
            messages.check(piece)?;
        }
        self.upload.take(piece, self.context, exchange)
    }

    /// The client left, which the service gets to know in the same words.
    fn left(&mut self, gone: Gone, exchange: &mut Exchange) -> Trouble {
        if let Some(code) = gone.0 {
            exchange.give_up_with(code);
        }
        self.gone()
    }

    pub(super) fn gone(&mut self) -> Trouble {
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
                self.context.broken_by = fault.code;
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
