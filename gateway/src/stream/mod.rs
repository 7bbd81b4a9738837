//! Connections that are not opened: TCP by the port that they came to, TLS by the name that they ask for.

mod hello;
mod splice;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use http::HeaderMap;
use model::clock::Clock;
use model::reason::Reason;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::listener::{Connection, Reception};
use crate::proxy::{choice, failure};
use crate::router::WantedStream;
use crate::runtime::{Route, Runtime};
use crate::telemetry::{Ended, LogChoice, Outcome, Passage, Telemetry};
use crate::traffic::Moved;
use crate::upstream::client::{Client, Dial, Fault, Transport, Version};
use crate::upstream::{Choice, Endpoint, Picked, preamble};
use crate::usage::Recorder;
use splice::splice;

pub(crate) use hello::{Hello, peek};

/// What connections of all ports have in common.
pub(crate) struct Streams {
    /// The snapshot that new connections see.
    pub(crate) current: Arc<ArcSwapOption<Runtime>>,
    /// What is measured, and what is in flight.
    pub(crate) telemetry: Arc<Telemetry>,
    /// Who lets connections in.
    pub(crate) reception: Reception,
    /// What the time is.
    pub(crate) clock: Arc<dyn Clock>,
    /// Where they are counted for the console.
    pub(crate) usage: Arc<Recorder>,
    /// Whether what is still open ends now.
    pub(crate) ending: watch::Receiver<bool>,
}

impl Streams {
    /// Takes a connection of a port.
    pub(crate) fn enter(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let Some(place) = self.reception.place(peer.ip()) else {
            return;
        };
        let streams = self.clone();
        tokio::spawn(async move { streams.serve(stream, peer, place).await });
    }

    async fn serve(&self, mut stream: TcpStream, peer: SocketAddr, place: Connection) {
        let _ = stream.set_nodelay(true);
        let Some(runtime) = self.current.load_full() else {
            return;
        };
        // The port that it came to, whatever one a proxy names.
        let Ok(local) = stream.local_addr() else { return };
        let introduced = self.reception.introduce(&mut stream, peer, place).await;
        let Ok(Some((addresses, place))) = introduced else {
            return;
        };
        let hello = if runtime.router.reads_server_names(local.port()) {
            match peek(&stream).await {
                Ok(hello) => hello,
                Err(_) => return,
            }
        } else {
            Hello::Other
        };
        let ends = Ends {
            peer: addresses.client,
            local,
        };
        match find(&runtime, local, ends.peer, &hello) {
            Some(route) => self.pass(stream, ends, &route, &hello).await,
            None => self.refuse(ends, &hello),
        }
        drop(place);
    }

    /// Finds out whether a route takes a connection of the TLS port as it is; otherwise it is for the gateway to open. That
    /// is where a certificate of the gateway's own is shown.
    pub(crate) async fn divert<P>(&self, stream: TcpStream, ends: Ends, place: P) -> Diverted<P> {
        let Some(runtime) = self.current.load_full() else {
            return Diverted::Ours(stream, place);
        };
        if !runtime.router.reads_server_names(ends.local.port()) {
            return Diverted::Ours(stream, place);
        }
        let Ok(hello) = peek(&stream).await else {
            return Diverted::Lost;
        };
        match find(&runtime, ends.local, ends.peer, &hello) {
            Some(route) if matches!(hello, Hello::Tls(_)) => Diverted::Passed(Passed {
                client: stream,
                ends,
                route,
                hello,
                _place: place,
            }),
            _ => Diverted::Ours(stream, place),
        }
    }

    /// Passes a connection on to its end. What was read of it only by looking is still in it.
    pub(crate) async fn pass(&self, client: TcpStream, ends: Ends, route: &Route, hello: &Hello) {
        let (began, _in_flight, _open) = (Instant::now(), self.telemetry.enter(), self.telemetry.stream_opened());
        let mut passage = Passage {
            route: Some(route),
            choice: choice(route),
            ..self.passage(ends, hello)
        };
        let moved = Arc::new(Moved::for_route(self.telemetry.streams(Some(route))));
        let (opened, tried) = self.open(route, ends).await;
        passage.connect = began.elapsed();
        (passage.target, passage.tries) = (tried.last().map(String::as_str), tried.len());
        match opened {
            Ok((service, _picked)) => {
                self.count(&passage);
                let idle = route.timeouts.idle.unwrap_or(route.service.idle_timeout);
                let mut ending = self.ending.clone();
                passage.ended = tokio::select! {
                    ended = splice(client, service, idle, &moved) => ended,
                    _ = ending.wait_for(|ending| *ending) => Ended::Stopped,
                };
            }
            Err(fault) => {
                tracing::warn!(service = route.service.name, fault = %fault, "a connection failed");
                passage.reason = Some(failure::reason(&fault));
                self.count(&passage);
            }
        }
        passage.duration = began.elapsed();
        passage.received = moved.received();
        passage.sent = moved.sent();
        self.telemetry.record_connection(&passage);
    }

