//! Where connections come in: the sockets of a gateway, and what behind each of them lets clients in.

use std::net::SocketAddr;
use std::sync::Arc;

use pingora::apps::HttpServerApp;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::{Config, ProxyProtocol, limits};
use crate::error::Error;
use crate::listener::{self, Connections, Entrance, Secure};
use crate::stream::Streams;
use crate::telemetry::Telemetry;

/// What the connections of a listener go through.
pub(super) struct Door {
    pub(super) secure: Option<Secure>,
    pub(super) connections: Arc<Connections>,
    pub(super) proxy_protocol: ProxyProtocol,
    pub(super) counted: bool,
}

impl Door {
    /// For those who look after the gateway.
    pub(super) fn inner() -> Self {
        Self {
            secure: None,
            connections: Arc::new(Connections::bounded(Vec::new(), limits::STATUS_CONNECTIONS)),
            proxy_protocol: ProxyProtocol::Off,
            counted: false,
        }
    }
}

/// The sockets of a gateway, before anybody is let in.
pub(super) struct Listeners {
    pub(super) plain: Vec<std::net::TcpListener>,
    pub(super) tls: Vec<std::net::TcpListener>,
    pub(super) stream: Vec<std::net::TcpListener>,
    pub(super) status: std::net::TcpListener,
}

impl Listeners {
    pub(super) fn bind(config: &Config) -> Result<Self, Error> {
        let all = |addresses: &[SocketAddr], setting| {
            let bound = addresses.iter().map(|address| config.sockets.bind(*address, setting));
            bound.collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            plain: all(&config.proxy_listen, "GATEHOUSE_PROXY_LISTEN")?,
            tls: all(&config.proxy_tls_listen, "GATEHOUSE_PROXY_TLS_LISTEN")?,
            stream: all(&config.stream_listen, "GATEHOUSE_STREAM_LISTEN")?,
            status: config.sockets.bind(config.status_listen, "GATEHOUSE_STATUS_LISTEN")?,
        })
    }
}

pub(super) fn serve<A: HttpServerApp + Send + Sync + 'static>(
    listener: std::net::TcpListener,
    app: Arc<A>,
    door: Door,
    telemetry: Arc<Telemetry>,
    (stopping, leaving): (watch::Receiver<bool>, watch::Receiver<bool>),
) -> Result<SocketAddr, Error> {
    let failed = Error::Threads;
    let address = listener.local_addr().map_err(failed)?;
    let listener = TcpListener::from_std(listener).map_err(failed)?;
    let entrance = Entrance {
        app,
        connections: door.connections,
        telemetry,
        stopping,
        leaving,
        proxy_protocol: door.proxy_protocol,
        counted: door.counted,
        secure: door.secure,
    };
    tokio::spawn(listener::accept(listener, Arc::new(entrance)));
    Ok(address)
}

pub(super) fn pass_streams(
    listeners: Vec<std::net::TcpListener>,
    streams: &Arc<Streams>,
    stopping: &watch::Receiver<bool>,
) -> Result<Vec<SocketAddr>, Error> {
    let mut addresses = Vec::with_capacity(listeners.len());
    for listener in listeners {
        addresses.push(listener.local_addr().map_err(Error::Threads)?);
        let listener = TcpListener::from_std(listener).map_err(Error::Threads)?;
        tokio::spawn(streams.clone().accept(listener, stopping.clone()));
    }
    Ok(addresses)
}
