//! The way from a TCP connection to one under TLS: in time, and not too many at once.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use rustls::server::Acceptor as Greeter;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};

use super::connections::Connection;
use super::facts::Addresses;
use crate::config::limits;
use crate::stream::{Diverted, Ends, Streams};

/// Shakes hands as the server of a connection.
#[async_trait]
pub(crate) trait Handshake: Send + Sync {
    /// Answers a client that has said what it wants; nothing comes of it where the handshake was all that was wanted.
    async fn handshake(&self, greeting: StartHandshake<TcpStream>) -> io::Result<Option<TlsStream<TcpStream>>>;
}

/// Waits for what a client wants, on a connection of which no byte was read.
pub(crate) async fn greet(stream: TcpStream) -> io::Result<StartHandshake<TcpStream>> {
    LazyConfigAcceptor::new(Greeter::default(), stream).await
}

/// Handshakes of one listener.
#[derive(Clone)]
pub(crate) struct Secure {
    handshake: Arc<dyn Handshake>,
    /// Where connections go that a route takes as they are.
    passing: Arc<Streams>,
    /// A client that does not go on holds its place until the deadline, so that there are many more of them than
    /// processors.
    places: Arc<Semaphore>,
}

impl Secure {
    /// Shakes hands in this way.
    pub(crate) fn new(handshake: Arc<dyn Handshake>, passing: Arc<Streams>) -> Self {
        Self {
            handshake,
            passing,
            places: Arc::new(Semaphore::new(limits::HANDSHAKES)),
        }
    }

    /// Passes a connection on if a route takes it as it is; else it is for [`Secure::accept`].
    pub(super) async fn divert<P>(&self, stream: TcpStream, addresses: Addresses, place: P) -> Diverted<P> {
        let ends = Ends {
            peer: addresses.client,
            local: addresses.local,
        };
        self.passing.divert(stream, ends, place).await
    }

    /// Who passes connections on.
    pub(super) fn passing(&self) -> Arc<Streams> {
        self.passing.clone()
    }

    /// A connection under TLS if there is to be one, or the reason why there is none in time. `from` is where it comes from.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
        from: &Connection,
    ) -> io::Result<Option<TlsStream<TcpStream>>> {
        let shaking = async {
            // As long as a client has not said what it wants it costs nothing, and holds up nobody.
            let greeting = greet(stream).await?;
            // Whoever waits for others from there does not wait in everybody's way.
            let _turn = from.handshakes().acquire().await.map_err(io::Error::other)?;
            let _place = self.places.acquire().await.map_err(io::Error::other)?;
            self.handshake.handshake(greeting).await
        };
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the handshake took too long");
        timeout(limits::HANDSHAKE, shaking).await.map_err(late)?
    }
}
