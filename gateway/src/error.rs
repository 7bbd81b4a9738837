//! Why a gateway does not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address cannot be listened on.
    #[error("the gateway cannot listen on {address}, set by {setting}: {source}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// The setting that names it.
        setting: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The data directory cannot be used.
    #[error("the gateway cannot use {}: {source}", path.display())]
    DataDirectory {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A configuration file cannot be used.
    #[cfg(feature = "testing")]
    #[error("the configuration file {} cannot be used: {reason}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The URL of the database cannot be read.
    #[error("the database URL cannot be read: {0}")]
    DatabaseUrl(String),
    /// Log or traces have no place to go.
    #[error("{setting} is wrong: {reason}")]
    Telemetry {
        /// The setting that names it.
        setting: &'static str,
        /// Why not.
        reason: String,
    },
    /// There are no threads to run on.
    #[error("the gateway cannot start its threads: {0}")]
    Threads(#[source] io::Error),
}
