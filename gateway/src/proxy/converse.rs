//! A connection that speaks another protocol than HTTP, such as a WebSocket: bytes both ways until one side ends it,
//! nobody says anything for too long, or who opened it may not be here any more.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use pingora::protocols::Stream;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf, copy_bidirectional};
use tokio::time::{Instant, sleep};

use super::{Context, Proxy};
use crate::upstream::Picked;
use crate::upstream::client::Transport;

/// What of a conversation the service's side is.
pub(super) struct Conversation {
    service: Transport,
    /// What the service said right behind its head.
    early: Bytes,
    idle: Duration,
    /// The target, which has a request in flight for as long as this lasts.
    target: Option<Picked>,
}

impl Conversation {
    pub(super) const fn new(service: Transport, early: Bytes, idle: Duration) -> Self {
        Self {
            service,
            early,
            idle,
            target: None,
        }
    }

    /// Keeps the target counted as busy.
    pub(super) fn hold(&mut self, target: Picked) {
        self.target = Some(target);
    }

    /// Lets both sides talk; how many bytes the service has said.
    pub(super) async fn run(mut self, proxy: &Proxy, client: Stream, context: &Context) -> usize {
        let moved = Arc::new(AtomicU64::new(0));
        let mut client = Watched {
            stream: client,
            moved: moved.clone(),
            written: self.early.len(),
        };
        if client.stream.write_all(&self.early).await.is_err() || client.stream.flush().await.is_err() {
            return 0;
        }
        tokio::select! {
            _ = copy_bidirectional(&mut client, &mut self.service) => {}
            () = silence(&moved, self.idle) => {
                tracing::debug!(request_id = context.request_id, "a conversation ends: nobody said anything");
            }
            () = proxy.unwelcome(context) => {
                tracing::info!(request_id = context.request_id, "a conversation ends: its credential is not valid any more");
            }
        }
        let _ = client.stream.shutdown().await;
        client.written
    }
}

/// Until nothing has moved for so long.
async fn silence(moved: &AtomicU64, idle: Duration) {
    let mut before = moved.load(Ordering::Relaxed);
    let mut since = Instant::now();
    loop {
        sleep(idle.saturating_sub(since.elapsed())).await;
        let now = moved.load(Ordering::Relaxed);
        if now == before && since.elapsed() >= idle {
            return;
        }
        (before, since) = (now, Instant::now());
    }
}

/// The client's side, which counts what moves.
struct Watched {
    stream: Stream,
    moved: Arc<AtomicU64>,
    written: usize,
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut TaskContext<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        this.moved.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut TaskContext<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let count = ready!(Pin::new(&mut this.stream).poll_write(cx, bytes))?;
        this.moved.fetch_add(1, Ordering::Relaxed);
        this.written += count;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
