//! Writes copies: the one task that touches the files.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use model::Kind;
use prometheus::IntGauge;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use uuid::Uuid;

use super::frames::{Place, Reader, Writer};
use super::read::Found;
use super::{FRAME, records};
use crate::runtime::Row;
use crate::source::Point;

/// The newest copy.
pub(super) const NEWEST: &str = "gateway-config.copy";
/// The one before it.
pub(super) const BEFORE: &str = "gateway-config.before.copy";
/// One that is being made.
const FRESH: &str = "gateway-config.new.copy";
/// How long a change may lie in the system's memory only.
const SYNC: Duration = Duration::from_secs(1);
/// The bounds of what changes may take before a new file is made.
const LONGEST: (u64, u64) = (1 << 20, 64 << 20);

/// What the task is told.
#[derive(Debug)]
pub(super) enum Message {
    /// An earlier run's copy is current: it is gone on with.
    Continue(Found),
    /// All rows follow.
    Begin,
    /// The rows of a revision that is not complete count for nothing.
    Drop,
    /// Records, with their part of the room for what waits.
    Rows(Vec<u8>, OwnedSemaphorePermit),
    /// The records so far make a revision complete.
    Finish(Point),
    /// Tell when everything is on disk.
    Settle(oneshot::Sender<()>),
}

/// A file that is written.
struct Open {
    writer: Writer<BufWriter<File>>,
    /// Whether it is a new file whose first revision is not complete.
    is_fresh: bool,
    base: Place,
    /// Where the last complete revision ends.
    end: Place,
}

pub(super) struct Keeper {
    directory: PathBuf,
    secret: [u8; 32],
    lost: Arc<AtomicBool>,
    kept: IntGauge,
    open: Option<Open>,
    /// A copy that goes on once there is a change.
    found: Option<Found>,
    /// Records that wait for their revision, so that a small change is one frame.
    waiting: Vec<u8>,
    unsynced: bool,
    longest: (u64, u64),
}

impl Keeper {
    pub(super) fn new(directory: &Path, secret: &[u8; 32], lost: Arc<AtomicBool>, kept: IntGauge) -> Self {
        Self {
            directory: directory.to_owned(),
            secret: *secret,
            lost,
            kept,
            open: None,
            found: None,
            waiting: Vec::new(),
            unsynced: false,
            longest: LONGEST,
        }
    }

    /// Writes what it is told until nobody is left to tell.
    pub(super) async fn run(mut self, mut queue: mpsc::UnboundedReceiver<Message>) {
        loop {
            let message = if self.unsynced {
                timeout(SYNC, queue.recv()).await
            } else {
                Ok(queue.recv().await)
            };
            let work = move || {
                match message {
                    Ok(Some(message)) => self.take(message),
                    Ok(None) => return None,
                    Err(_) => self.attempt(Self::sync),
                }
                Some(self)
            };
            match spawn_blocking(work).await {
                Ok(Some(keeper)) => self = keeper,
                _ => return,
            }
        }
    }

    pub(super) fn take(&mut self, message: Message) {
        match message {
            Message::Continue(found) => {
                self.found = Some(found);
                self.kept.set(found.point.revision);
            }
            Message::Begin => {
                self.waiting = Vec::new();
                self.attempt(Self::begin);
            }
            Message::Drop => {
                self.waiting.clear();
                self.attempt(Self::go_back);
            }
            Message::Rows(records, _room) => {
                let before = std::mem::replace(&mut self.waiting, records);
                if !before.is_empty() {
                    self.attempt(|keeper| keeper.writer()?.frame(None, &before));
                }
            }
            Message::Finish(point) => self.attempt(|keeper| keeper.finish(point)),
            Message::Settle(done) => {
                self.attempt(Self::sync);
                let _ = done.send(());
            }
        }
    }

