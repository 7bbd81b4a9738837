//! `upgrade`: puts the program that is on disk now in the place of the one that runs.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::{handover, terminal};

/// Replace the running program.
#[derive(Debug, Args)]
pub(super) struct Upgrade {
    /// The data directory of the program that runs.
    #[arg(long, env = "GATEHOUSE_DATA_DIR", default_value = "data", value_name = "PATH")]
    data_dir: PathBuf,
}

impl Upgrade {
    pub(super) async fn run(self) -> Result<()> {
        let path = handover::path(&self.data_dir);
        let asking = tokio::task::spawn_blocking(move || handover::ask(&path, terminal::say));
        asking.await??;
        terminal::good("It serves; the program before lets its requests end and goes.");
        Ok(())
    }
}
