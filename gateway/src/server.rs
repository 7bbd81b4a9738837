//! A gateway as a whole: what it is made of, its start and its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use pingora::apps::HttpServerApp;
use pingora::apps::http_app::HttpServer;
use pingora::proxy::http_proxy;
use pingora::server::configuration::ServerConf;
use plugins::counters::Counters;
use plugins::{REGISTRY, Services};
use tokio::net::TcpListener;
use tokio::runtime::Runtime as TokioRuntime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::config::{Config, Instance, Source};
use crate::error::Error;
use crate::follow::Follower;
use crate::identity::gateway_id;
use crate::listener::{self, Connections, Entrance, Secure};
use crate::proxy::Proxy;
use crate::runtime::{Builder, Runtime};
use crate::source::disk::{self, Copy};
use crate::source::postgres::{self, PostgresSource};
use crate::status::Status;
use crate::telemetry::Telemetry;
use crate::tls::Acceptor;
use crate::upstream::Resolver;
use crate::usage::Recorder;

/// How often a stopping gateway looks whether its last request is over.
const LOOK: Duration = Duration::from_millis(10);
/// Idle connections to services that are kept, in all.
const UPSTREAM_POOL: usize = 1_024;
/// What a stopping source may take to say its last words.
const LAST_WORDS: Duration = Duration::from_secs(6);

/// A gateway that is not running yet.
#[derive(Debug)]
pub struct Gateway;

/// A gateway that runs; dropping it ends it without ceremony.
pub struct Running {
    _threads: Threads,
    proxies: Vec<SocketAddr>,
    tls_proxies: Vec<SocketAddr>,
    status: SocketAddr,
    shared: Arc<Shared>,
    app: Arc<dyn Quiet>,
    accepting: watch::Sender<bool>,
    following: watch::Sender<bool>,
    source: Option<JoinHandle<()>>,
    drain: Duration,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("proxies", &self.proxies)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// What the parts of a gateway have in common.
#[derive(Default)]
struct Shared {
    current: Arc<ArcSwapOption<Runtime>>,
    telemetry: Arc<Telemetry>,
    counters: Arc<Counters>,
    draining: Arc<AtomicBool>,
}

/// An application that can be told to close its idle connections.
#[async_trait::async_trait]
trait Quiet: Send + Sync {
    async fn close_idle(&self);
}

#[async_trait::async_trait]
impl Quiet for pingora::proxy::HttpProxy<Proxy> {
    async fn close_idle(&self) {
        self.http_cleanup().await;
    }
}

impl Gateway {
    /// Listens, and begins to follow the configuration. Requests are refused until the first one is loaded.
    pub fn start(config: Config) -> Result<Running, Error> {
        let id = gateway_id(config.data_dir.as_deref())?;
        let instance = Instance {
            id,
            name: config.name.clone(),
            started_at: config.clock.now(),
        };
        let listeners = bind_all(&config.proxy_listen, "GATEHOUSE_PROXY_LISTEN")?;
        let tls_listeners = bind_all(&config.proxy_tls_listen, "GATEHOUSE_PROXY_TLS_LISTEN")?;
        let status_listener = listener::bind(config.status_listen, "GATEHOUSE_STATUS_LISTEN")?;
        let threads = Threads::start(config.threads)?;
        let entered = threads.runtime().enter();
        let shared = Arc::new(Shared::default());
        let usage = Arc::new(Recorder::new(instance.clone(), shared.telemetry.clone()));
        let app = Arc::new(proxy_app(&config, &shared, usage.clone()));
        let (accepting, stop_accepting) = watch::channel(false);
        let (following, stop_following) = watch::channel(false);
        let connections = Arc::new(Connections::trusting(config.trusted_proxies.clone()));
        let open = |listener, secure| {
            let door = (listener, secure);
            serve(door, app.clone(), &connections, &shared, stop_accepting.clone())
        };
        let acceptor = Arc::new(Acceptor::new(shared.current.clone()));
        let secure = || Some(Secure::new(acceptor.clone()));
        let proxies = listeners.into_iter().map(|listener| open(listener, None));
        let proxies = proxies.collect::<Result<Vec<_>, _>>()?;
        let tls_proxies = tls_listeners.into_iter().map(|listener| open(listener, secure()));
        let tls_proxies = tls_proxies.collect::<Result<Vec<_>, _>>()?;
        let status_app = Arc::new(HttpServer::new_app(shared.status()));
        // Health is answered until the very end.
        let status = serve(
            (status_listener, None),
            status_app,
            &Arc::default(),
            &shared,
            stop_following.clone(),
        )?;
        let source = start_source(&config, &shared, instance, usage, stop_following)?;
        drop(entered);
        let drain = config.drain;
        Ok(Running {
            _threads: threads,
            proxies,
            tls_proxies,
            status,
            shared,
            app,
            accepting,
            following,
            source,
            drain,
        })
    }
}

impl Running {
    /// Where clients connect.
    pub fn proxy_addresses(&self) -> &[SocketAddr] {
        &self.proxies
    }

