//! Accepts connections and hands them to an application of Pingora's.
//!
//! The loop is ours so that a gateway can listen on any free port, knows when its last request is over, refuses
//! connections that are too many, and sees every byte before Pingora does.

mod connections;
mod downstream;
pub(crate) mod facts;
pub(crate) mod secure;
mod serve;
mod transport;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pingora::apps::HttpServerApp;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::error::Error;
use crate::telemetry::Telemetry;
use downstream::Downstream;
use facts::Addresses;
use transport::Transport;

pub(crate) use connections::{Connection, Connections};
pub(crate) use secure::Secure;

/// A pause when the system has no more connections to give.
const EXHAUSTED: Duration = Duration::from_millis(50);
/// Between two lines in the log about it.
const COMPLAINT: Duration = Duration::from_secs(1);

/// Binds an address that a setting names.
pub(crate) fn bind(address: SocketAddr, setting: &'static str) -> Result<std::net::TcpListener, Error> {
    let failed = |source| Error::Listen {
        address,
        setting,
        source,
    };
    let listener = std::net::TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// What the connections of one listener have in common.
pub(crate) struct Entrance<A> {
    /// Who answers.
    pub(crate) app: Arc<A>,
    /// All open connections.
    pub(crate) connections: Arc<Connections>,
    /// What is measured.
    pub(crate) telemetry: Arc<Telemetry>,
    /// Set when the listener shall stop.
    pub(crate) stopping: watch::Receiver<bool>,
    /// TLS; none where bytes come as they are.
    pub(crate) secure: Option<Secure>,
}

/// Accepts until told to stop.
pub(crate) async fn accept<A>(listener: TcpListener, entrance: Arc<Entrance<A>>)
where
    A: HttpServerApp + Send + Sync + 'static,
{
    let mut stopping = entrance.stopping.clone();
    let mut complained = None;
    while !*stopping.borrow() {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.changed() => return,
        };
        match accepted {
            Ok((stream, peer)) => enter(&entrance, stream, peer),
            Err(error) => {
                let now = Instant::now();
                if complained.is_none_or(|last| now - last >= COMPLAINT) {
                    tracing::warn!(%error, "connections cannot be accepted");
                    complained = Some(now);
                }
                sleep(EXHAUSTED).await;
            }
        }
    }
}

fn enter<A>(entrance: &Arc<Entrance<A>>, stream: TcpStream, peer: SocketAddr)
where
    A: HttpServerApp + Send + Sync + 'static,
{
    let Some(place) = entrance.connections.enter(peer.ip().to_canonical()) else {
        entrance.telemetry.connections_refused.inc();
        return;
    };
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection does not take an option");
    }
    let entrance = entrance.clone();
    tokio::spawn(async move {
        let mut stopping = entrance.stopping.clone();
        let opened = tokio::select! {
            opened = open(&entrance, stream, peer, place) => opened,
            // A connection that said nothing yet is nothing to wait for.
            _ = stopping.wait_for(|stop| *stop) => None,
        };
        if let Some(downstream) = opened {
            serve::serve(&entrance.app, downstream, &entrance.stopping).await;
        }
    });
}

/// Does what comes before the first request.
async fn open<A>(entrance: &Entrance<A>, stream: TcpStream, peer: SocketAddr, place: Connection) -> Option<Downstream> {
    let local = stream.local_addr().ok()?;
    let addresses = Addresses { client: peer, local };
    let transport = match &entrance.secure {
        None => Transport::Plain(stream),
        Some(secure) => match secure.accept(stream).await {
            Ok(stream) => Transport::Tls(Box::new(stream)),
            Err(error) => {
                tracing::debug!(%error, client.address = %peer, "a handshake failed");
                return None;
            }
        },
    };
    Downstream::begin(transport, addresses, place).await
}
