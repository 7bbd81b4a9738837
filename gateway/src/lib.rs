//! The data plane: listens, matches, runs plugins, forwards, and follows the configuration.
//!
//! A request sees exactly one snapshot of the configuration. Snapshots are compiled beside the running one and swapped
//! whole; the gateway serves on, and restarts, while the database is away.

mod challenges;
mod config;
mod error;
mod follow;
pub mod guard;
pub mod host;
mod identity;
pub mod listener;
pub mod path;
mod pressure;
mod proxy;
pub mod router;
pub mod runtime;
mod server;
mod sockets;
mod source;
mod status;
mod stream;
pub mod telemetry;
pub mod tls;
mod traffic;
pub mod upstream;
mod usage;

pub use config::{Config, ProxyProtocol, Source};
pub use error::Error;
pub use proxy::client_ip;
pub use server::{Gateway, Running};
pub use sockets::Sockets;
pub use telemetry::TelemetryConfig;
pub use upstream::{Exception, Reach};
