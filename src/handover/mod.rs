//! Replaces the running program by a new one without refusing a connection.
//!
//! The running program offers its listening sockets at a Unix socket in its data directory. `gatehouse upgrade` asks
//! it to start the program that is on disk now; that one takes the sockets over, loads its configuration, says that it
//! serves, and only then does the one before stop accepting and let its requests end. The gateway of the new one accepts
//! nothing before it has its configuration; from then on both accept, from the same queue, so nobody waits and nobody is
//! turned away.

mod offer;
mod take;
mod wire;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use offer::Offer;
pub(crate) use take::Taken;
pub(crate) use wire::ask;

/// Tells a new program where the one before offers its sockets.
pub(crate) const VARIABLE: &str = "GATEHOUSE_HANDOVER";
/// How long a new program may take until it serves.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// What it leaves of that to say why it does not.
const MARGIN: Duration = Duration::from_secs(5);

/// Where a program with this data directory offers its sockets.
pub(crate) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("handover.sock")
}
