//! Every operation on the state of Gatehouse.
//!
//! Both adapters, REST and pages, call the same functions here. Configuration is written through a
//! [`Change`] only, which leaves an audit entry, a revision with before and after, and the gateways' rows behind.

pub mod accounts;
pub mod acme;
pub mod acme_accounts;
pub mod apis;
pub mod applications;
pub mod audit;
pub mod ca_certificates;
mod catalogue;
pub mod certificates;
pub mod change;
pub mod consumers;
pub mod credentials;
pub mod developers;
pub mod error;
pub mod gateways;
pub mod idempotency;
pub mod jobs;
pub mod keys;
pub mod list;
pub mod mail;
pub mod names;
pub mod offers;
pub mod openapi;
pub mod overview;
pub mod plans;
pub mod plugins;
pub mod products;
mod references;
pub mod revisions;
pub mod routes;
mod sealing;
pub mod search;
pub mod secrets;
pub mod services;
pub mod snis;
mod store;
pub mod subscriptions;
pub mod targets;
pub mod tokens;
pub mod upstreams;
pub mod usage;

use std::fmt;
use std::sync::Arc;

use ipnet::IpNet;
use model::actor::{Action, Actor, Resource};
use model::clock::{Clock, Timestamp};
use sqlx::PgPool;
use sqlx::migrate::Migrator;

pub use change::{Change, ChangeRecord, Mode, Written};
pub use error::{Dependant, Error, Result};
use idempotency::{Answer, Claim};
pub use list::{ListQuery, Page};
pub use secrets::Secrets;
pub use store::{Precondition, Table, create, delete, get, list, merge, replace};

/// The schema's history, forward only.
pub static MIGRATOR: Migrator = sqlx::migrate!("../migrations");

/// What a deployment decides.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The first part of every generated key.
    pub key_brand: String,
    /// Where people reach the console, without a final slash.
    pub console_url: String,
    /// Where developers reach the portal, without a final slash.
    pub portal_url: String,
    /// Where clients reach the gateway, without a final slash.
    pub proxy_url: String,
    /// Proxies before console and portal whose word is taken for where people are.
    pub trusted_proxies: Vec<IpNet>,
}

/// The way to every operation; cheap to clone.
#[derive(Clone)]
pub struct Control {
    inner: Arc<Inner>,
}

struct Inner {
    pool: PgPool,
    clock: Arc<dyn Clock>,
    secrets: Secrets,
    settings: Settings,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("settings", &self.inner.settings)
            .finish_non_exhaustive()
    }
}

impl Control {
    /// Works on a migrated database.
    pub fn new(pool: PgPool, clock: Arc<dyn Clock>, secrets: Secrets, settings: Settings) -> Self {
        Self {
            inner: Arc::new(Inner {
                pool,
                clock,
                secrets,
                settings,
            }),
        }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// What this deployment decided.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.inner.pool
    }

    pub(crate) fn secrets(&self) -> &Secrets {
        &self.inner.secrets
    }

    /// Starts a change in the name of `actor`; dropping it undoes everything.
    pub async fn begin(&self, actor: &Actor) -> Result<Change> {
        Change::begin(self.clone(), actor.clone()).await
    }

    /// Does one operation as one change: begins, operates, commits (or, as a dry run, rolls back).
    pub async fn write<T>(
        &self,
        actor: &Actor,
        mode: Mode,
        operation: impl AsyncFnOnce(&mut Change) -> Result<T>,
    ) -> Result<Written<T>> {
        let mut change = self.begin(actor).await?;
        let value = operation(&mut change).await?;
        change.finish(mode, value).await
    }

    /// The same for a request that may be sent again: what is answered is kept in the same transaction, so that what was
    /// done is never done twice, whenever the program or the connection ends.
    pub async fn write_once<T>(
        &self,
        actor: &Actor,
        mode: Mode,
        operation: impl AsyncFnOnce(&mut Change) -> Result<T>,
        keep: (&Claim, impl FnOnce(&Written<T>) -> Answer),
    ) -> Result<Written<T>> {
        let mut change = self.begin(actor).await?;
        let value = operation(&mut change).await?;
        change.finish_and_keep(mode, value, Some(keep)).await
    }
}

/// Refuses what the actor has no right to.
pub(crate) fn authorize(actor: &Actor, resource: Resource, action: Action) -> Result<()> {
    if actor.rights.allow(resource, action) {
        Ok(())
    } else {
        Err(Error::Forbidden { resource, action })
    }
}
