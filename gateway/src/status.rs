//! What orchestrators and Prometheus ask: does it live, is it ready, what does it measure.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use plugins::counters::Counters;
use tokio::time::timeout;

use crate::runtime::Runtime;
use crate::telemetry::Telemetry;
use crate::telemetry::metrics::TargetState;
use crate::upstream::Upstreams;
use crate::upstream::client::Client;

/// How long whoever asks may be silent, and may take to read the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers `/livez`, `/readyz` and `/metrics`.
pub(crate) struct Status {
    pub(crate) current: Arc<ArcSwapOption<Runtime>>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) draining: Arc<AtomicBool>,
    pub(crate) upstreams: Arc<Upstreams>,
    pub(crate) client: Arc<Client>,
}

impl Status {
    fn targets(&self) -> impl Iterator<Item = TargetState> {
        self.upstreams.gauges(Instant::now(), self.client.idle())
    }

    fn ready(&self) -> (u16, String) {
        if self.draining.load(Ordering::Acquire) {
            return (503, "stopping\n".to_owned());
        }
        match self.current.load().as_ref() {
            Some(runtime) => (200, format!("ready, revision {}\n", runtime.revision)),
            None => (503, "the configuration is not loaded yet\n".to_owned()),
        }
    }
}

#[async_trait]
impl HttpServerApp for Status {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        session.set_read_timeout(Some(PATIENCE));
        session.set_write_timeout(Some(PATIENCE));
        let read = timeout(PATIENCE, session.read_request()).await;
        if !matches!(read, Ok(Ok(true))) {
            return None;
        }
        // Only who can be answered again may stay: clients of HTTP/1.0 wait for the end of the connection.
        let stays = session.get_keepalive().is_some() && !*shutdown.borrow();
        session.set_keepalive(stays.then_some(PATIENCE.as_secs()));
        let (head, body) = self.response(&session).into_parts();
        let settings = HttpPersistentSettings::for_session(&session);
        let sent = timeout(PATIENCE, async {
            session.write_response_header(Box::new(head.into())).await?;
            session.write_response_body(body.into(), true).await?;
            session.finish().await
        });
        let reusable = sent.await.ok()?.ok()??;
        Some(ReusedHttpStream::from_reusable_stream(reusable, settings))
    }
}

impl Status {
    fn response(&self, session: &ServerSession) -> Response<Vec<u8>> {
        let text = "text/plain; charset=utf-8";
        match session.req_header().uri.path() {
            "/livez" => answer(200, text, b"alive\n".to_vec()),
            "/readyz" => {
                let (status, body) = self.ready();
                answer(status, text, body.into_bytes())
            }
            "/metrics" => {
                let body = self.telemetry.render(self.counters.evicted(), self.targets());
                answer(200, "text/plain; version=0.0.4; charset=utf-8", body)
            }
            _ => answer(404, text, b"there are /livez, /readyz and /metrics\n".to_vec()),
        }
    }
}

#[expect(clippy::expect_used, reason = "statuses and headers are constants of this file")]
fn answer(status: u16, content_type: &str, body: Vec<u8>) -> Response<Vec<u8>> {
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, content_type)
        .header(CACHE_CONTROL, "no-store")
        .header(http::header::CONTENT_LENGTH, body.len())
        .body(body)
        .expect("a valid response")
}
