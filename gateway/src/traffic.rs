//! Bytes that go both ways on a connection of which nothing is understood: how many they are, and the silence in which
//! there are none.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use prometheus::IntCounter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::sleep;

use crate::telemetry::metrics::StreamMetrics;

/// How many bytes went each way.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    received: AtomicU64,
    sent: AtomicU64,
    /// Where they are counted too.
    measured: Option<(IntCounter, IntCounter)>,
}

impl Moved {
    /// Nothing yet; what moves counts for the route as well.
    pub(crate) fn for_route(metrics: &StreamMetrics) -> Self {
        Self {
            measured: Some((metrics.received.clone(), metrics.sent.clone())),
            ..Self::default()
        }
    }

    /// Those from the client.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Those to the client.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Until nothing has moved for so long; it may notice late, by as much as that time.
    pub(crate) async fn silence(&self, idle: Duration) {
        let mut before = self.total();
        loop {
            sleep(idle).await;
            let now = self.total();
            if now == before {
                return;
            }
            before = now;
        }
    }

    fn add_received(&self, count: usize) {
        self.received.fetch_add(count as u64, Ordering::Relaxed);
        if let Some((received, _)) = &self.measured {
            received.inc_by(count as u64);
        }
    }

    fn add_sent(&self, count: usize) {
        self.sent.fetch_add(count as u64, Ordering::Relaxed);
        if let Some((_, sent)) = &self.measured {
            sent.inc_by(count as u64);
        }
    }

    fn total(&self) -> u64 {
        self.received() + self.sent()
    }
}

/// The client's side of a connection, which counts.
pub(crate) struct Counted<S> {
    /// The connection.
    pub(crate) stream: S,
    /// Where it counts.
    pub(crate) moved: Arc<Moved>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        let count = buffer.filled().len() - before;
        this.moved.add_received(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let count = ready!(Pin::new(&mut this.stream).poll_write(cx, bytes))?;
        this.moved.add_sent(count);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
