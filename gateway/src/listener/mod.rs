//! Accepts connections and hands them to an application of Pingora's.
//!
//! The loop is ours so that a gateway can listen on any free port, knows when its last request is over, refuses
//! connections that are too many, and sees every byte before Pingora does.

mod alarm;
mod connections;
mod downstream;
pub(crate) mod facts;
mod guarded;
mod linger;
mod options;
pub mod proxy_protocol;
pub(crate) mod secure;
mod serve;
mod transport;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use pingora::apps::HttpServerApp;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::config::ProxyProtocol;
use crate::telemetry::Telemetry;
use connections::Connection;
use downstream::Downstream;
use facts::Addresses;
use transport::Transport;

pub(crate) use connections::Connections;
pub(crate) use options::{h2_options, server_options};
pub(crate) use secure::Secure;

/// A pause when the system has no more connections to give.
const EXHAUSTED: Duration = Duration::from_millis(50);
/// Between two lines in the log about it.
const COMPLAINT: Duration = Duration::from_secs(1);

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
    /// Whether connections begin with a PROXY header.
    pub(crate) proxy_protocol: ProxyProtocol,
    /// Whether its connections are among those of clients.
    pub(crate) counted: bool,
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
    let Some(place) = entrance.place(peer.ip()) else { return };
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection does not take an option");
    }
    let entrance = entrance.clone();
    let open = entrance.counted.then(|| entrance.telemetry.connection_accepted());
    tokio::spawn(async move {
        let _open = open;
        let mut stopping = entrance.stopping.clone();
        let opened = tokio::select! {
            opened = entrance.open(stream, peer, place) => opened,
            // A connection that said nothing yet is nothing to wait for.
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        match opened {
            Ok(Some(downstream)) => serve::serve(&entrance.app, downstream, &entrance.stopping).await,
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, client.address = %peer, "a connection did not begin"),
        }
    });
}

impl<A> Entrance<A> {
    /// A place for a connection from this address, if there is one.
    fn place(&self, ip: IpAddr) -> Option<Connection> {
        let place = self.connections.enter(ip.to_canonical());
        if place.is_none() {
            self.telemetry.connection_refused();
        }
        place
    }

    /// Does what comes before the first request.
    async fn open(&self, mut stream: TcpStream, peer: SocketAddr, place: Connection) -> io::Result<Option<Downstream>> {
        let local = stream.local_addr()?;
        let mut addresses = Addresses { client: peer, local };
        let mut place = place;
        if self.proxy_protocol == ProxyProtocol::Trusted && self.connections.trusts(peer.ip().to_canonical()) {
            addresses = proxy_protocol::take(&mut stream, addresses).await?;
            // From now on it counts as the client's.
            drop(place);
            let Some(clients) = self.place(addresses.client.ip()) else {
                return Ok(None);
            };
            place = clients;
        }
        let transport = match &self.secure {
            None => Transport::Plain(stream),
            Some(secure) => {
                let Some(stream) = secure.divert(stream, addresses).await else {
                    return Ok(None);
                };
                Transport::Tls(Box::new(secure.accept(stream).await?))
            }
        };
        let downstream = Downstream::new(transport, addresses, self.telemetry.clone(), place);
        Ok(downstream.begin().await)
    }
}
