//! Connections to targets: those that wait are used again, new ones are made within a deadline.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use model::service::{HttpVersion, ServiceProtocol};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::Failure;
use super::exchange::{Exchange, Head};
use super::fault::Fault;
use super::idle::Idle;
use super::shared::{Shared, Stream};
use super::tls::Tls;
use super::transport::Transport;
use super::{h1, h2 as http2};

/// Bytes that a target may send on a stream before they are read.
const STREAM_WINDOW: u32 = 256 * 1024;
/// As many as there can be: a bound that streams share would let clients that do not read stop all others. Memory is bounded
/// by the streams, each of which is a request under way.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
const HEADER_LIST: u32 = 64 * 1024;

/// Which HTTP is spoken to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Version {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, known beforehand.
    Http2,
    /// What the TLS handshake agrees on.
    Negotiated,
}

impl Version {
    /// What a service's settings come to.
    pub(crate) const fn of(protocol: ServiceProtocol, version: HttpVersion) -> Self {
        match (protocol, version) {
            (ServiceProtocol::Grpc | ServiceProtocol::Grpcs, _) | (_, HttpVersion::Two) => Self::Http2,
            (ServiceProtocol::Https, HttpVersion::Auto) => Self::Negotiated,
            (_, HttpVersion::One | HttpVersion::Auto) => Self::Http1,
        }
    }

    /// The protocols that a TLS handshake offers, best first.
    pub(crate) const fn protocols(self) -> &'static [&'static [u8]] {
        match self {
            Self::Http1 => &[b"http/1.1"],
            Self::Http2 => &[b"h2"],
            Self::Negotiated => &[b"h2", b"http/1.1"],
        }
    }
}

/// What a connection is made to.
#[derive(Debug, Clone)]
pub(crate) struct Dial<'a> {
    /// Where.
    pub(crate) address: SocketAddr,
    /// TLS, when it is used.
    pub(crate) tls: Option<&'a Tls>,
    /// Which HTTP.
    pub(crate) version: Version,
    /// How long making it may take.
    pub(crate) timeout: Duration,
    /// What is said before anything else; such a connection is for one client only.
    pub(crate) preamble: Option<Bytes>,
}

/// What connections must have in common to stand in for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) address: SocketAddr,
    tls: u128,
    version: Version,
}

impl Dial<'_> {
    fn key(&self) -> Key {
        Key {
            address: self.address,
            tls: self.tls.map_or(0, |tls| tls.identity),
            version: self.version,
        }
    }
}

/// Makes connections and keeps them.
#[derive(Debug, Default)]
pub(crate) struct Client {
    idle: Idle,
    shared: Mutex<HashMap<Key, Arc<Shared>>>,
}

/// A connection for one exchange.
pub(crate) struct Lease {
    /// Whether the connection was there before.
    pub(crate) reused: bool,
    key: Key,
    kept: bool,
    connection: Connection,
}

enum Connection {
    Http1(h1::Connection),
    Http2(Stream),
}

impl Lease {
    /// Begins the exchange.
    pub(crate) fn start(self, head: &Head<'_>) -> Result<(Exchange, Return), Fault> {
        let tls = self.key.tls != 0;
        let exchange = match self.connection {
            Connection::Http1(connection) => Exchange::Http1(Box::new(connection.start(head))),
            Connection::Http2(stream) => Exchange::Http2(Box::new(http2::start(stream, head, tls)?)),
        };
        Ok((exchange, Return(self.kept.then_some(self.key))))
    }
}

/// Where a connection goes after its exchange.
#[derive(Debug)]
pub(crate) struct Return(Option<Key>);

impl Client {
    /// A connection: one that waits, unless `fresh` is wanted, or a new one.
    pub(crate) async fn lease(&self, dial: &Dial<'_>, fresh: bool) -> Result<Lease, Fault> {
        let key = dial.key();
        let kept = dial.preamble.is_none();
        let lease = |(connection, reused)| Lease {
            reused,
            key,
            kept,
            connection,
        };
        if kept
            && !fresh
            && dial.version != Version::Http2
            && let Some(connection) = self.idle.take(&key)
        {
            return Ok(lease((Connection::Http1(connection), true)));
        }
        let deadline = Instant::now() + dial.timeout;
        if dial.version == Version::Http1 || !kept {
            let connection = self.connect(dial, deadline).await?;
            return Ok(lease((connection, false)));
        }
        self.share(&key, dial, deadline).await.map(lease)
    }

    /// A connection of its own, for whatever is to be said on it.
    pub(crate) async fn open(dial: &Dial<'_>) -> Result<Transport, Fault> {
        let late = |_| Fault::unsent(Failure::Connect, "no connection in time");
        timeout_at(Instant::now() + dial.timeout, open(dial))
            .await
            .map_err(late)?
    }

