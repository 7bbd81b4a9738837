//! `token`: API tokens from the command line, so that automation needs no browser to begin.

use anyhow::Result;
use clap::{Args, Subcommand};
use control::tokens;
use model::actor::Actor;
use model::token::TokenDraft;

use super::offline;
use crate::settings::{KeySettings, StateSettings};
use crate::terminal;

/// What to do with API tokens.
#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Make an API token and print it, alone on standard output; it cannot be shown again.
    Create(Create),
}

/// What it may do.
#[derive(Debug, Args)]
pub(super) struct Create {
    #[command(flatten)]
    state: StateSettings,
    #[command(flatten)]
    keys: KeySettings,
    /// Unique name.
    #[arg(long)]
    name: String,
    /// What it may do: `resource:read`, `resource:write`, `*:read`, or `*` for everything. Give it more than once, or
    /// several separated by commas.
    #[arg(long = "scope", required = true, value_delimiter = ',', value_name = "SCOPE")]
    scopes: Vec<String>,
    /// When it ends, as a date or RFC 3339; default never.
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
}

impl Token {
    pub(super) async fn run(self) -> Result<()> {
        let Self::Create(create) = self;
        create.run().await
    }
}

impl Create {
    async fn run(self) -> Result<()> {
        let draft = TokenDraft {
            name: Some(self.name),
            scopes: self.scopes,
            expires_at: self.expires_at,
        };
        let issued = offline::operate(&self.state, &self.keys.key_brand, async |control| {
            tokens::create(control, &Actor::system(), draft.into()).await
        })
        .await?;
        // Alone on standard output, for `$(gatehouse token create …)`.
        terminal::say(issued.secret.expose());
        terminal::note(&format!(
            "`{}` may do: {}",
            issued.token.name,
            issued.token.scopes.join(", ")
        ));
        Ok(())
    }
}
