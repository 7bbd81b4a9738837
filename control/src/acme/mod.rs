//! Certificates that Gatehouse gets and renews by itself (ACME, RFC 8555).
//!
//! One node at a time does this, whichever holds the lock: a node that ends, however it ends, loses it with its connection
//! to the database, and another goes on from what is kept there.

mod attempt;
mod challenges;
mod install;
mod orders;
mod registration;
#[cfg(test)]
mod tests;
mod web;
mod words;

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgConnection;
use tokio::sync::Mutex;
use tokio::task::{Id, JoinSet};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::Control;
use crate::error::Result;
use attempt::Attempt;

pub use orders::renew;
pub(crate) use orders::{follow, of, retry};

/// Between two looks at what is due.
const TICK: Duration = Duration::from_millis(500);
/// How long a question to the database may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// Attempts at the same time.
const ROOM: usize = 4;

/// Gets and renews certificates until `shutdown`. What is under way then is gone on with at the next start.
pub async fn run(control: Control, shutdown: impl Future<Output = ()>) {
    let mut shutdown = pin!(shutdown);
    loop {
        let work = async {
            if let Err(error) = lead(&control).await {
                tracing::warn!(%error, "certificates are not looked after for a moment");
            }
            sleep(TICK).await;
        };
        tokio::select! {
            () = &mut shutdown => return,
            () = work => {}
        }
    }
}

/// Does the work for as long as this node holds the lock.
async fn lead(control: &Control) -> Result<()> {
    // The lock belongs to the connection, which nobody else may use.
    let mut connection = control.pool().acquire().await?.detach();
    let led = sqlx::query_scalar!(r#"select pg_try_advisory_lock(hashtext('gatehouse_acme')) as "led!""#)
        .fetch_one(&mut connection)
        .await?;
    if !led {
        return Ok(());
    }
    let mut crew = Crew::new(control);
    loop {
        hold(&mut connection).await?;
        crew.put_to_work().await?;
        sleep(TICK).await;
    }
}

/// Makes sure that the lock is still held: it is gone with its connection.
async fn hold(connection: &mut PgConnection) -> Result<()> {
    let asked = sqlx::query!("select 1 as one").fetch_one(connection);
    match timeout(DEADLINE, asked).await {
        Ok(answer) => answer.map(|_| ()).map_err(Into::into),
        Err(_) => Err(sqlx::Error::PoolTimedOut.into()),
    }
}

/// The attempts under way; they end when it is dropped.
struct Crew {
    control: Control,
    registering: Arc<Mutex<()>>,
    running: JoinSet<()>,
    busy: HashMap<Id, Uuid>,
}

impl Crew {
    fn new(control: &Control) -> Self {
        Self {
            control: control.clone(),
            registering: Arc::default(),
            running: JoinSet::new(),
            busy: HashMap::new(),
        }
    }

    /// Begins what is due, as far as there is room.
    async fn put_to_work(&mut self) -> Result<()> {
        while let Some(ended) = self.running.try_join_next_with_id() {
            let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
            self.busy.remove(&id);
        }
        let room = ROOM.saturating_sub(self.busy.len());
        if room == 0 {
            return Ok(());
        }
        let busy: Vec<Uuid> = self.busy.values().copied().collect();
        let due = orders::due(&self.control, &busy, i64::try_from(room).unwrap_or(1));
        for certificate in due.await? {
            let (control, registering) = (self.control.clone(), self.registering.clone());
            let task = self.running.spawn(async move {
                let attempt = Attempt {
                    control: &control,
                    certificate,
                    registering: &registering,
                    patience: web::Patience::default(),
                };
                attempt.run().await;
            });
            self.busy.insert(task.id(), certificate);
        }
        Ok(())
    }
}
