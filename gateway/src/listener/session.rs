//! One request after the other on a connection, for as long as a connection may live.

use std::sync::Arc;
use std::time::Duration;

use pingora::apps::{HttpServerApp, ServerApp as _};
use pingora::protocols::http::ServerSession;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::downstream::{Downstream, Protocol};
use crate::config::limits;

/// Serves a connection to its end.
pub(super) async fn serve<A>(app: &Arc<A>, downstream: Downstream, leaving: &watch::Receiver<bool>)
where
    A: HttpServerApp + Send + Sync + 'static,
{
    let until = Instant::now() + downstream.lifetime();
    match downstream.protocol() {
        Protocol::Http1 => http1(app, downstream, leaving, until).await,
        Protocol::Http2 => http2(app, downstream, leaving, until).await,
    }
}

/// The time after which connections are asked to go, so that new gateways get their share. It is spread, for they may all
/// have come at once.
pub(super) fn lifetime(port: u16) -> Duration {
    limits::LIFETIME * 9 / 10 + limits::LIFETIME * u32::from(port) / u32::from(u16::MAX) / 5
}

/// Pingora's own loop would do, but it does not tell a connection that the next request may come.
async fn http1<A>(app: &Arc<A>, downstream: Downstream, leaving: &watch::Receiver<bool>, until: Instant)
where
    A: HttpServerApp + Send + Sync + 'static,
{
    let mut session = ServerSession::new_http1(Box::new(downstream));
    session.set_keepalive((!*leaving.borrow()).then_some(limits::KEEP_ALIVE));
    session.set_keepalive_reuses_remaining(Some(limits::REQUESTS_PER_CONNECTION));
    while let Some(answered) = app.process_new_http(session, leaving).await {
        let (stream, settings) = answered.consume();
        let Ok(mut downstream) = stream.into_any().downcast::<Downstream>() else {
            return;
        };
        if !downstream.next_request() {
            return;
        }
        session = ServerSession::new_http1(downstream);
        if let Some(settings) = settings {
            settings.apply_to_session(&mut session);
        }
        if Instant::now() >= until {
            // The answer to this request says that it is the last one.
            session.set_keepalive_reuses_remaining(Some(0));
        }
    }
}

async fn http2<A>(app: &Arc<A>, downstream: Downstream, leaving: &watch::Receiver<bool>, until: Instant)
where
    A: HttpServerApp + Send + Sync + 'static,
{
    let (go, going) = watch::channel(*leaving.borrow());
    let mut leaving = leaving.clone();
    let serving = app.process_new(Box::new(downstream), &going);
    tokio::pin!(serving);
    tokio::select! {
        _ = &mut serving => return,
        _ = leaving.wait_for(|leave| *leave) => {}
        () = sleep_until(until) => {}
    }
    // The client is told to go; what it asked before is answered.
    go.send_replace(true);
    if timeout(limits::LIFETIME, serving).await.is_err() {
        tracing::debug!("a connection was cut off after its last requests did not end");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_do_not_all_end_at_once() {
        assert_eq!(lifetime(0), Duration::from_secs(54 * 60));
        assert_eq!(lifetime(u16::MAX), Duration::from_secs(66 * 60));
    }
}
