//! What a gateway is told when it starts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use model::clock::Clock;
use plugins::Registry;
use uuid::Uuid;

use crate::sockets::Sockets;
use crate::telemetry::TelemetryConfig;
use crate::upstream::Reach;

/// Everything that a gateway is told.
#[derive(Clone)]
pub struct Config {
    /// What it calls itself.
    pub name: String,
    /// Where clients connect; port 0 takes any free one.
    pub proxy_listen: Vec<SocketAddr>,
    /// Where clients connect over TLS; port 0 takes any free one.
    pub proxy_tls_listen: Vec<SocketAddr>,
    /// Where connections are passed on that are not opened.
    pub stream_listen: Vec<SocketAddr>,
    /// Where `/livez`, `/readyz` and `/metrics` are answered.
    pub status_listen: SocketAddr,
    /// Listening sockets that are taken over, and where those in use are noted for the next program.
    pub sockets: Sockets,
    /// Where the configuration comes from.
    pub source: Source,
    /// Where the last configuration and the gateway's id are kept; without it nothing is.
    pub data_dir: Option<PathBuf>,
    /// The deployment's secret, under which keys are hashed.
    pub secret: [u8; 32],
    /// The first part of every generated key.
    pub key_brand: String,
    /// Proxies whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The DNS servers that the names of targets are asked of; empty means those of the system.
    pub dns_servers: Vec<SocketAddr>,
    /// Which addresses targets may have; where the gateway answers about itself is none of them in any case.
    pub reach: Reach,
    /// Whether responses say how long the service and the gateway took.
    pub latency_headers: bool,
    /// Whether connections begin with a PROXY header.
    pub proxy_protocol: ProxyProtocol,
    /// How long requests in flight may go on after a stop.
    pub drain: Duration,
    /// Bytes of memory that the process may use; without it the limit of its control group counts, if there is one.
    pub memory_limit: Option<u64>,
    /// Worker threads; none means one for each processor.
    pub threads: Option<usize>,
    /// The plugins that instances may be of.
    pub plugins: &'static Registry,
    /// What is written about requests, and where to.
    pub telemetry: TelemetryConfig,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Whether connections begin with a PROXY header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// None does.
    #[default]
    Off,
    /// Those from trusted proxies must; those from others must not.
    Trusted,
}

/// Where the configuration comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// The rows that control writes, followed as they change.
    Postgres(String),
    /// A file, read once: for tests that need no database.
    #[cfg(feature = "testing")]
    File(PathBuf),
}

/// Bounds of what a client may send; the same for everybody.
pub(crate) mod limits {
    use std::time::Duration;

    /// Bytes of a request target.
    pub(crate) const TARGET: usize = 8 * 1024;
    /// Bytes of all header names and values.
    pub(crate) const HEADERS: usize = 32 * 1024;
    /// Headers of a request.
    pub(crate) const HEADER_COUNT: usize = 100;
    /// Between two reads of a request; the guard of the listener is stricter and answers.
    pub(crate) const READ: Duration = Duration::from_secs(60);
    /// How long an idle client connection is kept, in seconds.
    pub(crate) const KEEP_ALIVE: u64 = 75;
    /// Between two writes of a response.
    pub(crate) const WRITE: Duration = Duration::from_secs(30);
    /// How long an idle connection may still bring a request while the gateway stops.
    pub(crate) const LAST_CALL: Duration = Duration::from_millis(500);
    /// Bytes of small writes to a client that go out together.
    pub(crate) const OUTPUT: usize = 4 * 1024;
    /// Gateways that a request may come through before it counts as going round.
    pub(crate) const ROUNDS: usize = 5;
    /// How long a new connection may be silent.
    pub(crate) const FIRST_BYTES: Duration = Duration::from_secs(10);
    /// How long a plugin that has to wait may take.
    pub(crate) const PLUGIN: Duration = Duration::from_secs(5);
    /// How long a TLS handshake may take.
    pub(crate) const HANDSHAKE: Duration = Duration::from_secs(10);
    /// TLS handshakes at once on one listener.
    pub(crate) const HANDSHAKES: usize = 1_024;
    /// TLS handshakes at once from one address that is not a trusted proxy.
    pub(crate) const HANDSHAKES_PER_ADDRESS: usize = 128;
    /// How long a connection may be used, more or less.
    pub(crate) const LIFETIME: Duration = Duration::from_secs(3_600);
    /// Requests on one connection.
    pub(crate) const REQUESTS_PER_CONNECTION: u32 = 10_000;
    /// Bytes that are read at once when they are kept back.
    pub(crate) const PIECE: usize = 4 * 1024;
    /// How long a client may go on to send after its connection was refused.
    pub(crate) const LINGER: Duration = Duration::from_secs(5);
    /// Bytes that are written to one HTTP/2 stream before its client must take some.
    pub(crate) const SEND_BUFFER: usize = 64 * 1024;
    /// Bytes of later requests that are kept while one is served.
    pub(crate) const KEPT: usize = 32 * 1024;
    /// How long a PROXY header may take.
    pub(crate) const PROXY_HEADER: Duration = Duration::from_secs(5);
    /// Client connections at once.
    pub(crate) const CONNECTIONS: usize = 50_000;
    /// Client connections at once from one address that is not a trusted proxy.
    pub(crate) const CONNECTIONS_PER_ADDRESS: usize = 2_000;
    /// Open connections of those who ask for health and metrics.
    pub(crate) const STATUS_CONNECTIONS: usize = 256;
}

/// Who this process is among the gateways.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) started_at: model::clock::Timestamp,
}
