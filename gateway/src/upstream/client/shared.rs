//! HTTP/2 connections to one target, which exchanges share.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt as _;
use h2::client::SendRequest;

/// The most connections to one target.
const MOST: usize = 8;

/// What exchanges with one target share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    connections: Mutex<Vec<Counted>>,
    /// Held while one is made, so that a burst makes one and not a hundred.
    pub(super) making: tokio::sync::Mutex<()>,
    /// Whether the target chose HTTP/1.1, where each connection is for one exchange at a time.
    http1: AtomicBool,
}

/// A connection with the number of its streams, which the library does not tell.
#[derive(Debug, Clone)]
struct Counted {
    sender: SendRequest<Bytes>,
    streams: Arc<AtomicUsize>,
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
            streams: Arc::default(),
        })
    }

    fn on(connection: Counted) -> Self {
        connection.streams.fetch_add(1, Ordering::Relaxed);
        Self { connection }
    }

    /// Where requests are sent.
    pub(super) fn sender(&mut self) -> &mut SendRequest<Bytes> {
        &mut self.connection.sender
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.connection.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Counted {
    fn streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    fn has_room(&self) -> bool {
        self.streams() < self.sender.current_max_send_streams()
    }

    fn is_dead(&self) -> bool {
        matches!(self.sender.clone().ready().now_or_never(), Some(Err(_)))
    }
}

impl Shared {
    fn connections(&self) -> std::sync::MutexGuard<'_, Vec<Counted>> {
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

    /// Shares the connection of a stream from now on.
    pub(super) fn add(&self, stream: &Stream) {
        self.connections().push(stream.connection.clone());
    }

    /// The target chose HTTP/1.1.
    pub(super) fn is_http1(&self) {
        self.http1.store(true, Ordering::Relaxed);
    }

    /// Whether it did.
    pub(super) fn chose_http1(&self) -> bool {
        self.http1.load(Ordering::Relaxed)
    }

    /// Shares none of the connections any more; what runs on them may end.
    pub(super) fn forget(&self) {
        self.connections().clear();
    }

    /// Whether there is something to keep this for. Connections that ended are let go.
    pub(super) fn is_of_use(&self) -> bool {
        let mut connections = self.connections();
        connections.retain(|connection| !connection.is_dead());
        !connections.is_empty() || self.chose_http1()
    }
}
