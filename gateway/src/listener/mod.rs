//! Accepts connections and hands them to an application of Pingora's.
//!
//! The loop is ours so that a gateway can listen on any free port, knows when its last request is over, refuses
//! connections that are too many, and sees every byte before Pingora does.

mod accept;
mod alarm;
mod connections;
mod downstream;
pub(crate) mod facts;
mod guarded;
mod http1;
mod linger;
mod options;
mod out;
pub mod proxy_protocol;
mod reception;
pub(crate) mod secure;
mod session;
mod transport;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use pingora::apps::HttpServerApp;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::config::limits;
use crate::stream::{Diverted, Passed, Streams};
use downstream::Downstream;
use transport::Transport;

pub(crate) use accept::{Hours, accept};
pub(crate) use connections::{Connection, Connections};
pub(crate) use options::{h2_options, server_options};
pub(crate) use reception::Reception;
pub(crate) use secure::Secure;

/// What the connections of one listener have in common.
pub(crate) struct Entrance<A> {
    /// Who answers.
    pub(crate) app: Arc<A>,
    /// Who lets them in.
    pub(crate) reception: Reception,
    /// Set while they should go.
    pub(crate) leaving: watch::Receiver<bool>,
    /// Whether they are among those of clients.
    pub(crate) counted: bool,
    /// TLS; none where bytes come as they are.
    pub(crate) secure: Option<Secure>,
}

/// Serves the connections of a socket.
pub(crate) async fn serve<A>(listener: TcpListener, hours: Hours, entrance: Entrance<A>)
where
    A: HttpServerApp + Send + Sync + 'static,
{
    let entrance = Arc::new(entrance);
    accept(listener, hours, |stream, peer| enter(&entrance, stream, peer)).await;
}

fn enter<A>(entrance: &Arc<Entrance<A>>, stream: TcpStream, peer: SocketAddr)
where
    A: HttpServerApp + Send + Sync + 'static,
{
    let Some(place) = entrance.reception.place(peer.ip()) else {
        return;
    };
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection does not take an option");
    }
    let entrance = entrance.clone();
    let open = entrance
        .counted
        .then(|| entrance.reception.telemetry.connection_accepted());
    tokio::spawn(async move {
        let _open = open;
        let mut leaving = entrance.leaving.clone();
        let opened = tokio::select! {
            opened = entrance.open(stream, peer, place) => opened,
            // One that says nothing even now is nothing to wait for.
            () = last_call(&mut leaving) => return,
        };
        match opened {
            Ok(Opened::Http(downstream)) => session::serve(&entrance.app, *downstream, &entrance.leaving).await,
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
    /// Does what comes before the first request.
    async fn open(&self, mut stream: TcpStream, peer: SocketAddr, place: Connection) -> io::Result<Opened> {
        let introduced = self.reception.introduce(&mut stream, peer, place).await?;
        let Some((addresses, mut place)) = introduced else {
            return Ok(Opened::Nothing);
        };
        let telemetry = &self.reception.telemetry;
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
                let shaken = secure.accept(stream, &place).await;
                telemetry.tls_handshake(shaken.is_ok());
                let Some(stream) = shaken? else {
                    return Ok(Opened::Nothing);
                };
                Transport::Tls(Box::new(stream))
            }
        };
        let downstream = Downstream::new(transport, addresses, telemetry.clone(), place);
        Ok(downstream
            .begin()
            .await
            .map_or(Opened::Nothing, |downstream| Opened::Http(Box::new(downstream))))
    }
}
