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
use crate::config::limits;
use crate::stream::{Diverted, Passed, Streams};
use crate::telemetry::Telemetry;
use downstream::Downstream;
use facts::Addresses;
use transport::Transport;

pub(crate) use connections::{Connection, Connections};
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
    /// Set while its connections should go.
    pub(crate) leaving: watch::Receiver<bool>,
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
        let mut leaving = entrance.leaving.clone();
        let opened = tokio::select! {
            opened = entrance.open(stream, peer, place) => opened,
            // One that says nothing even now is nothing to wait for.
            () = last_call(&mut leaving) => return,
        };
        match opened {
            Ok(Opened::Http(downstream)) => serve::serve(&entrance.app, *downstream, &entrance.leaving).await,
            Ok(Opened::Stream(stream, passing)) => stream.run(&passing).await,
            Ok(Opened::Nothing) => {}
            Err(error) => tracing::debug!(%error, client.address = %peer, "a connection did not begin"),
        }
    });
}

/// What a connection turned out to be.
enum Opened {
    /// One of requests.
    Http(Box<Downstream>),
    /// One that a route takes as it is, with its place.
    Stream(Passed<Connection>, Arc<Streams>),
    /// None.
    Nothing,
}

/// A moment after connections should go.
async fn last_call(leaving: &mut watch::Receiver<bool>) {
    if leaving.wait_for(|leave| *leave).await.is_ok() {
        sleep(limits::LAST_CALL).await;
    }
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
    async fn open(&self, mut stream: TcpStream, peer: SocketAddr, place: Connection) -> io::Result<Opened> {
        let local = stream.local_addr()?;
        let mut addresses = Addresses { client: peer, local };
        let mut place = place;
        if self.proxy_protocol == ProxyProtocol::Trusted && self.connections.trusts(peer.ip().to_canonical()) {
            addresses = proxy_protocol::take(&mut stream, addresses).await?;
            // From now on it counts as the client's.
            drop(place);
            let Some(clients) = self.place(addresses.client.ip()) else {
                return Ok(Opened::Nothing);
            };
            place = clients;
        }
        let transport = match &self.secure {
            None => Transport::Plain(stream),
            Some(secure) => {
                let stream = match secure.divert(stream, addresses, place).await {
                    Diverted::Ours(stream, ours) => {
                        place = ours;
                        stream
                    }
                    Diverted::Passed(passed) => return Ok(Opened::Stream(passed, secure.passing())),
                    Diverted::Lost => return Ok(Opened::Nothing),
                };
                let shaken = secure.accept(stream).await;
                self.telemetry.tls_handshake(shaken.is_ok());
                let Some(stream) = shaken? else {
                    return Ok(Opened::Nothing);
                };
                Transport::Tls(Box::new(stream))
            }
        };
        let downstream = Downstream::new(transport, addresses, self.telemetry.clone(), place);
        Ok(downstream
            .begin()
            .await
            .map_or(Opened::Nothing, |downstream| Opened::Http(Box::new(downstream))))
    }
}
