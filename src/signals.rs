//! The signals that end the program.

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

/// Resolves when somebody wants the program to end: Ctrl-C or `SIGTERM`.
pub(crate) fn stop() -> Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
