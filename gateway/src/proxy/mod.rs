//! A request's way through the gateway, step by step.
//!
//! Pingora reads requests and writes responses, in HTTP/1.1 and HTTP/2; what is between is ours: [`admit`] decides,
//! [`relay`] asks the service and brings its answer back as it comes.

mod admit;
mod answer;
mod attempt;
mod client;
mod context;
mod converse;
mod deadlines;
pub(crate) mod failure;
mod forward;
mod grpc;
mod grpc_web;
mod head;
mod linger;
mod look;
mod mirror;
mod prepare;
mod problem;
mod record;
mod relay;
mod reply;
mod upload;
mod welcome;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use futures_util::FutureExt as _;
use ipnet::IpNet;
use model::clock::Clock;
use model::reason::Reason;
use pingora::apps::{HttpPersistentSettings, HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::H2Options;
use pingora::server::ShutdownWatch;
use pingora::{Error, ErrorType};
use plugins::Answer;
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;

use crate::config::limits;
use crate::listener;
use crate::pressure::Pressure;
use crate::runtime::Runtime;
use crate::telemetry::Telemetry;
use crate::upstream::Random;
use crate::upstream::client::Client;
use crate::usage::Recorder;

pub use client::client_ip;
pub(crate) use context::Context;
use converse::Conversation;
pub(crate) use mirror::COPIES;
use record::Seen;
pub(crate) use record::choice;
use relay::Relay;

/// The proxy: what every request needs and none changes.
pub(crate) struct Proxy {
    /// The snapshot that new requests see; none before the first one is loaded.
    pub(crate) current: Arc<ArcSwapOption<Runtime>>,
    /// Says that there is another one.
    pub(crate) changed: watch::Receiver<Option<i64>>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// Whether responses say how long they took.
    pub(crate) latency_headers: bool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Random,
    /// Room for copies of requests under way.
    pub(crate) copies: Arc<Semaphore>,
    pub(crate) client: Arc<Client>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) usage: Arc<Recorder>,
    pub(crate) pressure: Pressure,
    pub(crate) options: HttpServerOptions,
}

/// How a request ended for the connection that it came on.
enum End {
    /// The response is whole.
    Whole,
    /// The response is whole, and the client may still be sending.
    Early,
    /// It is not, and the client must see that.
    Broken,
    /// The connection speaks another protocol now.
    Upgraded(Conversation),
}

#[async_trait]
impl HttpServerApp for Proxy {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        prepare(&mut session);
        self.arrives(&mut session, shutdown).await?;
        if session.get_keepalive().is_some() {
            let last = *shutdown.borrow();
            session.set_keepalive((!last).then_some(limits::KEEP_ALIVE));
        }
        let mut context = Context::new(self.telemetry.enter(), &session);
        context.tells_latency = self.latency_headers;
        match self.serve(&mut session, &mut context).await {
            End::Whole => {
                self.record(session.req_header(), Seen::of(&session), &mut context);
                keep(session).await
            }
            End::Early => {
                self.record(session.req_header(), Seen::of(&session), &mut context);
                // The request is over; what is read now belongs to none.
                drop(context);
                linger::drain(&mut session).await;
                keep(session).await
            }
            End::Broken => {
                self.record(session.req_header(), Seen::of(&session), &mut context);
                // Without this a stream of HTTP/2 would end as if it were whole.
                if let Some(code) = context.broken_by {
                    session.shutdown_with_reason(code);
                }
                session.shutdown().await;
                None
            }
            End::Upgraded(conversation) => {
                let (request, mut seen) = (session.req_header().clone(), Seen::of(&session));
                if let ServerSession::H1(client) = session {
                    seen.sent = conversation.run(self, client.into_inner(), &context).await;
                }
                self.record(&request, seen, &mut context);
                None
            }
        }
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.options)
    }

    fn h2_options(&self) -> Option<H2Options> {
        Some(listener::h2_options())
    }
}

impl Proxy {
    /// Waits for a request. A connection that waits when the gateway stops is given a moment more: its client may be
    /// about to send, and would not know whether that arrived.
    async fn arrives(&self, session: &mut ServerSession, shutdown: &ShutdownWatch) -> Option<()> {
        let read = tokio::select! {
            biased;
            read = session.read_request() => read,
            () = stopped(shutdown.clone()) => return None,
        };
        match read {
            Ok(true) => Some(()),
            Ok(false) => None,
            Err(error) => {
                self.refuse_unread(session, &error).await;
                None
            }
        }
    }

    /// Answers what could not be read as a request.
    async fn refuse_unread(&self, session: &mut ServerSession, error: &Error) {
        if matches!(error.etype(), ErrorType::InvalidHTTPHeader) {
            let refusal = head::refusal(Reason::BadRequest, "The request cannot be read as HTTP.");
            let (header, body) = answer::of_refusal(&refusal);
            let _ = session.write_error_response(header, body).await;
        }
        session.shutdown().await;
    }

    /// Decides about a request and has it answered. A panic on the way costs this request its answer and nothing else.
    async fn serve(&self, session: &mut ServerSession, context: &mut Context) -> End {
        let way = AssertUnwindSafe(self.go(session, context)).catch_unwind().await;
        let Err(_) = way else { return way.unwrap_or(End::Broken) };
        // Whose panic it was is not asked again.
        context.ran.clear();
        if session.response_written().is_some() {
            return End::Broken;
        }
        let refusal = head::refusal(Reason::InternalError, "Something in the gateway broke on this request.");
        session.set_keepalive(None);
        self.send(session, context, Answer::Refusal(refusal)).await
    }

    async fn go(&self, session: &mut ServerSession, context: &mut Context) -> End {
        match self.admit(session, context).await {
            Some(answer) => self.send(session, context, answer).await,
            None => Relay::new(self, session, context).run().await,
        }
    }

    /// Sends an answer of the gateway's own.
    async fn send(&self, session: &mut ServerSession, context: &mut Context, answer: Answer) -> End {
        if matches!(&answer, Answer::Refusal(refusal) if linger::ends_connection(refusal.reason)) {
            session.set_keepalive(None);
        }
        let (header, body) = answer::compose(answer, session.req_header(), context);
        let sent = async {
            if answer::write_head(session, Box::new(header), body.is_empty()).await? {
                return Ok(());
            }
            session.write_response_body(body, true).await
        };
        if sent.await.is_err() {
            context.client_gone = true;
            return End::Broken;
        }
        End::Early
    }
}

fn prepare(session: &mut ServerSession) {
    // What a client sends ahead waits for its turn, instead of being lost.
    session.set_pipelining_enabled(true);
    session.set_read_timeout(Some(limits::READ));
    session.set_write_timeout(Some(limits::WRITE));
    session.set_total_drain_timeout(Some(linger::LINGER));
}

async fn stopped(mut shutdown: ShutdownWatch) {
    if shutdown.wait_for(|stopping| *stopping).await.is_ok() {
        sleep(limits::LAST_CALL).await;
    }
}

async fn keep(session: ServerSession) -> Option<ReusedHttpStream> {
    let settings = HttpPersistentSettings::for_session(&session);
    let reusable = session.finish().await.ok()??;
    Some(ReusedHttpStream::from_reusable_stream(reusable, settings))
}