    /// Does something; a failure is told once and gives the file up until all rows come again.
    fn attempt(&mut self, work: impl FnOnce(&mut Self) -> io::Result<()>) {
        if self.open.is_none() && self.found.is_none() && self.lost.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = work(self) {
            tracing::error!(directory = %self.directory.display(), %error, "the configuration cannot be kept");
            self.lost.store(true, Ordering::Release);
            (self.open, self.found, self.unsynced) = (None, None, false);
            self.waiting = Vec::new();
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A new file; it becomes the newest once its first revision is complete.
    fn fresh(&self) -> io::Result<Open> {
        // It holds hashes of keys and names of consumers, which are nobody else's business.
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(self.path(FRESH))?;
        let writer = Writer::begin(BufWriter::new(file), &self.secret)?;
        Ok(Open {
            end: writer.place(),
            base: writer.place(),
            writer,
            is_fresh: true,
        })
    }

    fn begin(&mut self) -> io::Result<()> {
        (self.open, self.found, self.unsynced) = (None, None, false);
        self.open = Some(self.fresh()?);
        Ok(())
    }

    /// The file that rows go to.
    fn writer(&mut self) -> io::Result<&mut Writer<BufWriter<File>>> {
        if let Some(found) = self.found.take() {
            self.open = Some(self.resume(found)?);
        }
        let open = self.open.as_mut().map(|open| &mut open.writer);
        open.ok_or_else(|| io::Error::other("there is no copy to go on with"))
    }

    /// Goes on with an earlier run's copy, behind its last complete revision.
    fn resume(&self, found: Found) -> io::Result<Open> {
        if found.is_before {
            fs::rename(self.path(BEFORE), self.path(NEWEST))?;
        }
        let mut file = OpenOptions::new().write(true).open(self.path(NEWEST))?;
        file.set_len(found.end.offset)?;
        file.seek(SeekFrom::End(0))?;
        let writer = Writer::resume(BufWriter::new(file), &self.secret, &found.salt, found.end)?;
        Ok(Open {
            writer,
            is_fresh: false,
            base: found.base,
            end: found.end,
        })
    }

    /// Cuts off what was written behind the last complete revision.
    fn go_back(&mut self) -> io::Result<()> {
        let Some(open) = self.open.as_mut().filter(|open| open.writer.place() != open.end) else {
            return Ok(());
        };
        open.writer.inner().flush()?;
        let file = open.writer.inner().get_mut();
        file.set_len(open.end.offset)?;
        file.seek(SeekFrom::End(0))?;
        open.writer.go_to(open.end);
        Ok(())
    }

    fn finish(&mut self, point: Point) -> io::Result<()> {
        let records = std::mem::take(&mut self.waiting);
        self.writer()?.frame(Some(point), &records)?;
        let Some(open) = &mut self.open else { return Ok(()) };
        open.writer.inner().flush()?;
        open.end = open.writer.place();
        if open.is_fresh {
            self.publish()?;
        } else {
            self.unsynced = true;
            let Open { base, end, .. } = *open;
            let longest = (base.offset / 2).clamp(self.longest.0, self.longest.1);
            if end.offset - base.offset > longest {
                self.compact(point)?;
            }
        }
        self.kept.set(point.revision);
        Ok(())
    }

    /// Makes the file that is new the newest.
    fn publish(&mut self) -> io::Result<()> {
        let (newest, before, fresh) = (self.path(NEWEST), self.path(BEFORE), self.path(FRESH));
        let Some(open) = &mut self.open else { return Ok(()) };
        open.writer.inner().get_mut().sync_all()?;
        (open.is_fresh, open.base) = (false, open.end);
        if newest.exists() {
            fs::rename(&newest, before)?;
        }
        fs::rename(fresh, newest)?;
        File::open(&self.directory)?.sync_all()
    }

    fn sync(&mut self) -> io::Result<()> {
        if let Some(open) = self.open.as_mut().filter(|_| self.unsynced) {
            open.writer.inner().get_mut().sync_data()?;
        }
        self.unsynced = false;
        Ok(())
    }

    /// Makes a new file of what is current in this one: what it says last of each object.
    fn compact(&mut self, point: Point) -> io::Result<()> {
        let Some(old) = &self.open else { return Ok(()) };
        let (base, end) = (old.base, old.end);
        let mut reader = self.reader()?;
        reader.go_to(base).seek(SeekFrom::Start(base.offset))?;
        let mut last: HashMap<(Kind, Uuid), usize> = HashMap::new();
        let mut number = 0;
        each_row(&mut reader, end, |row| {
            number += 1;
            last.insert((row.kind, row.id), number);
            Ok(())
        })?;
        let mut fresh = self.fresh()?;
        let mut collected = Vec::new();
        let mut write = |row: Row<'_>| {
            records::push(row, &mut collected);
            if collected.len() >= FRAME {
                fresh.writer.frame(None, &collected)?;
                collected.clear();
            }
            Ok(())
        };
        let mut reader = self.reader()?;
        each_row(&mut reader, base, |row| {
            if last.contains_key(&(row.kind, row.id)) {
                return Ok(());
            }
            write(row)
        })?;
        number = 0;
        each_row(&mut reader, end, |row| {
            number += 1;
            if row.body.is_none() || last.get(&(row.kind, row.id)) != Some(&number) {
                return Ok(());
            }
            write(row)
        })?;
        fresh.writer.frame(Some(point), &collected)?;
        fresh.writer.inner().flush()?;
        fresh.end = fresh.writer.place();
        tracing::debug!(
            before = end.offset,
            after = fresh.end.offset,
            "the copy of the configuration was made anew"
        );
        self.open = Some(fresh);
        self.unsynced = false;
        self.publish()
    }

    fn reader(&self) -> io::Result<Reader<BufReader<File>>> {
        let file = BufReader::new(File::open(self.path(NEWEST))?);
        Reader::begin(file, &self.secret).map_err(io::Error::other)
    }
}

/// The rows of frames up to a place.
fn each_row(
    reader: &mut Reader<BufReader<File>>,
    end: Place,
    mut take: impl FnMut(Row<'_>) -> io::Result<()>,
) -> io::Result<()> {
    while reader.place().number < end.number {
        let frame = reader.next().map_err(io::Error::other)?;
        let frame = frame.ok_or_else(|| io::Error::other("the copy became shorter"))?;
        for row in records::Records(frame.records) {
            take(row.map_err(io::Error::other)?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
impl Keeper {
    /// Makes new files that much sooner.
    pub(super) fn with_longest(self, bytes: u64) -> Self {
        Self {
            longest: (bytes, bytes),
            ..self
        }
    }
}
