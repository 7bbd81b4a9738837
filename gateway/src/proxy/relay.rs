//! Brings a request to its service and the response back, both as they come.

use std::future::poll_fn;

use bytes::Bytes;
use model::reason::Reason;
use pingora::protocols::http::ServerSession;
use pingora_http::ResponseHeader;
use plugins::{Answer, Refusal};
use tokio::time::{Instant, sleep_until};

use super::context::Context;
use super::deadlines::{Deadlines, Times};
use super::grpc::Messages;
use super::grpc_web::Translation;
use super::look::{Gone, Look};
use super::reply::Reply;
use super::upload::Upload;
use super::{End, Proxy, failure, forward, head};
use crate::guard::BodyPace;
use crate::runtime::Service;
use crate::upstream::Picked;
use crate::upstream::client::{Event, Exchange, Fault, Framing};

/// A request on its way.
pub(super) struct Relay<'a> {
    pub(super) proxy: &'a Proxy,
    pub(super) session: &'a mut ServerSession,
    pub(super) context: &'a mut Context,
    pub(super) upload: Upload,
    pub(super) upgrade: bool,
    /// How long things may take.
    pub(super) times: Times,
    /// The id of the caller's consumer.
    pub(super) consumer: Option<String>,
    /// Between what the client speaks and what the service does.
    pub(super) translation: Option<Translation>,
    pub(super) reply: Reply,
    /// Counts the messages of a call, which has no other limit.
    pub(super) messages: Option<Messages>,
    /// How slowly a body may come on a stream; on a connection of HTTP/1 the guard looks, and a call may be slow.
    pub(super) pace: Option<BodyPace>,
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
        let limit = context.route.as_ref().and_then(|route| route.body_limit);
        let upload = Upload::new(session, limit);
        let upgrade = upload.framing == Framing::Empty && forward::wants_websocket(session);
        Self {
            upload,
            proxy,
            session,
            context,
            upgrade,
            times: Times::default(),
            consumer: None,
            translation: None,
            reply: Reply::default(),
            messages: None,
            pace: None,
        }
    }

    /// One attempt after the other, until there is a response or no more sense in trying.
    pub(super) async fn run(mut self) -> End {
        let Some(service) = self.prepare() else {
            return self.fail(Trouble::Service(failure::no_target())).await;
        };
        // Only the very first request of a service may have to wait for its names.
        service.pool.ready(self.times.connect).await;
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

    /// Moves bytes both ways until the response is whole.
    pub(super) async fn exchange(
        &mut self,
        service: &Service,
        exchange: &mut Exchange,
        picked: &mut Picked,
    ) -> Result<Done, Trouble> {
        let mut deadlines = Deadlines::new(self.times.idle, self.times.until, Instant::now());
        let mut timer = std::pin::pin!(sleep_until(deadlines.next()));
        loop {
            self.hand_over(exchange, &mut deadlines);
            let look = self.look(exchange);
            let next = self.next_look(look, &deadlines)?;
            if next < timer.deadline() {
                timer.as_mut().reset(next);
            }
            let event = tokio::select! {
                event = poll_fn(|cx| exchange.poll(cx)) => event?,
                seen = look.at(self.session) => {
                    let piece = seen.map_err(|gone| self.left(gone, exchange))?;
                    self.forward(piece, exchange).map_err(Trouble::Refused)?;
                    deadlines.moved(Instant::now());
                    continue;
                }
                () = timer.as_mut() => {
                    self.check_time(&deadlines, exchange)?;
                    timer.as_mut().reset(deadlines.next());
                    continue;
                }
            };
            if let Some(done) = self.happened(event, service, picked, &mut deadlines).await? {
                return Ok(done);
            }
        }
    }

    /// Hands over what is kept of the body; once that is all of it, the service has to answer.
    fn hand_over(&mut self, exchange: &mut Exchange, deadlines: &mut Deadlines) {
        if self.upload.feed(exchange) && !deadlines.is_asked() {
            deadlines.asked(self.times.response, Instant::now());
        }
    }

    /// Passes on what came from the service; what came of the attempt, once that is known.
    async fn happened(
        &mut self,
        event: Event,
        service: &Service,
        picked: &mut Picked,
        deadlines: &mut Deadlines,
    ) -> Result<Option<Done>, Trouble> {
        match event {
            Event::Room => deadlines.moved(Instant::now()),
            Event::Interim(header) => self.interim(header).await?,
            Event::Upgraded(header) => {
                self.answered(picked, &header);
                let header = self.finish_head(header, Framing::Open);
                return Ok(Some(Done::Upgraded(header)));
            }
            Event::Head(header, framing) => {
                self.answered(picked, &header);
                if self.is_retried(service, &header) {
                    return Err(Trouble::Status);
                }
                self.begin(header, framing).await?;
                deadlines.answered(Instant::now());
            }
            Event::Body(piece) => {
                self.pass(piece).await?;
                deadlines.moved(Instant::now());
            }
            Event::End(trailers) => {
                self.end(trailers).await?;
                return Ok(Some(Done::Whole));
            }
        }
        Ok(None)
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

    /// Whether something took too long. The client is to blame while it is waited for and nothing is answered yet, or
    /// when it gave so little time itself; otherwise the service is.
    fn check_time(&self, deadlines: &Deadlines, exchange: &mut Exchange) -> Result<(), Trouble> {
        let Some(fault) = deadlines.missed(Instant::now()) else {
            return Ok(());
        };
        let answered = self.context.answered;
        if fault.total {
            let blameless = self.times.by_caller || answered || !deadlines.is_asked();
            return Err(Trouble::Service(Fault { blameless, ..fault }));
        }
        let client_may_send = !self.upload.whole && !exchange.is_full();
        if client_may_send && !answered {
            return Err(Trouble::Refused(slow_body()));
        }
        // In a conversation either side may have waited for the other.
        let blameless = client_may_send;
        Err(Trouble::Service(Fault { blameless, ..fault }))
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

    /// When to look again at the latest. Refuses a body that comes too slowly.
    fn next_look(&mut self, look: Look, deadlines: &Deadlines) -> Result<Instant, Trouble> {
        let next = deadlines.next();
        match &mut self.pace {
            Some(pace) if matches!(look, Look::Body) => match pace.waiting(Instant::now()) {
                Ok(look) => Ok(look.min(next)),
                Err(_) => Err(Trouble::Refused(slow_body())),
            },
            _ => Ok(next),
        }
    }

    /// Hands a piece of the body on; none is its end.
    fn forward(&mut self, piece: Option<Bytes>, exchange: &mut Exchange) -> Result<(), Refusal> {
        let piece = match &mut self.translation {
            Some(translation) => translation.request(piece)?,
            None => piece,
        };
        if let (Some(pace), Some(piece)) = (&mut self.pace, &piece) {
            pace.received(piece.len(), Instant::now);
        }
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

    async fn fail(self, trouble: Trouble) -> End {
        let refusal = match trouble {
            // An answer is only given up for another attempt.
            Trouble::Client | Trouble::Status => return End::Broken,
            Trouble::Refused(refusal) => refusal,
            Trouble::Service(fault) => {
                let service = self
                    .context
                    .service
                    .as_ref()
                    .map_or("", |service| service.name.as_str());
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

fn slow_body() -> Refusal {
    head::refusal(Reason::RequestTimeout, "The body of the request did not come in time.")
}
