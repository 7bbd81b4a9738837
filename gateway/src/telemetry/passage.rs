//! What is known of a connection that was passed on unopened when it is over.

use std::net::SocketAddr;
use std::time::Duration;

use model::clock::Timestamp;
use model::reason::Reason;

use super::outcome::LogChoice;
use crate::runtime::Route;

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Both sides had said all.
    Done,
    /// One of them broke off.
    Broken,
    /// Neither said anything for too long.
    Idle,
    /// The gateway stopped, and its time was over.
    Stopped,
    /// It was never passed on: the reason says why.
    Refused,
}

impl Ended {
    /// Every way.
    pub(crate) const ALL: [Self; 5] = [Self::Done, Self::Broken, Self::Idle, Self::Stopped, Self::Refused];

    /// The word in log and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Broken => "broken",
            Self::Idle => "idle",
            Self::Stopped => "stopped",
            Self::Refused => "refused",
        }
    }
}

/// How a connection came and went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passage<'a> {
    /// When it was accepted.
    pub(crate) accepted_at: Timestamp,
    /// The client.
    pub(crate) client: SocketAddr,
    /// The port that it came to.
    pub(crate) port: u16,
    /// Whether it began with a TLS handshake.
    pub(crate) tls: bool,
    /// The server name that the handshake asked for.
    pub(crate) server_name: Option<&'a str>,
    /// The route that took it.
    pub(crate) route: Option<&'a Route>,
    /// The last target that was tried.
    pub(crate) target: Option<&'a str>,
    /// How many were.
    pub(crate) tries: usize,
    /// Until a target took it, or none did.
    pub(crate) connect: Duration,
    /// From its acceptance to its end.
    pub(crate) duration: Duration,
    /// Bytes from the client.
    pub(crate) received: u64,
    /// Bytes to the client.
    pub(crate) sent: u64,
    /// Why it was not passed on, when it was not.
    pub(crate) reason: Option<Reason>,
    /// How it ended.
    pub(crate) ended: Ended,
    /// What its route says about the log.
    pub(crate) choice: LogChoice,
}