    /// No route takes a connection.
    fn refuse(&self, ends: Ends, hello: &Hello) {
        let passage = Passage {
            reason: Some(Reason::RouteNotFound),
            ..self.passage(ends, hello)
        };
        self.count(&passage);
        self.telemetry.record_connection(&passage);
    }

    fn passage<'a>(&self, ends: Ends, hello: &'a Hello) -> Passage<'a> {
        Passage {
            accepted_at: self.clock.now(),
            client: ends.peer,
            port: ends.local.port(),
            tls: matches!(hello, Hello::Tls(_)),
            server_name: match hello {
                Hello::Tls(name) => name.as_deref(),
                Hello::Other => None,
            },
            route: None,
            target: None,
            tries: 0,
            connect: Duration::ZERO,
            duration: Duration::ZERO,
            received: 0,
            sent: 0,
            reason: None,
            ended: Ended::Refused,
            choice: LogChoice::default(),
        }
    }

    /// Counts a connection for the console once it is known whether it is passed on: as a request that took so long.
    fn count(&self, passage: &Passage<'_>) {
        let outcome = Outcome {
            status: passage.reason.map_or(200, Reason::status),
            reason: passage.reason,
            latency: passage.connect,
            upstream: passage.connect,
            route: passage.route,
            ..Outcome::default()
        };
        self.usage.record(self.clock.now(), &outcome);
    }

    /// A connection to the first target that takes one, and the addresses of those that were tried.
    async fn open(&self, route: &Route, ends: Ends) -> (Result<(Transport, Picked), Fault>, Vec<String>) {
        let service = &route.service;
        let (mut tried, mut addresses) = (Vec::new(), Vec::new());
        service.pool.ready(service.connect_timeout).await;
        let mut last = failure::no_target_of(&service.pool);
        while tried.len() <= usize::from(service.retry.retries) {
            let choice = Choice {
                consumer: None,
                ip: ends.peer.ip().to_canonical(),
                path: "",
                query: None,
                headers: &HeaderMap::new(),
                secure: false,
                tried: &tried,
            };
            let began = Instant::now();
            let Some(mut picked) = service.pool.pick(&choice, began) else {
                break;
            };
            tried.push(picked.endpoint.key);
            addresses.push(picked.endpoint.address.clone());
            match self.connect(route, &picked.endpoint, ends).await {
                Ok(transport) => {
                    // A connection that was taken is what an answer is elsewhere.
                    picked.answered(200, began.elapsed(), Instant::now());
                    return (Ok((transport, picked)), addresses);
                }
                Err(fault) => {
                    picked.failed(fault.failure, Instant::now());
                    last = fault;
                }
            }
        }
        (Err(last), addresses)
    }

    async fn connect(&self, route: &Route, endpoint: &Endpoint, ends: Ends) -> Result<Transport, Fault> {
        Client::open(&Dial {
            address: endpoint.socket,
            // Whatever the client speaks with the target, TLS too, is for them alone.
            tls: None,
            version: Version::Http1,
            timeout: route.timeouts.connect.unwrap_or(route.service.connect_timeout),
            preamble: preamble::header(route.service.proxy_protocol, ends.peer, ends.local),
        })
        .await
    }
}

/// What a connection of the TLS port is.
pub(crate) enum Diverted<P> {
    /// The gateway's to open.
    Ours(TcpStream, P),
    /// A route's.
    Passed(Passed<P>),
    /// Gone.
    Lost,
}

/// A connection that a route takes as it is, with what it holds until its end.
pub(crate) struct Passed<P> {
    client: TcpStream,
    ends: Ends,
    route: Arc<Route>,
    hello: Hello,
    _place: P,
}

impl<P> Passed<P> {
    /// Passes it on to its end.
    pub(crate) async fn run(self, streams: &Streams) {
        streams.pass(self.client, self.ends, &self.route, &self.hello).await;
    }
}

/// The two ends of a client's connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends {
    /// The client.
    pub(crate) peer: SocketAddr,
    /// What it connected to.
    pub(crate) local: SocketAddr,
}

/// The route of a connection that is not opened.
pub(crate) fn find(runtime: &Runtime, local: SocketAddr, peer: SocketAddr, hello: &Hello) -> Option<Arc<Route>> {
    let wanted = WantedStream {
        port: local.port(),
        tls: matches!(hello, Hello::Tls(_)),
        sni: match hello {
            Hello::Tls(name) => name.as_deref(),
            Hello::Other => None,
        },
        source: peer.ip().to_canonical(),
    };
    let id = runtime.router.find_stream(&wanted)?;
    runtime.routes.get(&id).cloned()
}
