//! Gateways: which of them run, on which revision, and waiting until a change is live.

use std::time::Duration;

use model::actor::{Action, Actor, Resource};
use model::clock::Timestamp;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::Result;
use crate::{Control, authorize};

/// The longest that a writer may wait.
pub const MAX_WAIT: Duration = Duration::from_secs(30);

/// One gateway process.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Gateway {
    /// Its id, the same after a restart.
    pub id: Uuid,
    /// What it calls itself.
    pub name: String,
    /// The version of its program.
    pub version: String,
    /// Whether it was heard of within the last seconds.
    pub live: bool,
    /// The revision that it runs.
    pub applied_revision: i64,
    /// How many revisions it is behind.
    pub lag: i64,
    /// What of the configuration it could not apply.
    pub error: Option<String>,
    /// When it was started.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// When it was last heard of.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub seen_at: Timestamp,
    /// When it said that it stops; absent while it runs, and when it ended without a word.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub stopped_at: Option<Timestamp>,
}

impl Gateway {
    /// Whether it is not heard of any more although it did not say that it stops.
    pub fn silent(&self) -> bool {
        !self.live && self.stopped_at.is_none()
    }
}

/// For which gateways a writer waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitFor {
    /// Every one that runs.
    All,
    /// The first.
    Any,
}

/// The running gateways and those that stopped within the last hour.
pub async fn list(control: &Control, actor: &Actor) -> Result<Vec<Gateway>> {
    authorize(actor, Resource::Gateways, Action::Read)?;
    load(control).await
}

/// Gateways say when they were last heard of by the clock of the database, so that is what decides: a gateway that was
/// not heard of for five seconds does not count as running (it reports every second), and after an hour it is not listed.
async fn load(control: &Control) -> Result<Vec<Gateway>> {
    let gateways = sqlx::query_as!(
        Gateway,
        r#"select id, name, version, stopped_at is null and seen_at > now() - interval '5 seconds' as "live!",
                  applied_revision, greatest((select revision from config_head) - applied_revision, 0) as "lag!",
                  error, started_at, seen_at, stopped_at
           from gateways where seen_at > now() - interval '1 hour' order by name, id"#
    );
    Ok(gateways.fetch_all(control.pool()).await?)
}

/// Whether a gateway runs.
pub(crate) async fn any_live(control: &Control) -> Result<bool> {
    let all = load(control).await?;
    Ok(all.iter().any(|gateway| gateway.live))
}

/// Waits until the running gateways have applied `revision`; returns those that have not when the time is over.
/// With no running gateway there is nobody to wait for.
pub async fn wait(control: &Control, revision: i64, wait_for: WaitFor, timeout: Duration) -> Result<Vec<Gateway>> {
    let deadline = Instant::now() + timeout.min(MAX_WAIT);
    let mut pause = Duration::from_millis(2);
    loop {
        let live: Vec<Gateway> = load(control)
            .await?
            .into_iter()
            .filter(|gateway| gateway.live)
            .collect();
        let (done, behind): (Vec<_>, Vec<_>) = live
            .into_iter()
            .partition(|gateway| gateway.applied_revision >= revision);
        if behind.is_empty() || (wait_for == WaitFor::Any && !done.is_empty()) {
            return Ok(Vec::new());
        }
        if Instant::now() >= deadline {
            return Ok(behind);
        }
        tokio::time::sleep_until(deadline.min(Instant::now() + pause)).await;
        pause = (pause * 2).min(Duration::from_millis(25));
    }
}
