//! Follows the rows that control writes: all of them at first, then those above the last revision.
//!
//! A notification only saves time; the head is looked at every second anyway. While the database is away the last
//! snapshot serves on.

use std::sync::Arc;
use std::time::Duration;

use model::Kind;
use model::clock::Clock;
use model::snapshot::Entry;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgPool, Row as _};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::report::{Reporter, Told};
use super::ship;
use crate::config::Instance;
use crate::error::Error;
use crate::follow::Follower;
use crate::telemetry::Telemetry;
use crate::usage::Recorder;

/// How long a question to the database may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long a start waits for the database to answer before the copy of an earlier run is served.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the head is looked at, and the gateway reports.
const TICK: Duration = Duration::from_secs(1);
/// How often usage is shipped.
const SHIP: Duration = Duration::from_secs(2);
/// The longest pause between attempts to come back.
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// The channel on which control tells of a new revision.
const CHANNEL: &str = "gatehouse_config";

/// Follows one database.
pub(crate) struct PostgresSource {
    pub(crate) follower: Follower,
    pub(crate) instance: Instance,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) usage: Arc<Recorder>,
    pub(crate) secret: [u8; 32],
    pub(crate) clock: Arc<dyn Clock>,
}

/// Connections that are made when they are needed.
pub(crate) fn pool(url: &str) -> Result<PgPool, Error> {
    let options: PgConnectOptions = url
        .parse()
        .map_err(|error: sqlx::Error| Error::DatabaseUrl(error.to_string()))?;
    let options = options
        .application_name("gatehouse gateway")
        .log_statements(log::LevelFilter::Trace);
    Ok(PgPoolOptions::new()
        .max_connections(4)
        .acquire_timeout(DEADLINE)
        .connect_lazy_with(options))
}

impl PostgresSource {
    /// Follows until told to stop, then reports that it has and ships what is left.
    pub(crate) async fn run(mut self, pool: PgPool, mut stopping: watch::Receiver<bool>) {
        let begun = tokio::select! {
            begun = self.begin(&pool) => begun,
            _ = stopping.changed() => Ok(()),
        };
        if let Err(error) = begun {
            tracing::warn!(%error, "the database is away at the start");
            self.follower.restore();
        }
        let mut pause = Duration::from_millis(50);
        while !*stopping.borrow() {
            let followed = Instant::now();
            let ended = tokio::select! {
                ended = self.follow(&pool) => ended,
                _ = stopping.changed() => break,
            };
            self.telemetry.source_up(false);
            tracing::warn!(error = %ended.err().map(|error| error.to_string()).unwrap_or_default(), "the database is away");
            if followed.elapsed() > MAX_PAUSE {
                pause = Duration::from_millis(50);
            }
            tokio::select! {
                () = sleep(pause) => {}
                _ = stopping.changed() => break,
            }
            pause = (pause * 2).min(MAX_PAUSE);
        }
        self.follower.keep();
        self.usage.cut();
        let last_words = async {
            reach(&pool).await?;
            ship::all(&pool, &self.usage).await?;
            Reporter::new(&self.instance).stopped(&pool).await
        };
        if !matches!(timeout(DEADLINE, last_words).await, Ok(Ok(()))) {
            tracing::warn!("the last usage could not be shipped");
        }
    }

    /// Loads what is there now. The copy of an earlier run may have keys that were revoked since: it is used only when
    /// the database does not answer.
    async fn begin(&mut self, pool: &PgPool) -> sqlx::Result<()> {
        timeout(PATIENCE, self.meet(pool))
            .await
            .unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
        self.catch_up(pool).await?;
        Ok(())
    }

    /// Makes sure that the database answers and knows this gateway before anything is loaded: whoever changes something
    /// from then on waits for it too.
    async fn meet(&self, pool: &PgPool) -> sqlx::Result<()> {
        within(reach(pool)).await?;
        self.report(pool, 0).await
    }

