//! A gateway as a whole: what it is made of, its start and its end.

mod doors;
mod threads;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use plugins::Services;
use plugins::counters::Counters;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::config::{Config, Instance, Source};
use crate::error::Error;
use crate::follow::Follower;
use crate::identity::gateway_id;
use crate::listener::{self, Connections, Hours, Reception};
use crate::pressure::{Pressure, Watcher};
use crate::proxy::{COPIES, Proxy};
use crate::runtime::{Builder, Runtime};
use crate::sockets::Sockets;
use crate::source::copy::Copy;
#[cfg(feature = "testing")]
use crate::source::file;
use crate::source::postgres::{self, PostgresSource};
use crate::status::Status;
use crate::stream::Streams;
use crate::telemetry::Telemetry;
use crate::tls::Acceptor;
use crate::upstream::client::Client;
use crate::upstream::{Measured, Names, Random, Upstreams};
use crate::usage::Recorder;
use doors::{Addresses, Doors, Listeners};
use threads::Threads;

/// How often a stopping gateway looks whether its last request is over.
const LOOK: Duration = Duration::from_millis(10);
/// How often connections to services are looked through for those that waited too long.
const SWEEP: Duration = Duration::from_secs(5);
/// What a stopping source may take to say its last words.
const LAST_WORDS: Duration = Duration::from_secs(6);

/// What connections that are cut off may take to say so in the log.
const LAST_LINES: Duration = Duration::from_secs(1);

/// A gateway that is not running yet.
#[derive(Debug)]
pub struct Gateway;

/// A gateway that runs; dropping it ends it without ceremony.
pub struct Running {
    _threads: Threads,
    addresses: Addresses,
    shared: Arc<Shared>,
    accepting: watch::Sender<bool>,
    following: watch::Sender<bool>,
    source: Option<JoinHandle<()>>,
    drain: Duration,
    sockets: Sockets,
    connections: Arc<Connections>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("proxies", &self.addresses.proxies)
            .field("status", &self.addresses.status)
            .finish_non_exhaustive()
    }
}

/// What the parts of a gateway have in common.
struct Shared {
    current: Arc<ArcSwapOption<Runtime>>,
    telemetry: Arc<Telemetry>,
    counters: Arc<Counters>,
    draining: Arc<AtomicBool>,
    upstreams: Arc<Upstreams>,
    client: Arc<Client>,
    copies: Arc<Semaphore>,
    changed: watch::Sender<Option<i64>>,
    pressure: Pressure,
}

impl Gateway {
    /// Listens, and begins to follow the configuration. Until the first one is loaded requests are refused, or left to the
    /// program before where its sockets were taken over.
    pub fn start(config: Config) -> Result<Running, Error> {
        let instance = instance(&config)?;
        let listeners = Listeners::bind(&config)?;
        let threads = Threads::start(config.threads)?;
        let entered = threads.runtime().enter();
        let shared = Arc::new(Shared::start(&config, &listeners.status)?);
        let usage = Arc::new(Recorder::new(instance.clone(), shared.telemetry.clone()));
        let (accepting, stop_accepting) = watch::channel(false);
        let (following, stop_following) = watch::channel(false);
        let connections = Connections::trusting(config.trusted_proxies.clone(), shared.pressure.clone());
        let connections = Arc::new(connections);
        let reception = Reception {
            connections: connections.clone(),
            telemetry: shared.telemetry.clone(),
            proxy_protocol: config.proxy_protocol,
        };
        let doors = Doors {
            app: Arc::new(proxy_app(&config, &shared, usage.clone())),
            passing: Arc::new(streams(&config, &shared, &reception, &usage, &stop_following)),
            acceptor: Arc::new(Acceptor::new(shared.current.clone())),
            leaving: watch_memory(&config, &shared, &connections, &stop_accepting),
            hours: Hours {
                served: config.sockets.are_shared().then(|| shared.changed.subscribe()),
                stopping: stop_accepting,
            },
            reception,
        };
        let addresses = doors.open(listeners, shared.status(), &stop_following)?;
        tokio::spawn(sweep(shared.client.clone()));
        let source = start_source(&config, &shared, instance, usage, stop_following)?;
        drop(entered);
        Ok(Running {
            _threads: threads,
            addresses,
            shared,
            accepting,
            following,
            source,
            drain: config.drain,
            sockets: config.sockets,
            connections,
        })
    }
}

/// Who this gateway is, from now on.
fn instance(config: &Config) -> Result<Instance, Error> {
    Ok(Instance {
        id: gateway_id(config.data_dir.as_deref())?,
        name: config.name.clone(),
        started_at: config.clock.now(),
    })
}

impl Running {
    /// Where clients connect.
    pub fn proxy_addresses(&self) -> &[SocketAddr] {
        &self.addresses.proxies
    }

    /// Where clients connect over TLS.
    pub fn tls_addresses(&self) -> &[SocketAddr] {
        &self.addresses.tls_proxies
    }

    /// Where connections are passed on that are not opened.
    pub fn stream_addresses(&self) -> &[SocketAddr] {
        &self.addresses.streams
    }

    /// Where `/readyz` is answered.
    pub fn status_address(&self) -> SocketAddr {
        self.addresses.status
    }

    /// The revision that is served; none before the first one is loaded.
    pub fn revision(&self) -> Option<i64> {
        self.shared.current.load().as_ref().map(|runtime| runtime.revision)
    }

