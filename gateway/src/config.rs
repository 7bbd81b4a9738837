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

/// Everything that a gateway is told.
#[derive(Clone)]
pub struct Config {
    /// What it calls itself.
    pub name: String,
    /// Where clients connect; port 0 takes any free one.
    pub proxy_listen: Vec<SocketAddr>,
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
    /// How long requests in flight may go on after a stop.
    pub drain: Duration,
    /// Worker threads; none means one for each processor.
    pub threads: Option<usize>,
    /// The plugins that instances may be of.
    pub plugins: &'static Registry,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Where the configuration comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// The rows that control writes, followed as they change.
    Postgres(String),
    /// A file in the form of the gateway's own copy, read once.
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
    /// Bytes of a request body.
    pub(crate) const BODY: usize = 10 * 1024 * 1024;
    /// Between two reads of a request.
    pub(crate) const READ: Duration = Duration::from_secs(10);
    /// How long an idle client connection is kept, in seconds.
    pub(crate) const KEEP_ALIVE: u64 = 75;
    /// Between two writes of a response.
    pub(crate) const WRITE: Duration = Duration::from_secs(30);
    /// How long an idle connection may still bring a request while the gateway stops.
    pub(crate) const LAST_CALL: Duration = Duration::from_millis(500);
    /// Bytes of all headers of an HTTP/2 request, as HTTP/2 counts them: 32 more for each.
    pub(crate) const HEADER_LIST: u32 = 36 * 1024;
    /// Requests on one connection of HTTP/1.1.
    pub(crate) const REQUESTS: u32 = 10_000;
    /// Streams of one HTTP/2 connection at once.
    pub(crate) const STREAMS: u32 = 100;
    /// Bytes of a request body that an HTTP/2 client may send ahead, on a stream and on a connection.
    pub(crate) const STREAM_WINDOW: u32 = 64 * 1024;
    pub(crate) const CONNECTION_WINDOW: u32 = 1024 * 1024;
    /// Gateways that a request may come through before it counts as going round.
    pub(crate) const ROUNDS: usize = 5;
    /// How long a new connection may be silent.
    pub(crate) const FIRST_BYTES: Duration = Duration::from_secs(10);
    /// How long a plugin that has to wait may take.
    pub(crate) const PLUGIN: Duration = Duration::from_secs(5);
    /// Client connections at once.
    pub(crate) const CONNECTIONS: usize = 50_000;
    /// Client connections at once from one address that is not a trusted proxy.
    pub(crate) const CONNECTIONS_PER_ADDRESS: usize = 2_000;
}

/// Who this process is among the gateways.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) started_at: model::clock::Timestamp,
}