    /// Follows as long as the database answers.
    async fn follow(&mut self, pool: &PgPool) -> sqlx::Result<()> {
        self.meet(pool).await?;
        let mut listener = within(PgListener::connect_with(pool)).await?;
        within(listener.listen(CHANNEL)).await?;
        self.catch_up(pool).await?;
        self.telemetry.source_up(true);
        self.report_applied(pool).await?;
        let mut told = Told::default();
        let (mut tick, mut shipping) = (interval(TICK), interval(SHIP));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        shipping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                notification = listener.try_recv() => {
                    // None means that the connection was lost: what was notified meanwhile is found by the tick.
                    notification?;
                    if self.catch_up(pool).await? {
                        self.report_applied(pool).await?;
                    }
                }
                _ = tick.tick() => {
                    self.catch_up(pool).await?;
                    self.report_applied(pool).await?;
                    self.report_targets(pool, &mut told).await?;
                    self.follower.keep();
                }
                _ = shipping.tick() => {
                    self.usage.cut();
                    within(ship::all(pool, &self.usage)).await?;
                }
            }
        }
    }

    async fn report_applied(&self, pool: &PgPool) -> sqlx::Result<()> {
        self.report(pool, self.follower.revision().unwrap_or(0)).await
    }

    async fn report_targets(&self, pool: &PgPool, told: &mut Told) -> sqlx::Result<()> {
        let now = std::time::Instant::now();
        let states = self.follower.upstreams().states(now, self.clock.now());
        within(Reporter::new(&self.instance).targets(pool, told, states)).await
    }

    async fn report(&self, pool: &PgPool, revision: i64) -> sqlx::Result<()> {
        let problems = self.follower.problems();
        within(Reporter::new(&self.instance).running(pool, revision, &problems)).await
    }

    /// Applies everything above the revision that is served; says whether there was something.
    async fn catch_up(&mut self, pool: &PgPool) -> sqlx::Result<bool> {
        let known = self.follower.revision();
        let (mut head, mut entries) = within(load(pool, known.unwrap_or(0))).await?;
        if known.is_some_and(|known| known > head) {
            tracing::warn!(
                known,
                head,
                "the database has an older history than the one served: loading it anew"
            );
            self.follower.forget(&self.secret);
            (head, entries) = within(load(pool, 0)).await?;
        } else if known == Some(head) {
            self.telemetry.source_confirmed();
            return Ok(false);
        }
        self.follower.apply(head, entries);
        self.telemetry.source_confirmed();
        Ok(true)
    }
}

/// Fails at once and with the cause when nobody answers; the pool would try until its time is over and not say why.
async fn reach(pool: &PgPool) -> sqlx::Result<()> {
    pool.connect_options().connect().await?.close().await
}

/// The head and the rows above `known`, as of one moment.
async fn load(pool: &PgPool, known: i64) -> sqlx::Result<(i64, Vec<Entry>)> {
    let mut transaction = pool.begin().await?;
    sqlx::query("set transaction isolation level repeatable read, read only")
        .execute(&mut *transaction)
        .await?;
    let head: i64 = sqlx::query_scalar("select revision from config_head")
        .fetch_one(&mut *transaction)
        .await?;
    if head == known {
        return Ok((head, Vec::new()));
    }
    let rows = sqlx::query(
        "select kind, id, revision, body from config_entries
         where revision > $1 and revision <= $2 and (body is not null or $1 > 0) order by revision",
    )
    .bind(known)
    .bind(head)
    .fetch_all(&mut *transaction)
    .await?;
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        let kind: String = row.try_get("kind")?;
        let Some(kind) = Kind::parse(&kind) else {
            tracing::warn!(kind, "a row of an unknown kind is left out: a newer program wrote it");
            continue;
        };
        entries.push(Entry {
            kind,
            id: row.try_get("id")?,
            revision: row.try_get("revision")?,
            body: row.try_get("body")?,
        });
    }
    Ok((head, entries))
}

/// No answer in time counts as a failure of the connection.
async fn within<T>(question: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    timeout(DEADLINE * 2, question)
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
