//! The way from a TCP connection to one under TLS: in time, and not too many at once.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use crate::config::limits;

/// Shakes hands as the server of a connection.
#[async_trait]
pub(crate) trait Handshake: Send + Sync {
    /// Speaks TLS on a connection of which no byte was read.
    async fn handshake(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>>;
}

/// Handshakes of one listener.
#[derive(Clone)]
pub(crate) struct Secure {
    handshake: Arc<dyn Handshake>,
    /// One that stalls holds its place until the deadline, so that there are many more of them than processors.
    places: Arc<Semaphore>,
}

impl Secure {
    /// Shakes hands in this way.
    pub(crate) fn new(handshake: Arc<dyn Handshake>) -> Self {
        Self {
            handshake,
            places: Arc::new(Semaphore::new(limits::HANDSHAKES)),
        }
    }

    /// A connection under TLS, or the reason why there is none in time.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let shaking = async {
            // A silent client must not hold a place: it gets one when it has said something.
            stream.peek(&mut [0]).await?;
            let place = self.places.acquire().await.map_err(io::Error::other)?;
            let shaken = self.handshake.handshake(stream).await;
            drop(place);
            shaken
        };
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the handshake took too long");
        timeout(limits::HANDSHAKE, shaking).await.map_err(late)?
    }
}
