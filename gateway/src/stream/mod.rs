//! Connections that are not opened: TCP by the port that they came to, TLS by the name that they ask for.

mod hello;
mod splice;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use http::HeaderMap;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;

use crate::config::limits;
use crate::router::WantedStream;
use crate::runtime::{Route, Runtime};
use crate::telemetry::Telemetry;
use crate::upstream::client::{Client, Dial, Failure, Fault, Transport, Version};
use crate::upstream::{Choice, Endpoint, Picked, preamble};
use splice::{Moved, splice};

pub(crate) use hello::{Hello, peek};

/// A pause when the system has no more connections to give.
const EXHAUSTED: Duration = Duration::from_millis(50);

/// What connections of all ports have in common.
pub(crate) struct Streams {
    /// The snapshot that new connections see.
    pub(crate) current: Arc<ArcSwapOption<Runtime>>,
    /// What is measured, and what is in flight.
    pub(crate) telemetry: Arc<Telemetry>,
    /// Connections that there may be at once.
    pub(crate) places: Arc<Semaphore>,
}

impl Streams {
    /// Passes connections on under the configuration of the time.
    pub(crate) fn new(current: Arc<ArcSwapOption<Runtime>>, telemetry: Arc<Telemetry>) -> Self {
        Self {
            current,
            telemetry,
            places: Arc::new(Semaphore::new(limits::CONNECTIONS)),
        }
    }

    /// Accepts until told to stop.
    pub(crate) async fn accept(self: Arc<Self>, listener: TcpListener, mut stopping: watch::Receiver<bool>) {
        while !*stopping.borrow() {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stopping.changed() => return,
            };
            match accepted {
                Ok((stream, peer)) => self.enter(stream, peer),
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    sleep(EXHAUSTED).await;
                }
            }
        }
    }

    fn enter(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            self.telemetry.connection_refused();
            return;
        };
        let streams = self.clone();
        tokio::spawn(async move {
            streams.serve(stream, peer).await;
            drop(place);
        });
    }

    async fn serve(&self, stream: TcpStream, peer: SocketAddr) {
        let _ = stream.set_nodelay(true);
        let Some(runtime) = self.current.load_full() else {
            return;
        };
        let Ok(local) = stream.local_addr() else { return };
        let hello = if runtime.router.reads_server_names(local.port()) {
            match peek(&stream).await {
                Ok(hello) => hello,
                Err(_) => return,
            }
        } else {
            Hello::Other
        };
        match find(&runtime, local, peer, &hello) {
            Some(route) => self.pass(stream, Ends { peer, local }, &route, &hello).await,
            None => tracing::info!(client_ip = %peer.ip(), port = local.port(), "no route takes a connection"),
        }
    }

    /// Passes a connection of the TLS port on if a route takes it as it is; what comes back is for the gateway to open.
    /// That is where a certificate of the gateway's own is shown.
    pub(crate) async fn divert(&self, stream: TcpStream, ends: Ends) -> Option<TcpStream> {
        let Some(runtime) = self.current.load_full() else {
            return Some(stream);
        };
        if !runtime.router.reads_server_names(ends.local.port()) {
            return Some(stream);
        }
        let hello = peek(&stream).await.ok()?;
        match find(&runtime, ends.local, ends.peer, &hello) {
            Some(route) if matches!(hello, Hello::Tls(_)) => {
                self.pass(stream, ends, &route, &hello).await;
                None
            }
            _ => Some(stream),
        }
    }

    /// Passes a connection on to its end. What was read of it only by looking is still in it.
    pub(crate) async fn pass(&self, client: TcpStream, ends: Ends, route: &Route, hello: &Hello) {
        let (began, _in_flight) = (Instant::now(), self.telemetry.enter());
        let moved = Arc::new(Moved::default());
        let (target, ended) = match self.open(route, ends).await {
            Ok((service, picked)) => {
                let idle = route.timeouts.idle.unwrap_or(route.service.idle_timeout);
                let ended = splice(client, service, idle, &moved).await.as_str();
                (picked.endpoint.address.clone(), ended)
            }
            Err(fault) => {
                tracing::warn!(service = route.service.name, fault = %fault, "a connection failed");
                (String::new(), "unreachable")
            }
        };
        let (protocol, name) = match hello {
            Hello::Tls(name) => ("tls", name.as_deref().unwrap_or_default()),
            Hello::Other => ("tcp", ""),
        };
        tracing::info!(
            target: "gatehouse::access",
            protocol,
            server_name = name,
            port = ends.local.port(),
            route = route.name,
            target_address = target,
            client_ip = %ends.peer.ip().to_canonical(),
            bytes_received = moved.received.load(Ordering::Relaxed),
            bytes = moved.sent.load(Ordering::Relaxed),
            latency_us = began.elapsed().as_micros(),
            ended,
            "connection"
        );
    }

    /// A connection to the first target that takes one.
    async fn open(&self, route: &Route, ends: Ends) -> Result<(Transport, Picked), Fault> {
        let service = &route.service;
        let mut tried = Vec::new();
        let mut last = Fault::unsent(Failure::Connect, "there is no target");
        service.pool.ready(service.connect_timeout).await;
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
            match self.connect(route, &picked.endpoint, ends).await {
                Ok(transport) => {
                    // A connection that was taken is what an answer is elsewhere.
                    picked.answered(200, began.elapsed(), Instant::now());
                    return Ok((transport, picked));
                }
                Err(fault) => {
                    picked.failed(fault.failure, Instant::now());
                    last = fault;
                }
            }
        }
        Err(last)
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
