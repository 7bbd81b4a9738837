//! A client's connection as Pingora sees it.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
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
use super::guarded::Guarded;
use super::session::lifetime;
use super::transport::Transport;
use crate::config::limits;
use crate::telemetry::Telemetry;

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
    guarded: Guarded,
    protocol: Protocol,
    socket: Arc<SocketDigest>,
    digests: Digests,
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
    /// A connection from and to these addresses, of which nothing was read.
    pub(super) fn new(
        transport: Transport,
        addresses: Addresses,
        telemetry: Arc<Telemetry>,
        place: Connection,
    ) -> Self {
        let digests = Digests::of(&transport);
        let guarded = Guarded::new(transport, telemetry, place);
        let socket = SocketDigest::from_raw_fd(guarded.descriptor());
        // It is new, so the cells are empty.
        let _ = socket.peer_addr.set(Some(addresses.client.into()));
        let _ = socket.local_addr.set(Some(addresses.local.into()));
        Self {
            guarded,
            protocol: Protocol::Http1,
            socket: Arc::new(socket),
            digests,
        }
    }

    /// Waits for what the client says first, which tells its protocol; none when it is silent for too long or goes away.
    pub(super) async fn begin(mut self) -> Option<Self> {
        self.protocol = timeout(limits::FIRST_BYTES, self.choose()).await.ok()??;
        if self.protocol == Protocol::Http2 {
            self.guarded.speak_http2();
        }
        Some(self)
    }

    /// The protocol that the handshake or the first bytes ask for; the preface of HTTP/2 is whole, for who waits for the rest
    /// of it sets no deadline.
    async fn choose(&mut self) -> Option<Protocol> {
        loop {
            if poll_fn(|cx| self.guarded.poll_receive(cx)).await.ok()? == 0 {
                return None;
            }
            let (tls, input) = (self.guarded.transport()?.tls(), self.guarded.input());
            let begun = input.len() < PREFACE.len() && PREFACE.starts_with(input);
            match tls.map(|tls| tls.alpn_protocol() == Some(b"h2")) {
                Some(false) => return Some(Protocol::Http1),
                // What is no preface is for the library to refuse.
                Some(true) if !begun => return Some(Protocol::Http2),
                None if input.starts_with(PREFACE) => return Some(Protocol::Http2),
                // A request can be shorter than the preface.
                None if !begun => return Some(Protocol::Http1),
                _ => {}
            }
        }
    }

    /// How long it may live.
    pub(super) fn lifetime(&self) -> Duration {
        let peer = self.socket.peer_addr().and_then(SocketAddr::as_inet);
        lifetime(peer.map_or(0, std::net::SocketAddr::port))
    }

    /// The protocol that the client speaks.
    pub(super) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Whether another request may come on this connection after the one that was answered.
    pub(super) fn next_request(&mut self) -> bool {
        self.guarded.next_request()
    }
}

impl AsyncRead for Downstream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut().guarded.poll_read(cx, buf)
    }
}

impl AsyncWrite for Downstream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().guarded.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().guarded.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().guarded.poll_shutdown(cx)
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
        self.guarded.descriptor()
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
