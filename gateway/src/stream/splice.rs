//! Bytes both ways between a client and a target: each way ends by itself, and silence ends both.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use prometheus::IntCounter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};
use tokio::time::{Instant, sleep_until};

use crate::telemetry::Ended;
use crate::telemetry::metrics::StreamMetrics;

/// How many bytes went each way.
#[derive(Debug, Default)]
pub(super) struct Moved {
    /// From the client.
    pub(super) received: AtomicU64,
    /// To the client.
    pub(super) sent: AtomicU64,
    /// Where they are counted too.
    measured: Option<(IntCounter, IntCounter)>,
}

impl Moved {
    /// Nothing yet; what moves counts for the route as well.
    pub(super) fn for_route(metrics: &StreamMetrics) -> Self {
        Self {
            measured: Some((metrics.received.clone(), metrics.sent.clone())),
            ..Self::default()
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
        self.received.load(Ordering::Relaxed) + self.sent.load(Ordering::Relaxed)
    }
}

/// Lets both sides talk until they part.
pub(super) async fn splice<C, T>(client: C, mut target: T, idle: Duration, moved: &Arc<Moved>) -> Ended
where
    C: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut client = Counted {
        stream: client,
        moved: moved.clone(),
    };
    tokio::select! {
        ended = copy_bidirectional(&mut client, &mut target) => match ended {
            Ok(_) => Ended::Done,
            Err(_) => Ended::Broken,
        },
        () = silence(moved, idle) => Ended::Idle,
    }
}

/// Until nothing has moved for so long; it may notice late, by as much as that time.
async fn silence(moved: &Moved, idle: Duration) {
    let mut before = moved.total();
    loop {
        sleep_until(Instant::now() + idle).await;
        let now = moved.total();
        if now == before {
            return;
        }
        before = now;
    }
}

/// The client's side, which counts.
struct Counted<S> {
    stream: S,
    moved: Arc<Moved>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    #[tokio::test(start_paused = true)]
    async fn silence_ends_both_sides() {
        let ((client, _one), (target, _two)) = (duplex(64), duplex(64));
        let moved = Arc::new(Moved::default());
        assert_eq!(
            splice(client, target, Duration::from_secs(5), &moved).await,
            Ended::Idle
        );
    }

    #[tokio::test]
    async fn a_side_that_has_said_all_still_listens() {
        let ((client, mut one), (target, mut two)) = (duplex(64), duplex(64));
        let moved = Arc::new(Moved::default());
        let talk = async {
            one.write_all(b"ask").await.expect("written");
            one.shutdown().await.expect("half-closed");
            let mut asked = Vec::new();
            two.read_to_end(&mut asked).await.expect("read");
            two.write_all(b"answer").await.expect("written");
            drop(two);
            let mut answer = Vec::new();
            one.read_to_end(&mut answer).await.expect("read");
            (asked, answer)
        };
        let (parting, said) = tokio::join!(splice(client, target, Duration::from_secs(5), &moved), talk);
        assert_eq!((parting, said), (Ended::Done, (b"ask".to_vec(), b"answer".to_vec())));
        assert_eq!(
            (
                moved.received.load(Ordering::Relaxed),
                moved.sent.load(Ordering::Relaxed)
            ),
            (3, 6)
        );
    }
}