    /// Where clients connect over TLS.
    pub fn tls_addresses(&self) -> &[SocketAddr] {
        &self.tls_proxies
    }

    /// Where `/readyz` is answered.
    pub fn status_address(&self) -> SocketAddr {
        self.status
    }

    /// The revision that is served; none before the first one is loaded.
    pub fn revision(&self) -> Option<i64> {
        self.shared.current.load().as_ref().map(|runtime| runtime.revision)
    }

    /// Stops in order: no new connections, requests in flight may end, then the last usage is shipped.
    pub async fn stop(mut self) {
        self.shared.draining.store(true, Ordering::Release);
        let _ = self.accepting.send(true);
        self.app.close_idle().await;
        let deadline = Instant::now() + self.drain;
        while self.shared.telemetry.in_flight() > 0 && Instant::now() < deadline {
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
    }
}

/// The threads of one gateway, which may end in the midst of another program's: they are not waited for.
struct Threads(Option<TokioRuntime>);

impl Threads {
    fn start(count: Option<usize>) -> Result<Self, Error> {
        let mut threads = tokio::runtime::Builder::new_multi_thread();
        if let Some(count) = count {
            threads.worker_threads(count.max(1));
        }
        let threads = threads.thread_name("gateway").enable_all().build();
        threads.map(|threads| Self(Some(threads))).map_err(Error::Threads)
    }

    #[expect(clippy::expect_used, reason = "only `drop` takes the runtime")]
    fn runtime(&self) -> &TokioRuntime {
        self.0.as_ref().expect("the runtime is there until it is dropped")
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(threads) = self.0.take() {
            threads.shutdown_background();
        }
    }
}

impl Shared {
    fn status(&self) -> Status {
        Status {
            current: self.current.clone(),
            telemetry: self.telemetry.clone(),
            counters: self.counters.clone(),
            draining: self.draining.clone(),
        }
    }
}

fn proxy_app(config: &Config, shared: &Shared, usage: Arc<Recorder>) -> pingora::proxy::HttpProxy<Proxy> {
    let conf = ServerConf {
        upstream_keepalive_pool_size: UPSTREAM_POOL,
        max_retries: 6,
        threads: config.threads.unwrap_or(1),
        ..ServerConf::default()
    };
    let proxy = Proxy {
        current: shared.current.clone(),
        trusted_proxies: config.trusted_proxies.clone(),
        clock: config.clock.clone(),
        resolver: Resolver::default(),
        telemetry: shared.telemetry.clone(),
        usage,
    };
    http_proxy(&Arc::new(conf), proxy)
}

fn bind_all(addresses: &[SocketAddr], setting: &'static str) -> Result<Vec<std::net::TcpListener>, Error> {
    addresses
        .iter()
        .map(|address| listener::bind(*address, setting))
        .collect()
}

fn serve<A: HttpServerApp + Send + Sync + 'static>(
    (listener, secure): (std::net::TcpListener, Option<Secure>),
    app: Arc<A>,
    connections: &Arc<Connections>,
    shared: &Shared,
    stopping: watch::Receiver<bool>,
) -> Result<SocketAddr, Error> {
    let failed = Error::Threads;
    let address = listener.local_addr().map_err(failed)?;
    let listener = TcpListener::from_std(listener).map_err(failed)?;
    let entrance = Entrance {
        app,
        connections: connections.clone(),
        telemetry: shared.telemetry.clone(),
        stopping,
        secure,
    };
    tokio::spawn(listener::accept(listener, Arc::new(entrance)));
    Ok(address)
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
    let builder = Builder::new(&config.secret, &REGISTRY, services.clone());
    let follower = |copy| Follower::new(builder, shared.current.clone(), shared.telemetry.clone(), copy);
    match &config.source {
        Source::File(path) => {
            let (revision, entries) = disk::read_file(path)?;
            follower(None).apply(revision, entries);
            Ok(None)
        }
        Source::Postgres(url) => {
            let pool = postgres::pool(url)?;
            let source = PostgresSource {
                follower: follower(config.data_dir.clone().map(Copy::in_directory)),
                instance,
                telemetry: shared.telemetry.clone(),
                usage,
                secret: config.secret,
                services,
            };
            Ok(Some(tokio::spawn(source.run(pool, stopping))))
        }
    }
}
