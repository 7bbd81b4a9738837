//! `admin`: administrators from the command line, for installations that are made by scripts and for lost passwords.

use std::io::{self, BufRead as _};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use control::accounts::admins;
use model::account::AccountDraft;
use model::actor::{Actor, Role};

use super::offline;
use crate::settings::StateSettings;
use crate::terminal;

/// What to do with administrators.
#[derive(Debug, Subcommand)]
pub(super) enum Admin {
    /// Make an administrator; the password is read from standard input.
    Create(Create),
}

/// Who it is.
#[derive(Debug, Args)]
pub(super) struct Create {
    #[command(flatten)]
    state: StateSettings,
    /// The e-mail address to sign in with.
    #[arg(long)]
    email: String,
    /// What people call them; default is the address.
    #[arg(long)]
    name: Option<String>,
    /// What they may do: `owner`, `operator` or `auditor`.
    #[arg(long, default_value = "owner", value_parser = role)]
    role: Role,
}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "must be `owner`, `operator` or `auditor`".to_owned())
}

impl Admin {
    pub(super) async fn run(self) -> Result<()> {
        let Self::Create(create) = self;
        create.run().await
    }
}

impl Create {
    async fn run(self) -> Result<()> {
        let mut password = String::new();
        io::stdin()
            .lock()
            .read_line(&mut password)
            .context("no password on standard input")?;
        let draft = AccountDraft {
            name: Some(self.name.unwrap_or_else(|| self.email.clone())),
            email: Some(self.email),
            password: Some(password.trim_end_matches(['\r', '\n']).to_owned()),
        };
        let role = self.role;
        // No key is made, so none has a brand.
        let admin = offline::operate(&self.state, "gh", async |control| {
            admins::create(control, &Actor::system(), draft.into(), role).await
        })
        .await?;
        terminal::good(&format!("{} may sign in as {}", admin.email, role.as_str()));
        Ok(())
    }
}
