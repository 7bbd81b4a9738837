//! `admin`: administrators from the command line, for installations that are made by scripts and for lost passwords.

use std::io::{self, BufRead as _};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use control::accounts::admins;
use control::{Control, Secrets, Settings};
use model::account::AccountDraft;
use model::actor::{Actor, Role};
use model::clock::SystemClock;

use crate::settings::StateSettings;
use crate::storage::{self, Storage};
use crate::{secret, terminal};

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
        let secret = secret::secret(&self.state)?;
        let storage = Storage::open(&self.state).await?;
        let created = self
            .create(&storage, secret, password.trim_end_matches(['\r', '\n']))
            .await;
        storage.close().await.and(created)
    }

    async fn create(&self, storage: &Storage, secret: [u8; 32], password: &str) -> Result<()> {
        let pool = storage.connect().await?;
        storage::migrate(&pool).await?;
        let nowhere = String::new;
        let settings = Settings {
            key_brand: "gh".into(),
            console_url: nowhere(),
            portal_url: nowhere(),
            proxy_url: nowhere(),
        };
        let control = Control::new(pool.clone(), Arc::new(SystemClock), Secrets::new(secret), settings);
        let draft = AccountDraft {
            name: Some(self.name.clone().unwrap_or_else(|| self.email.clone())),
            email: Some(self.email.clone()),
            password: Some(password.to_owned()),
        };
        let created = admins::create(&control, &Actor::system(), draft.into(), self.role).await;
        pool.close().await;
        match created {
            Ok(admin) => {
                terminal::good(&format!("{} may sign in as {}", admin.email, self.role.as_str()));
                Ok(())
            }
            Err(control::Error::Invalid(errors)) => bail!("{errors}"),
            Err(error) => Err(error.into()),
        }
    }
}
