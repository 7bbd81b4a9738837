//! Where the program's own messages go: standard error, as text or JSON.

use std::io::{self, IsTerminal as _};
use std::panic;

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

use crate::settings::{LogFormat, LogSettings};

/// Starts logging for the rest of the process.
pub(crate) fn start(settings: &LogSettings) -> Result<()> {
    let filter = EnvFilter::try_new(&settings.log)
        .with_context(|| format!("GATEHOUSE_LOG is wrong: `{}` is no filter", settings.log))?
        // What libraries say below warnings is about them, not about Gatehouse.
        .add_directive("pingora_core=warn".parse()?)
        .add_directive("pingora_proxy=error".parse()?)
        .add_directive("actix_server=warn".parse()?)
        .add_directive("sqlx=warn".parse()?);
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match settings.log_format {
        LogFormat::Json => subscriber.json().flatten_event(true).with_current_span(false).init(),
        LogFormat::Text => subscriber.with_ansi(io::stderr().is_terminal()).compact().init(),
    }
    // A panic is a message like others, in the same form and the same place.
    panic::set_hook(Box::new(
        |panic| tracing::error!(%panic, "a part of the program panicked"),
    ));
    Ok(())
}
