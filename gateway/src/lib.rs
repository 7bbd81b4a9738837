//! The data plane: listens, matches, runs plugins, forwards, and follows the configuration.
//!
//! A request sees exactly one snapshot of the configuration. Snapshots are compiled beside the running one and swapped
//! whole; the gateway serves on, and restarts, while the database is away.

mod config;
mod error;
mod follow;
pub mod host;
mod identity;
mod listener;
pub mod path;
mod proxy;
pub mod router;
pub mod runtime;
mod server;
mod source;
mod status;
mod stream;
mod telemetry;
pub mod upstream;
mod usage;

pub use config::{Config, Source};
pub use error::Error;
pub use server::{Gateway, Running};
