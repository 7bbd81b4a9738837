//! `serve`, `control` and `gateway`: the same program with more or fewer faces.

use anyhow::{Result, bail};
use clap::Args;

use crate::program::Program;
use crate::settings::{ControlSettings, DemoSettings, FrontSettings, GatewaySettings, StateSettings};

/// Everything in one process.
#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    state: StateSettings,
    #[command(flatten)]
    front: FrontSettings,
    #[command(flatten)]
    control: ControlSettings,
    #[command(flatten)]
    gateway: GatewaySettings,
    /// Also run the demo shop, with a configuration for it when there is none yet.
    #[arg(long)]
    demo: bool,
    #[command(flatten)]
    shop: DemoSettings,
}

impl Serve {
    pub(super) async fn run(self, settings: Vec<String>) -> Result<()> {
        let demo = self.demo.then_some(self.shop);
        Program {
            settings,
            state: self.state,
            front: self.front,
            control: Some(self.control),
            gateway: Some(self.gateway),
            demo,
        }
        .run()
        .await
    }
}

/// Console, API and portal.
#[derive(Debug, Args)]
pub(super) struct ControlOnly {
    #[command(flatten)]
    state: StateSettings,
    #[command(flatten)]
    front: FrontSettings,
    #[command(flatten)]
    control: ControlSettings,
}

impl ControlOnly {
    pub(super) async fn run(self, settings: Vec<String>) -> Result<()> {
        Program {
            settings,
            state: self.state,
            front: self.front,
            control: Some(self.control),
            gateway: None,
            demo: None,
        }
        .run()
        .await
    }
}

/// One gateway.
#[derive(Debug, Args)]
pub(super) struct GatewayOnly {
    #[command(flatten)]
    state: StateSettings,
    #[command(flatten)]
    front: FrontSettings,
    #[command(flatten)]
    gateway: GatewaySettings,
}

impl GatewayOnly {
    pub(super) async fn run(self, settings: Vec<String>) -> Result<()> {
        if self.state.database_url.is_none() {
            bail!("a gateway alone needs DATABASE_URL: the database that `gatehouse control` uses");
        }
        Program {
            settings,
            state: self.state,
            front: self.front,
            control: None,
            gateway: Some(self.gateway),
            demo: None,
        }
        .run()
        .await
    }
}
