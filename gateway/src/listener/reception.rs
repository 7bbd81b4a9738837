//! Who is let in: a place for each connection, as that of the client whom it is for.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpStream;

use super::connections::{Connection, Connections};
use super::facts::Addresses;
use super::proxy_protocol;
use crate::config::ProxyProtocol;
use crate::telemetry::Telemetry;

/// What every connection passes first, whatever is made of it.
#[derive(Clone)]
pub(crate) struct Reception {
    /// All open connections.
    pub(crate) connections: Arc<Connections>,
    /// What is measured.
    pub(crate) telemetry: Arc<Telemetry>,
    /// Whether connections begin with a PROXY header.
    pub(crate) proxy_protocol: ProxyProtocol,
}

impl Reception {
    /// A place for a connection from this address, if there is one.
    pub(crate) fn place(&self, ip: IpAddr) -> Option<Connection> {
        let place = self.connections.enter(ip.to_canonical());
        if place.is_none() {
            self.telemetry.connection_refused();
        }
        place
    }

    /// Whom a connection is for: the client that a trusted proxy names, as whose it counts from then on, or its peer. None
    /// when the client may have no more.
    pub(crate) async fn introduce(
        &self,
        stream: &mut TcpStream,
        peer: SocketAddr,
        place: Connection,
    ) -> io::Result<Option<(Addresses, Connection)>> {
        let socket = Addresses {
            client: peer,
            local: stream.local_addr()?,
        };
        let introduced =
            self.proxy_protocol == ProxyProtocol::Trusted && self.connections.trusts(peer.ip().to_canonical());
        if !introduced {
            return Ok(Some((socket, place)));
        }
        let addresses = proxy_protocol::take(stream, socket).await?;
        drop(place);
        Ok(self.place(addresses.client.ip()).map(|place| (addresses, place)))
    }
}
