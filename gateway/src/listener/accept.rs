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

/// Accepts until told to stop.
pub(crate) async fn accept(
    listener: TcpListener,
    mut stopping: watch::Receiver<bool>,
    enter: impl Fn(TcpStream, SocketAddr),
) {
    let mut complained = None;
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
