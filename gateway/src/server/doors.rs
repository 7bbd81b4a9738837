//! Where connections come in: the sockets of a gateway, and what behind each of them lets clients in.

use std::net::SocketAddr;
use std::sync::Arc;

use pingora::apps::HttpServerApp;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::{Config, ProxyProtocol, limits};
use crate::error::Error;
use crate::listener::{self, Connections, Entrance, Hours, Reception, Secure};
use crate::proxy::Proxy;
use crate::status::Status;
use crate::stream::Streams;
use crate::telemetry::Telemetry;
use crate::tls::Acceptor;

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

/// Where a gateway can be reached.
pub(super) struct Addresses {
    pub(super) proxies: Vec<SocketAddr>,
    pub(super) tls_proxies: Vec<SocketAddr>,
    pub(super) streams: Vec<SocketAddr>,
    pub(super) status: SocketAddr,
}

/// What is behind the sockets for clients.
pub(super) struct Doors {
    pub(super) app: Arc<Proxy>,
    pub(super) reception: Reception,
    pub(super) passing: Arc<Streams>,
    pub(super) acceptor: Arc<Acceptor>,
    /// When clients are let in.
    pub(super) hours: Hours,
    /// Set while connections should go.
    pub(super) leaving: watch::Receiver<bool>,
}

impl Doors {
    /// Lets clients in, each by the way of its port.
    pub(super) fn open(
        &self,
        listeners: Listeners,
        status: Status,
        ending: &watch::Receiver<bool>,
    ) -> Result<Addresses, Error> {
        let secure = || Secure::new(self.acceptor.clone(), self.passing.clone());
        let plain = listeners.plain.into_iter().map(|socket| self.serve(socket, None));
        let tls = listeners
            .tls
            .into_iter()
            .map(|socket| self.serve(socket, Some(secure())));
        let streams = listeners.stream.into_iter().map(|socket| self.pass_on(socket));
        Ok(Addresses {
            proxies: plain.collect::<Result<_, _>>()?,
            tls_proxies: tls.collect::<Result<_, _>>()?,
            streams: streams.collect::<Result<_, _>>()?,
            status: self.answer(listeners.status, status, ending)?,
        })
    }

    fn serve(&self, socket: std::net::TcpListener, secure: Option<Secure>) -> Result<SocketAddr, Error> {
        let entrance = Entrance {
            app: self.app.clone(),
            reception: self.reception.clone(),
            leaving: self.leaving.clone(),
            counted: true,
            secure,
        };
        attend(socket, self.hours.clone(), entrance)
    }

    fn pass_on(&self, socket: std::net::TcpListener) -> Result<SocketAddr, Error> {
        let (socket, address) = listening(socket)?;
        let (streams, hours) = (self.passing.clone(), self.hours.clone());
        tokio::spawn(async move {
            listener::accept(socket, hours, |stream, peer| streams.enter(stream, peer)).await;
        });
        Ok(address)
    }

    /// Answers those who look after the gateway, who are asked for nothing and answered until the very end.
    fn answer(
        &self,
        socket: std::net::TcpListener,
        status: Status,
        ending: &watch::Receiver<bool>,
    ) -> Result<SocketAddr, Error> {
        let entrance = Entrance {
            app: Arc::new(status),
            reception: inner(self.reception.telemetry.clone()),
            leaving: ending.clone(),
            counted: false,
            secure: None,
        };
        let hours = Hours {
            stopping: ending.clone(),
            ..self.hours.clone()
        };
        attend(socket, hours, entrance)
    }
}

/// One that clients cannot fill.
fn inner(telemetry: Arc<Telemetry>) -> Reception {
    Reception {
        connections: Arc::new(Connections::bounded(Vec::new(), limits::STATUS_CONNECTIONS)),
        telemetry,
        proxy_protocol: ProxyProtocol::Off,
    }
}

fn attend<A: HttpServerApp + Send + Sync + 'static>(
    socket: std::net::TcpListener,
    hours: Hours,
    entrance: Entrance<A>,
) -> Result<SocketAddr, Error> {
    let (socket, address) = listening(socket)?;
    tokio::spawn(listener::serve(socket, hours, entrance));
    Ok(address)
}

fn listening(socket: std::net::TcpListener) -> Result<(TcpListener, SocketAddr), Error> {
    let address = socket.local_addr().map_err(Error::Threads)?;
    let socket = TcpListener::from_std(socket).map_err(Error::Threads)?;
    Ok((socket, address))
}