    /// Stops in order: no new connections, requests in flight may end, then the last usage is shipped.
    pub async fn stop(mut self) {
        self.shared.draining.store(true, Ordering::Release);
        self.sockets.close();
        let _ = self.accepting.send(true);
        let deadline = Instant::now() + self.drain;
        // Idle connections close by themselves after a last call.
        while (self.shared.telemetry.in_flight() > 0 || self.connections.count() > 0) && Instant::now() < deadline {
            sleep(LOOK).await;
        }
        let left = self.shared.telemetry.in_flight();
        if left > 0 {
            tracing::warn!(left, "requests are broken off: the time for them to end is over");
        }
        let _ = self.following.send(true);
        if let Some(source) = self.source.take()
            && tokio::time::timeout(LAST_WORDS, source).await.is_err()
        {
            tracing::warn!("the source of the configuration did not end in time");
        }
        // Connections that are passed on end now at the latest, and have their lines in the log.
        let last_lines = Instant::now() + LAST_LINES;
        while self.shared.telemetry.open_streams() > 0 && Instant::now() < last_lines {
            sleep(LOOK).await;
        }
        self.shared.telemetry.finish().await;
    }
}

impl Shared {
    /// Called within the gateway's runtime.
    fn start(config: &Config, status: &std::net::TcpListener) -> Result<Self, Error> {
        let mut reach = config.reach.clone();
        reach.own.push(status.local_addr().map_err(Error::Threads)?);
        Ok(Self {
            current: Arc::default(),
            telemetry: Arc::new(Telemetry::start(&config.telemetry, &config.name)?),
            counters: Arc::default(),
            draining: Arc::default(),
            upstreams: Arc::new(Upstreams::within(&config.secret, reach)),
            client: Arc::default(),
            copies: Arc::new(Semaphore::new(COPIES)),
            changed: watch::Sender::default(),
            pressure: Pressure::default(),
        })
    }

    fn status(&self) -> Status {
        Status {
            current: self.current.clone(),
            telemetry: self.telemetry.clone(),
            counters: self.counters.clone(),
            draining: self.draining.clone(),
            upstreams: self.upstreams.clone(),
            client: self.client.clone(),
        }
    }
}

fn proxy_app(config: &Config, shared: &Shared, usage: Arc<Recorder>) -> Proxy {
    Proxy {
        current: shared.current.clone(),
        changed: shared.changed.subscribe(),
        trusted_proxies: config.trusted_proxies.clone(),
        latency_headers: config.latency_headers,
        clock: config.clock.clone(),
        random: Random::unlike_others(),
        copies: shared.copies.clone(),
        client: shared.client.clone(),
        telemetry: shared.telemetry.clone(),
        usage,
        pressure: shared.pressure.clone(),
        options: listener::server_options(),
    }
}

/// Sets the watcher of the memory going; what it answers tells connections to go.
fn watch_memory(
    config: &Config,
    shared: &Shared,
    connections: &Arc<Connections>,
    stopping: &watch::Receiver<bool>,
) -> watch::Receiver<bool> {
    let (watcher, leaving) = Watcher::of(shared.pressure.clone());
    tokio::spawn(watcher.run(
        config.memory_limit,
        shared.telemetry.clone(),
        connections.clone(),
        stopping.clone(),
    ));
    leaving
}

fn streams(
    config: &Config,
    shared: &Shared,
    reception: &Reception,
    usage: &Arc<Recorder>,
    ending: &watch::Receiver<bool>,
) -> Streams {
    Streams {
        current: shared.current.clone(),
        telemetry: shared.telemetry.clone(),
        reception: reception.clone(),
        clock: config.clock.clone(),
        usage: usage.clone(),
        ending: ending.clone(),
    }
}

async fn sweep(client: Arc<Client>) {
    loop {
        sleep(SWEEP).await;
        client.sweep();
    }
}

fn start_source(
    config: &Config,
    shared: &Shared,
    instance: Instance,
    usage: Arc<Recorder>,
    stopping: watch::Receiver<bool>,
) -> Result<Option<JoinHandle<()>>, Error> {
    let services = Services {
        clock: config.clock.clone(),
        key_brand: config.key_brand.as_str().into(),
        counters: shared.counters.clone(),
    };
    let upstreams = shared.upstreams.clone();
    shared.telemetry.register(Measured::new(upstreams.clone()));
    tokio::spawn(
        upstreams
            .clone()
            .keep(Names::new(&config.dns_servers), stopping.clone()),
    );
    let builder = Builder::with_upstreams(&config.secret, config.plugins, services, upstreams);
    let follower = |copy| {
        Follower::new(
            builder,
            shared.current.clone(),
            shared.changed.clone(),
            shared.telemetry.clone(),
            (&config.secret, copy),
        )
    };
    match &config.source {
        #[cfg(feature = "testing")]
        Source::File(path) => {
            let (revision, entries) = file::read(path)?;
            follower(None).apply(revision, &entries);
            Ok(None)
        }
        Source::Postgres(url) => {
            let pool = postgres::pool(url)?;
            let kept = || shared.telemetry.copy_revision();
            let copy = config
                .data_dir
                .as_deref()
                .map(|directory| Copy::in_directory(directory, &config.secret, kept()));
            let source = PostgresSource {
                follower: follower(copy),
                instance,
                telemetry: shared.telemetry.clone(),
                usage,
                clock: config.clock.clone(),
            };
            Ok(Some(tokio::spawn(source.run(pool, stopping))))
        }
    }
}
