//! Brings a request to its service and the response back, both as they come.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode, Version as HttpVersion};
use model::service::Scheme;
use pingora::protocols::http::ServerSession;
use pingora_http::ResponseHeader;
use plugins::{Answer, Refusal};
use tokio::time::{Instant, Sleep, sleep_until};

use super::context::Context;
use super::deadlines::Deadlines;
use super::upload::Upload;
use super::{End, Proxy, answer, failure, forward, head};
use crate::config::limits;
use crate::runtime::Service;
use crate::upstream::client::{Event, Exchange, Fault, Framing};
use crate::upstream::{Choice, Picked};

/// A request on its way.
pub(super) struct Relay<'a> {
    pub(super) proxy: &'a Proxy,
    pub(super) session: &'a mut ServerSession,
    pub(super) context: &'a mut Context,
    pub(super) upload: Upload,
    pub(super) upgrade: bool,
    /// By when all attempts have to be over.
    pub(super) until: Option<Instant>,
    /// The id of the caller's consumer.
    consumer: Option<String>,
}

/// Why there is no whole response.
pub(super) enum Trouble {
    /// The service failed.
    Service(Fault),
    /// It answered with a status that another target may do better than.
    Status,
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
pub(super) enum Done {
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
            until: None,
            consumer: None,
        }
    }

    /// One attempt after the other, until there is a response or no more sense in trying.
    pub(super) async fn run(mut self) -> End {
        let Some(service) = self.prepare() else {
            return self.fail(Trouble::Service(failure::no_target())).await;
        };
        self.until = service
            .timeout
            .map(|timeout| Instant::from_std(self.context.began) + timeout);
        // Only the very first request of a service may have to wait for its names.
        service.pool.ready(service.connect_timeout).await;
        loop {
            match self.attempt(&service).await {
                Ok(end) => {
                    self.proxy.mirror(&service, self.session, self.context, &self.upload);
                    return end;
                }
                Err(trouble) if self.may_retry(&trouble, &service) => self.upload.rewind(),
                Err(trouble) => return self.fail(trouble).await,
            }
        }
    }

    /// Chooses the service, and writes what it shall see into the request.
    fn prepare(&mut self) -> Option<Arc<Service>> {
        let (route, runtime) = (self.context.route.clone()?, self.context.runtime.clone()?);
        self.consumer = self.consumer_id();
        let service = match &route.split {
            Some(split) => {
                let chosen = self
                    .choice()
                    .and_then(|choice| split.choose(&choice, &self.proxy.random))?;
                runtime.services.get(&chosen)?.clone()
            }
            None => route.service.clone(),
        };
        let peer = self.session.client_addr().and_then(|address| address.as_inet());
        let peer = peer.map(SocketAddr::ip).map(|ip| ip.to_canonical());
        let facts = self.context.facts.as_ref()?;
        let peer = peer.unwrap_or(facts.client_ip);
        let request = self.session.req_header_mut();
        let forward = &self.context.forward;
        self.context.target = forward::prepare(request, facts, (&route, &service), forward, peer);
        self.context.service = Some(service.clone());
        Some(service)
    }

    /// What balancing may look at when the caller is known.
    fn consumer_id(&self) -> Option<String> {
        let identity = self.context.facts.as_ref()?.identity.as_ref()?;
        Some(identity.consumer.id.to_string())
    }

    pub(super) fn choice(&self) -> Option<Choice<'_>> {
        let facts = self.context.facts.as_ref()?;
        Some(Choice {
            consumer: self.consumer.as_deref(),
            ip: facts.client_ip,
            path: &facts.path,
            query: facts.query.as_deref(),
            headers: &self.session.req_header().headers,
            secure: facts.scheme == Scheme::Https,
            tried: &self.context.keys,
        })
    }

    /// Moves bytes both ways until the response is whole.
    pub(super) async fn exchange(
        &mut self,
        service: &Service,
        exchange: &mut Exchange,
        picked: &mut Picked,
    ) -> Result<Done, Trouble> {
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
                Event::Upgraded(header) => {
                    self.answered(picked, &header);
                    return Ok(Done::Upgraded(self.finish_head(header, Framing::Open)));
                }
                Event::Head(header, framing) => {
                    self.answered(picked, &header);
                    if self.is_retried(service, &header) {
                        return Err(Trouble::Status);
                    }
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

    /// The target has answered, which says something about it.
    fn answered(&mut self, picked: &mut Picked, header: &ResponseHeader) {
        let now = std::time::Instant::now();
        let waited = self
            .context
            .upstream_began
            .map_or_else(Default::default, |began| now - began);
        self.context.upstream_us = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        picked.answered(header.status.as_u16(), waited, now);
        self.context.cookie = picked.set_cookie();
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

    pub(super) fn gone(&mut self) -> Trouble {
        self.context.client_gone = true;
        Trouble::Client
    }

    async fn fail(self, trouble: Trouble) -> End {
        let refusal = match trouble {
            Trouble::Client => return End::Broken,
            Trouble::Refused(refusal) => refusal,
            // An answer is only given up for another attempt.
            Trouble::Status => return End::Broken,
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