    /// Keeps the connection of a finished exchange, if it may be used again.
    pub(crate) fn give_back(&self, exchange: Exchange, to: Return) {
        if let Some(key) = to.0
            && let Some(connection) = exchange.into_idle()
        {
            self.idle.put(key, connection);
        }
    }

    /// Makes new connections for what would have shared the one that did not answer: it may be dead, as when a firewall
    /// forgot it. What still runs on it may end.
    pub(crate) fn distrust(&self, back: &Return) {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = back.0.and_then(|key| shared.get(&key)) {
            shared.forget();
        }
    }

    /// Lets go of connections that waited too long; to be called every few seconds.
    pub(crate) fn sweep(&self) {
        self.idle.sweep();
        let now = std::time::Instant::now();
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        // One that a request has in hand will be of use.
        shared.retain(|_, shared| shared.is_of_use(now) || Arc::strong_count(shared) > 1);
    }

    /// How many connections wait, by address.
    pub(crate) fn idle(&self) -> HashMap<SocketAddr, usize> {
        self.idle.counts()
    }

    async fn share(&self, key: &Key, dial: &Dial<'_>, deadline: Instant) -> Result<(Connection, bool), Fault> {
        let shared = self
            .shared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(*key)
            .or_default()
            .clone();
        let late = |_| Fault::unsent(Failure::Connect, "no connection in time");
        if let Some(stream) = shared.ready() {
            return Ok((Connection::Http2(stream), true));
        }
        if shared.chose_http1(std::time::Instant::now()) {
            return self.make(&shared, dial, deadline).await;
        }
        let making = timeout_at(deadline, shared.making.lock()).await.map_err(late)?;
        if let Some(stream) = shared.ready() {
            return Ok((Connection::Http2(stream), true));
        }
        if shared.chose_http1(std::time::Instant::now()) {
            // Each request needs a connection of its own, so none waits for another.
            drop(making);
            return self.make(&shared, dial, deadline).await;
        }
        // When there may be no more connections, the stream waits for its turn on one of them.
        if let Some(stream) = shared.turn() {
            return Ok((Connection::Http2(stream), true));
        }
        self.make(&shared, dial, deadline).await
    }

    /// A new connection, which is shared if it can be.
    async fn make(&self, shared: &Shared, dial: &Dial<'_>, deadline: Instant) -> Result<(Connection, bool), Fault> {
        let connection = self.connect(dial, deadline).await?;
        match &connection {
            Connection::Http2(stream) => shared.add(stream),
            Connection::Http1(_) => shared.is_http1(std::time::Instant::now()),
        }
        Ok((connection, false))
    }

    async fn connect(&self, dial: &Dial<'_>, deadline: Instant) -> Result<Connection, Fault> {
        let connected = timeout_at(deadline, open(dial)).await;
        let transport = connected.map_err(|_| Fault::unsent(Failure::Connect, "no connection in time"))??;
        let http2 = match (&transport, dial.version) {
            (Transport::Tls(stream), Version::Negotiated) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
            (_, Version::Http1) | (Transport::Plain(_), Version::Negotiated) => false,
            (_, Version::Http2) => true,
        };
        if !http2 {
            return Ok(Connection::Http1(h1::Connection::new(transport)));
        }
        let shaken = timeout_at(deadline, handshake(transport)).await;
        shaken
            .map_err(|_| Fault::unsent(Failure::Connect, "no HTTP/2 in time"))?
            .map(|sender| Connection::Http2(Stream::first(sender)))
    }
}

async fn open(dial: &Dial<'_>) -> Result<Transport, Fault> {
    let unreachable = |error: std::io::Error| Fault::unsent(Failure::Connect, format!("no connection: {error}"));
    let mut stream = TcpStream::connect(dial.address).await.map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    if let Some(preamble) = &dial.preamble {
        stream.write_all(preamble).await.map_err(unreachable)?;
    }
    let Some(tls) = dial.tls else {
        return Ok(Transport::Plain(stream));
    };
    let connector = TlsConnector::from(tls.config.clone());
    let stream = connector.connect(tls.name.clone(), stream).await;
    let stream = stream.map_err(|error| Fault::unsent(Failure::Tls, format!("no TLS: {error}")))?;
    Ok(Transport::Tls(Box::new(stream)))
}

async fn handshake(transport: Transport) -> Result<SendRequest<Bytes>, Fault> {
    let shaken = ::h2::client::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEADER_LIST)
        .enable_push(false)
        .handshake(transport)
        .await;
    let (sender, connection) =
        shaken.map_err(|error| Fault::unsent(Failure::Connect, format!("no HTTP/2: {error}")))?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "an HTTP/2 connection to a service ended");
        }
    });
    sender
        .ready()
        .await
        .map_err(|error| Fault::unsent(Failure::Connect, format!("no HTTP/2: {error}")))
}
