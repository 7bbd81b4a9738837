//! The loop that accepts the connections of a socket.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// A pause when the system has no more connections to give.
const EXHAUSTED: Duration = Duration::from_millis(50);
/// Between two lines in the log about it.
const COMPLAINT: Duration = Duration::from_secs(1);

/// From when to when a socket accepts.
#[derive(Debug, Clone)]
pub(crate) struct Hours {
    /// The revision that is served: who shares a socket with another program accepts nothing before there is one, because
    /// the other one serves.
    pub(crate) served: Option<watch::Receiver<Option<i64>>>,
    /// Set when nobody is let in any more.
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Hours {
    /// Waits until they begin; whether they do.
    async fn begin(&mut self) -> bool {
        let Some(served) = &mut self.served else { return true };
        tokio::select! {
            served = served.wait_for(Option::is_some) => served.is_ok(),
            _ = self.stopping.wait_for(|stop| *stop) => false,
        }
    }
}

/// Accepts for as long as it shall.
pub(crate) async fn accept(listener: TcpListener, mut hours: Hours, enter: impl Fn(TcpStream, SocketAddr)) {
    if !hours.begin().await {
        return;
    }
    let (mut stopping, mut complained) = (hours.stopping, None);
    while !*stopping.borrow() {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.changed() => return,
        };
        match accepted {
            Ok((stream, peer)) => enter(stream, peer),
            Err(error) => {
                let now = Instant::now();
                if complained.is_none_or(|last| now - last >= COMPLAINT) {
                    tracing::warn!(%error, "connections cannot be accepted");
                    complained = Some(now);
                }
                sleep(EXHAUSTED).await;
            }
        }
    }
}
