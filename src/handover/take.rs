//! The new program's side: takes the sockets, and says when it serves.

use std::env;
use std::os::unix::net::UnixStream;

use anyhow::{Context as _, Result};
use gateway::Sockets;
use tokio::time::Instant;

use super::{MARGIN, PATIENCE, VARIABLE, wire};

/// The sockets of the program before, and the line to it.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// The sockets; none of another program when there is none to replace.
    pub(crate) sockets: Sockets,
    before: Option<UnixStream>,
    /// Until when the program before waits, less a margin.
    deadline: Option<Instant>,
}

impl Taken {
    /// Takes the sockets over when this program was started to replace another.
    pub(crate) fn from_environment() -> Result<Self> {
        let Some(path) = env::var_os(VARIABLE) else {
            return Ok(Self::default());
        };
        let deadline = Instant::now() + PATIENCE - MARGIN;
        let taking = || -> Result<Self> {
            let mut stream = UnixStream::connect(&path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            wire::say(&mut stream, wire::SOCKETS)?;
            let sockets = wire::receive(&stream)?;
            tracing::info!(sockets = sockets.len(), "listening sockets were taken over");
            Ok(Self {
                sockets: Sockets::inherited(sockets),
                before: Some(stream),
                deadline: Some(deadline),
            })
        };
        taking().with_context(|| format!("cannot take over the sockets that {VARIABLE} names"))
    }

    /// Until when this program has to serve, where it takes another one's place.
    pub(crate) const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Tells the program before that this one serves; whether there was one.
    pub(crate) fn ready(&mut self) -> Result<bool> {
        let Some(mut before) = self.before.take() else {
            return Ok(false);
        };
        wire::say(&mut before, wire::READY).context("the program before is gone")?;
        Ok(true)
    }
}
