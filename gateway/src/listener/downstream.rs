//! A client's connection as Pingora sees it.

use std::fmt;
use std::io;
use std::os::fd::AsRawFd as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use super::connections::Connection;
use super::facts::{Addresses, Digests};
use super::serve::lifetime;
use super::transport::Transport;
use crate::config::limits;

/// What an HTTP/2 client sends first when it does not ask before (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The protocols that a client may speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// A client's connection, with what is known of it.
pub(crate) struct Downstream {
    transport: Transport,
    protocol: Protocol,
    /// Read already, not yet given to Pingora.
    input: Vec<u8>,
    socket: Arc<SocketDigest>,
    digests: Digests,
    _place: Connection,
}

impl fmt::Debug for Downstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Downstream")
            .field("client", &self.socket.peer_addr())
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

impl Downstream {
    /// Waits for what the client says first, which tells its protocol; none when it is silent for too long or goes away.
    pub(super) async fn begin(transport: Transport, addresses: Addresses, place: Connection) -> Option<Self> {
        let socket = SocketDigest::from_raw_fd(transport.as_raw_fd());
        // It is new, so the cells are empty.
        let _ = socket.peer_addr.set(Some(addresses.client.into()));
        let _ = socket.local_addr.set(Some(addresses.local.into()));
        let mut downstream = Self {
            digests: Digests::of(&transport),
            transport,
            protocol: Protocol::Http1,
            input: Vec::new(),
            socket: Arc::new(socket),
            _place: place,
        };
        let choosing = timeout(limits::FIRST_BYTES, downstream.choose()).await;
        downstream.protocol = choosing.ok()??;
        Some(downstream)
    }

    /// The protocol that the handshake or the first bytes ask for.
    async fn choose(&mut self) -> Option<Protocol> {
        loop {
            if self.receive().await.ok()? == 0 {
                return None;
            }
            if let Some(tls) = self.transport.tls() {
                let http2 = tls.alpn_protocol() == Some(b"h2");
                return Some(if http2 { Protocol::Http2 } else { Protocol::Http1 });
            }
            if self.input.starts_with(PREFACE) {
                return Some(Protocol::Http2);
            }
            // A request can be shorter than the preface.
            if !PREFACE.starts_with(&self.input) {
                return Some(Protocol::Http1);
            }
        }
    }

    async fn receive(&mut self) -> io::Result<usize> {
        std::future::poll_fn(|cx| self.poll_receive(cx)).await
    }

    /// Reads into the bytes that are kept back.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let start = self.input.len();
        self.input.resize(start + limits::PIECE, 0);
        let mut piece = ReadBuf::new(&mut self.input[start..]);
        let result = Pin::new(&mut self.transport).poll_read(cx, &mut piece);
        let count = piece.filled().len();
        self.input.truncate(start + count);
        ready!(result)?;
        Poll::Ready(Ok(count))
    }

    /// How long it may live.
    pub(super) fn lifetime(&self) -> Duration {
        let port = self
            .socket
            .peer_addr()
            .and_then(SocketAddr::as_inet)
            .map_or(0, std::net::SocketAddr::port);
        lifetime(port)
    }

    /// The protocol that the client speaks.
    pub(super) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Whether another request may come on this connection after the one that was answered.
    pub(super) fn next_request(&mut self) -> bool {
        self.protocol == Protocol::Http1
    }
}

impl AsyncRead for Downstream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.input.is_empty() {
            return Pin::new(&mut this.transport).poll_read(cx, buf);
        }
        let count = this.input.len().min(buf.remaining());
        buf.put_slice(&this.input[..count]);
        this.input.drain(..count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Downstream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().transport).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for Downstream {
    async fn shutdown(&mut self) {
        if let Err(error) = AsyncWriteExt::shutdown(self).await {
            tracing::debug!(%error, "a connection was not closed in order");
        }
    }
}

impl UniqueID for Downstream {
    fn id(&self) -> i32 {
        self.transport.as_raw_fd()
    }
}

impl Ssl for Downstream {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.digests.tls.clone()
    }

    /// Tells Pingora which protocol to speak, for a plain connection too.
    fn selected_alpn_proto(&self) -> Option<ALPN> {
        Some(match self.protocol {
            Protocol::Http1 => ALPN::H1,
            Protocol::Http2 => ALPN::H2,
        })
    }
}

impl GetTimingDigest for Downstream {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Downstream {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.digests.facts.clone()
    }
}

impl GetSocketDigest for Downstream {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(self.socket.clone())
    }
}

impl Peek for Downstream {}
