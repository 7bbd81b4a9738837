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
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgConnection;
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::Control;
use crate::error::Result;
use attempt::Attempt;
use registration::Registering;

pub use orders::renew;
pub(crate) use orders::{follow, of, retry};

/// Between two looks at what is due, and at whether the lock is free.
const TICK: Duration = Duration::from_millis(500);
/// The longest pause while the database is down.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long a question to the database may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// Attempts at the same time.
const ROOM: usize = 4;

/// Gets and renews certificates until `shutdown`. What is under way then is gone on with at the next start.
pub async fn run(control: Control, shutdown: impl Future<Output = ()>) {
    let mut shutdown = pin!(shutdown);
    let mut pause = TICK;
    loop {
        let work = async {
            let begun = Instant::now();
            let Err(error) = lead(&control).await;
            tracing::warn!(%error, "certificates are not looked after for a moment");
            let was_well = begun.elapsed() > LONGEST_PAUSE;
            pause = if was_well { TICK } else { (pause * 2).min(LONGEST_PAUSE) };
            sleep(pause).await;
        };
        tokio::select! {
            () = &mut shutdown => return,
            () = work => {}
        }
    }
}

/// Waits for the lock, and does the work for as long as this node holds it. Only an error ends it.
async fn lead(control: &Control) -> Result<Infallible> {
    // The lock belongs to the connection, which nobody else may use.
    let mut connection = control.pool().acquire().await?.detach();
    // It is asked something at every tick: silence means that the machine is gone, and another node may go on.
    sqlx::query!("set idle_session_timeout = '30s'")
        .execute(&mut connection)
        .await?;
    while !in_time(is_mine(&mut connection)).await? {
        sleep(TICK).await;
    }
    let mut crew = Crew::new(control);
    loop {
        in_time(is_there(&mut connection)).await?;
        in_time(crew.put_to_work()).await?;
        sleep(TICK).await;
    }
}

/// Takes the lock if nobody has it.
async fn is_mine(connection: &mut PgConnection) -> Result<bool> {
    let led = sqlx::query_scalar!(r#"select pg_try_advisory_lock(hashtext('gatehouse_acme')) as "led!""#);
    Ok(led.fetch_one(connection).await?)
}

/// Makes sure that the lock is still held: it is gone with its connection.
async fn is_there(connection: &mut PgConnection) -> Result<()> {
    sqlx::query!("select 1 as one").fetch_one(connection).await?;
    Ok(())
}

async fn in_time<T>(asked: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |_| Err(sqlx::Error::PoolTimedOut.into());
    timeout(DEADLINE, asked).await.unwrap_or_else(late)
}

/// The attempts under way; they end when it is dropped.
struct Crew {
    control: Control,
    registering: Arc<Registering>,
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
