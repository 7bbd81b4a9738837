//! HTTP/2 connections to one target, which exchanges share.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt as _;
use h2::client::SendRequest;

use super::idle::LONGEST;
use crate::upstream::ticks;

/// The most connections to one target.
const MOST: usize = 8;

/// What exchanges with one target share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    connections: Mutex<Vec<Counted>>,
    /// Held while one is made, so that a burst makes one and not a hundred.
    pub(super) making: tokio::sync::Mutex<()>,
    /// When the target chose HTTP/1.1 last, where each connection is for one exchange at a time; 0 when it did not, or has
    /// chosen HTTP/2 since.
    http1: AtomicU64,
}

/// A connection with what the library does not tell of it.
#[derive(Debug, Clone)]
struct Counted {
    sender: SendRequest<Bytes>,
    usage: Arc<Usage>,
}

/// How a connection is used.
#[derive(Debug, Default)]
struct Usage {
    streams: AtomicUsize,
    /// When the last stream ended.
    last: AtomicU64,
}

/// Room for a stream on a connection; it is counted until this is dropped.
#[derive(Debug)]
pub(super) struct Stream {
    connection: Counted,
}

impl Stream {
    /// The first one on a new connection.
    pub(super) fn first(sender: SendRequest<Bytes>) -> Self {
        Self::on(Counted {
            sender,
            usage: Arc::default(),
        })
    }

    fn on(connection: Counted) -> Self {
        connection.usage.streams.fetch_add(1, Ordering::Relaxed);
        Self { connection }
    }

    /// Where requests are sent.
    pub(super) fn sender(&mut self) -> &mut SendRequest<Bytes> {
        &mut self.connection.sender
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let usage = &self.connection.usage;
        usage.last.store(ticks::of(Instant::now()), Ordering::Relaxed);
        // Whoever sees that there is no stream sees when the last one ended.
        usage.streams.fetch_sub(1, Ordering::Release);
    }
}

impl Counted {
    fn streams(&self) -> usize {
        self.usage.streams.load(Ordering::Acquire)
    }

    fn has_room(&self) -> bool {
        self.streams() < self.sender.current_max_send_streams()
    }

    fn is_dead(&self) -> bool {
        matches!(self.sender.clone().ready().now_or_never(), Some(Err(_)))
    }

    /// Whether nobody has used it for so long that its target, or what is on the way, may have forgotten it.
    fn is_old(&self, now: Instant) -> bool {
        self.streams() == 0 && !is_recent(self.usage.last.load(Ordering::Relaxed), now)
    }
}

/// Whether a moment is so near that what was seen then still counts.
fn is_recent(then: u64, now: Instant) -> bool {
    Duration::from_nanos(ticks::of(now).saturating_sub(then)) < LONGEST
}

impl Shared {
    fn connections(&self) -> MutexGuard<'_, Vec<Counted>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room on a connection that takes one more stream at once.
    pub(super) fn ready(&self) -> Option<Stream> {
        let mut connections = self.connections();
        connections.retain(|connection| !connection.is_dead());
        let found = connections.iter().find(|connection| connection.has_room())?;
        Some(Stream::on(found.clone()))
    }

    /// A turn on the connection with the fewest streams, when there may be no more connections.
    pub(super) fn turn(&self) -> Option<Stream> {
        let connections = self.connections();
        if connections.len() < MOST {
            return None;
        }
        let least = connections.iter().min_by_key(|connection| connection.streams())?;
        Some(Stream::on(least.clone()))
    }

    /// Shares the connection of a stream from now on, if there are not too many.
    pub(super) fn add(&self, stream: &Stream) {
        self.http1.store(0, Ordering::Relaxed);
        let mut connections = self.connections();
        if connections.len() < MOST {
            connections.push(stream.connection.clone());
        }
    }

    /// The target chose HTTP/1.1.
    pub(super) fn is_http1(&self, now: Instant) {
        self.http1.store(ticks::of(now), Ordering::Relaxed);
    }

    /// Whether it did, as far as is known: after a while it is asked anew.
    pub(super) fn chose_http1(&self, now: Instant) -> bool {
        let chosen = self.http1.load(Ordering::Relaxed);
        chosen > 0 && is_recent(chosen, now)
    }

    /// Shares none of the connections any more; what runs on them may end.
    pub(super) fn forget(&self) {
        self.connections().clear();
    }

    /// Whether there is something to keep this for. Connections that ended or were not used for long are let go.
    pub(super) fn is_of_use(&self, now: Instant) -> bool {
        let mut connections = self.connections();
        connections.retain(|connection| !connection.is_dead() && !connection.is_old(now));
        !connections.is_empty() || self.chose_http1(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection that was used, and the side of its target, which ends with it.
    async fn connection() -> (Stream, tokio::task::JoinHandle<()>) {
        let (ours, theirs) = tokio::io::duplex(65_536);
        let target = tokio::spawn(async move {
            let mut connection = h2::server::handshake(theirs).await.expect("HTTP/2");
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                respond.send_response(http::Response::new(()), true).expect("sent");
            }
        });
        let (mut sender, connection) = h2::client::handshake(ours).await.expect("HTTP/2");
        tokio::spawn(connection);
        let request = http::Request::get("http://a/").body(()).expect("a request");
        let (response, _) = sender.send_request(request, true).expect("sent");
        response.await.expect("an answer");
        (Stream::first(sender), target)
    }

    #[tokio::test]
    async fn a_connection_is_kept_while_it_is_used_and_a_minute_longer() {
        let (shared, (stream, target)) = (Shared::default(), connection().await);
        shared.add(&stream);
        let hour = Duration::from_secs(3_600);
        assert!(shared.is_of_use(Instant::now() + hour), "a stream runs on it");
        drop(stream);
        let ended = Instant::now();
        assert!(shared.is_of_use(ended + LONGEST / 2));
        assert!(!shared.is_of_use(ended + LONGEST));
        assert!(shared.ready().is_none());
        let ends = tokio::time::timeout(Duration::from_secs(10), target);
        ends.await.expect("the connection ends").expect("in order");
    }

    #[tokio::test]
    async fn a_choice_of_http1_holds_for_a_minute_or_until_another_one() {
        let (shared, now) = (Shared::default(), Instant::now());
        assert!(!shared.chose_http1(now) && !shared.is_of_use(now));
        shared.is_http1(now);
        let later = now + LONGEST / 2;
        assert!(shared.chose_http1(later) && shared.is_of_use(later));
        let later = now + 2 * LONGEST;
        assert!(!shared.chose_http1(later) && !shared.is_of_use(later));
        shared.is_http1(later);
        shared.add(&connection().await.0);
        assert!(!shared.chose_http1(later));
    }
}
