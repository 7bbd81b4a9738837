//! `migrate`: for deployments that change the schema in a step of its own.

use anyhow::Result;
use clap::Args;

use crate::settings::StateSettings;
use crate::storage::{self, Storage};
use crate::terminal;

/// Brings the schema to this program's version.
#[derive(Debug, Args)]
pub(super) struct Migrate {
    #[command(flatten)]
    state: StateSettings,
}

impl Migrate {
    pub(super) async fn run(self) -> Result<()> {
        let storage = Storage::open(&self.state, terminal::good).await?;
        let migrated = async {
            let pool = storage.connect().await?;
            storage::migrate(&pool).await?;
            pool.close().await;
            terminal::good("the database has this program's schema");
            Ok(())
        };
        let migrated = migrated.await;
        storage.close().await.and(migrated)
    }
}
