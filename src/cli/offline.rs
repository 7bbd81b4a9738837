//! Operations from the command line: on the deployment's database, beside what runs or without it.

use std::sync::Arc;

use anyhow::{Result, bail};
use control::{Control, Secrets, Settings};
use model::clock::SystemClock;

use crate::settings::StateSettings;
use crate::storage::{self, Storage};
use crate::{secret, terminal};

/// Runs one operation and says what came of it, or lists what is wrong with it.
pub(super) async fn operate<T>(
    state: &StateSettings,
    key_brand: &str,
    operation: impl AsyncFnOnce(&Control) -> control::Result<T>,
) -> Result<T> {
    let secret = secret::secret(state)?;
    let storage = Storage::open(state, terminal::note).await?;
    let done = on(&storage, secret, key_brand, operation).await;
    storage.close().await.and(done)
}

async fn on<T>(
    storage: &Storage,
    secret: [u8; 32],
    key_brand: &str,
    operation: impl AsyncFnOnce(&Control) -> control::Result<T>,
) -> Result<T> {
    let pool = storage.connect().await?;
    storage::migrate(&pool).await?;
    let nowhere = String::new;
    let settings = Settings {
        key_brand: key_brand.to_owned(),
        console_url: nowhere(),
        portal_url: nowhere(),
        proxy_url: nowhere(),
        trusted_proxies: Vec::new(),
    };
    let control = Control::new(pool.clone(), Arc::new(SystemClock), Secrets::new(secret), settings);
    let done = operation(&control).await;
    pool.close().await;
    match done {
        Ok(done) => Ok(done),
        Err(control::Error::Invalid(errors)) => bail!("{errors}"),
        Err(error) => Err(error.into()),
    }
}
