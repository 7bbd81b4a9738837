//! The gateway's own copy of the configuration: with it a gateway restarts while the database is down.
//!
//! A copy is a file of sealed frames (`frames.rs`): first all rows of one revision, then what changed, revision by
//! revision, so that keeping a change costs as much as the change. When the changes grow long, a new file is made of
//! what is current. The one before it stays beside it. No rows are held in memory for it.
//!
//! A task writes what waits, which has a bound. Where the disk cannot follow, the copy is given up and made anew later.

mod frames;
mod keeper;
mod read;
mod records;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prometheus::IntGauge;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::Point;
use crate::runtime::Row;
use keeper::{Keeper, Message};
pub(crate) use read::Step;
use read::find;

/// Records that are collected until they become a frame, in bytes.
const FRAME: usize = 256 * 1024;
/// How many units of records may wait for being written, and how many bytes a unit is.
const ROOM: (usize, usize) = (8 * 1024, 1024);
/// How long the disk may let records wait.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long after a failure the copy is made anew.
const PAUSE: Duration = Duration::from_secs(30);

/// The copy in a directory.
#[derive(Debug)]
pub(crate) struct Copy {
    directory: PathBuf,
    secret: [u8; 32],
    records: Vec<u8>,
    /// Whether records were handed over whose revision is not complete.
    is_open: bool,
    queue: mpsc::UnboundedSender<Message>,
    room: Arc<Semaphore>,
    /// Set when something could not be written: the file lacks it from then on.
    lost: Arc<AtomicBool>,
    lost_at: Option<Instant>,
}

impl Copy {
    /// Begins the task that writes; `kept` shows the revision that a restart would find.
    pub(crate) fn in_directory(directory: &Path, secret: &[u8; 32], kept: IntGauge) -> Self {
        let lost = Arc::<AtomicBool>::default();
        let keeper = Keeper::new(directory, secret, lost.clone(), kept);
        let (queue, waiting) = mpsc::unbounded_channel();
        tokio::spawn(keeper.run(waiting));
        Self {
            directory: directory.to_owned(),
            secret: *secret,
            records: Vec::new(),
            is_open: false,
            queue,
            room: Arc::new(Semaphore::new(ROOM.0)),
            lost,
            lost_at: None,
        }
    }

    /// Reads the newest copy that is not damaged, step by step; what it is of, when there is one.
    pub(crate) fn restore(&self, take: impl FnMut(Step<'_>)) -> Option<Point> {
        let found = find(&self.directory, &self.secret, take)?;
        let point = found.point;
        self.tell(Message::Continue(found));
        Some(point)
    }

    /// All rows follow.
    pub(crate) fn begin_all(&mut self) {
        self.records = Vec::new();
        (self.is_open, self.lost_at) = (false, None);
        self.lost.store(false, Ordering::Release);
        self.tell(Message::Begin);
    }

    /// What changed follows; rows whose revision never came to its end are dropped.
    pub(crate) fn begin_changes(&mut self) {
        self.records.clear();
        if std::mem::take(&mut self.is_open) {
            self.tell(Message::Drop);
        }
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, row: Row<'_>) {
        if !self.is_lost() {
            records::push(row, &mut self.records);
        }
    }

    /// Hands over what was collected once it is much; waits until there is room.
    pub(crate) async fn make_room(&mut self) {
        if self.records.len() >= FRAME {
            self.hand_over().await;
        }
    }

    /// The rows so far make this revision complete.
    pub(crate) async fn finish(&mut self, point: Point) {
        self.hand_over().await;
        self.is_open = false;
        if !self.is_lost() {
            self.tell(Message::Finish(point));
        }
    }

    /// Whether it has to be made anew, and enough time went by since it failed.
    pub(crate) fn wants_all(&mut self) -> bool {
        if !self.is_lost() {
            return false;
        }
        let at = *self.lost_at.get_or_insert_with(Instant::now);
        at.elapsed() >= PAUSE
    }

    /// Waits until everything is on disk.
    pub(crate) async fn settle(&self) {
        let (done, settled) = oneshot::channel();
        self.tell(Message::Settle(done));
        if timeout(PATIENCE, settled).await.is_err() {
            tracing::warn!("the copy of the configuration could not be written in time");
        }
    }

    async fn hand_over(&mut self) {
        let records = std::mem::take(&mut self.records);
        if self.is_lost() {
            return;
        }
        let units = (records.len() / ROOM.1 + 1).min(ROOM.0);
        let room = self.room.clone().acquire_many_owned(u32::try_from(units).unwrap_or(1));
        match timeout(PATIENCE, room).await {
            Ok(Ok(room)) => {
                self.is_open = true;
                self.tell(Message::Rows(records, room));
            }
            _ => {
                self.lost.store(true, Ordering::Release);
                tracing::error!(directory = %self.directory.display(), "the configuration cannot be kept: the disk is too slow");
            }
        }
    }

    fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// The task ends only with the gateway: then nothing needs to be kept.
    fn tell(&self, message: Message) {
        let _ = self.queue.send(message);
    }
}
