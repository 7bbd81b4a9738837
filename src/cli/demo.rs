//! `demo`: the demo shop alone, for a gateway that runs elsewhere.

use anyhow::{Context, Result};
use clap::Args;

use crate::settings::DemoSettings;
use crate::{demo, signals, terminal};

/// Runs the demo shop until it is stopped.
#[derive(Debug, Args)]
pub(super) struct Demo {
    #[command(flatten)]
    shop: DemoSettings,
}

impl Demo {
    pub(super) async fn run(self) -> Result<()> {
        let stop = signals::stop()?;
        let (server, addresses) = demo::bind(&self.shop.listen)?;
        let handle = server.handle();
        let running = tokio::spawn(server);
        for address in addresses {
            terminal::link("Demo shop", &format!("http://{address}/orders"));
        }
        stop.await;
        handle.stop(true).await;
        running.await?.context("the demo shop failed")
    }
}
