//! Follows the rows that control writes: all of them at first, then those above the last revision.
//!
//! A notification only saves time; the head is looked at every second anyway. While the database is away the last
//! snapshot serves on.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use model::Kind;
use model::clock::Clock;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions, PgRow, PgValueFormat, PgValueRef};
use sqlx::{ConnectOptions as _, Connection as _, PgPool, Postgres, Row as _, Transaction, ValueRef as _};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use uuid::Uuid;

use super::point::Point;
use super::report::{Reporter, Told};
use super::ship;
use crate::config::Instance;
use crate::error::Error;
use crate::follow::Follower;
use crate::runtime::Row;
use crate::telemetry::Telemetry;
use crate::usage::Recorder;

/// How long a question to the database may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long a start waits for the database to answer before the copy of an earlier run is served.
const PATIENCE: Duration = Duration::from_secs(2);
/// Rows that are taken over in one go.
const AT_ONCE: usize = 256;
/// How often the head is looked at, and the gateway reports.
const TICK: Duration = Duration::from_secs(1);
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
            tokio::task::block_in_place(|| self.follower.restore());
        }
        let shipping = tokio::spawn(ship::regularly(pool.clone(), self.usage.clone()));
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
        self.follower.settle().await;
        // A batch that was broken off is shipped again under its number.
        shipping.abort();
        let _ = shipping.await;
        self.usage.collect();
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
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
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
                    self.refill(pool).await?;
                }
            }
        }
    }

    async fn report_applied(&self, pool: &PgPool) -> sqlx::Result<()> {
        let served = self.follower.point().map_or(0, |point| point.revision);
        self.report(pool, served).await
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
        let known = self.follower.point();
        let (mut transaction, head, mark) = within(look(pool, known)).await?;
        let goes_on = known.is_some_and(|known| known.leads_to(head, mark));
        if goes_on && known.is_some_and(|known| known.revision == head.revision) {
            self.telemetry.source_confirmed();
            return Ok(false);
        }
        if let Some(known) = known.filter(|_| !goes_on) {
            let (known, head) = (known.revision, head.revision);
            tracing::warn!(
                known,
                head,
                "the history of the database is not the one that was followed: loading everything anew"
            );
            self.follower.forget();
        }
        self.follower.begin();
        let above = self.follower.point().map_or(0, |point| point.revision);
        let mut rows = rows(&mut transaction, above, head.revision);
        while let Some(some) = within(async { rows.next().await.transpose() }).await? {
            for row in &some {
                if let Some(row) = read(row)? {
                    self.follower.take(row);
                }
            }
            self.follower.make_room().await;
        }
        self.follower.finish(head).await;
        self.telemetry.source_confirmed();
        Ok(true)
    }

    /// Makes the copy anew after it could not be written.
    async fn refill(&mut self, pool: &PgPool) -> sqlx::Result<()> {
        let Some(copy) = self.follower.copy() else {
            return Ok(());
        };
        if !copy.wants_all() {
            return Ok(());
        }
        let (mut transaction, head, _) = within(look(pool, None)).await?;
        copy.begin_all();
        let mut rows = rows(&mut transaction, 0, head.revision);
        while let Some(some) = within(async { rows.next().await.transpose() }).await? {
            for row in &some {
                if let Some(row) = read(row)? {
                    copy.add(row);
                }
            }
            copy.make_room().await;
        }
        copy.finish(head).await;
        Ok(())
    }
}

/// Fails at once and with the cause when nobody answers; the pool would try until its time is over and not say why.
async fn reach(pool: &PgPool) -> sqlx::Result<()> {
    pool.connect_options().connect().await?.close().await
}

/// The head and the mark that its history has at the revision of `known`, and a transaction in which they stay that.
async fn look(
    pool: &PgPool,
    known: Option<Point>,
) -> sqlx::Result<(Transaction<'static, Postgres>, Point, Option<Uuid>)> {
    let mut transaction = pool.begin().await?;
    sqlx::query("set transaction isolation level repeatable read, read only")
        .execute(&mut *transaction)
        .await?;
    let (revision, mark, of_known) = sqlx::query_as(
        "select revision, (select mark from config_history where revision = config_head.revision),
                (select mark from config_history where revision = $1)
         from config_head",
    )
    .bind(known.map_or(0, |known| known.revision))
    .fetch_one(&mut *transaction)
    .await?;
    Ok((transaction, Point { revision, mark }, of_known))
}

/// The rows above a revision as they come, many at a time. Their order has no meaning: each object has one row.
fn rows<'a>(
    transaction: &'a mut Transaction<'static, Postgres>,
    above: i64,
    head: i64,
) -> impl Stream<Item = sqlx::Result<Vec<PgRow>>> + Unpin + 'a {
    let rows = sqlx::query(
        "select kind, id, body from config_entries
         where revision > $1 and revision <= $2 and (body is not null or $1 > 0)",
    );
    let rows = rows.bind(above).bind(head).fetch(&mut **transaction);
    rows.ready_chunks(AT_ONCE).map(|some| some.into_iter().collect())
}

/// A row as it lies in the answer; none when it is of a kind that this program does not know.
fn read(row: &PgRow) -> sqlx::Result<Option<Row<'_>>> {
    let kind: &str = row.try_get(0)?;
    let Some(kind) = Kind::parse(kind) else {
        tracing::warn!(kind, "a row of an unknown kind is left out: a newer program wrote it");
        return Ok(None);
    };
    let body = row.try_get_raw(2)?;
    let body = if body.is_null() {
        None
    } else {
        Some(json(body).map_err(sqlx::Error::Decode)?)
    };
    Ok(Some(Row {
        kind,
        id: row.try_get(1)?,
        body,
    }))
}

/// The text of a `jsonb`, before which its binary form has the number of the form.
fn json(value: PgValueRef<'_>) -> Result<&[u8], BoxDynError> {
    let format = value.format();
    let bytes = value.as_bytes()?;
    match (format, bytes) {
        (PgValueFormat::Text, text) | (PgValueFormat::Binary, [1, text @ ..]) => Ok(text),
        _ => Err("jsonb has a form that this program does not know".into()),
    }
}

/// No answer in time counts as a failure of the connection. Of many rows each part has this time.
pub(super) async fn within<T>(question: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    timeout(DEADLINE * 2, question)
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
