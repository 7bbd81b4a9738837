//! The thread that writes the access log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use prometheus::IntCounter;
use tokio::sync::oneshot;

use super::{Message, Sink};

/// Bytes that are written at once.
const BATCH: usize = 64 * 1024;
/// How often a file is looked after.
const LOOK: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    pub(super) sink: Sink,
    pub(super) waiting_bytes: Arc<AtomicUsize>,
    pub(super) reopen: Arc<AtomicBool>,
    pub(super) dropped: IntCounter,
    /// Whether the last write failed; the program's own log says so once.
    pub(super) fails: bool,
}

/// Lines that are written at once, and who waits for that.
#[derive(Default)]
struct Batch {
    text: Vec<u8>,
    lines: u64,
    waiting: Vec<oneshot::Sender<()>>,
}

impl Writer {
    /// Writes until nobody can send any more.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        let mut looked = Instant::now();
        let mut batch = Batch::default();
        loop {
            match messages.recv_timeout(LOOK) {
                Ok(message) => self.take(message, &mut batch),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while batch.text.len() < BATCH
                && let Ok(message) = messages.try_recv()
            {
                self.take(message, &mut batch);
            }
            let asked = self.reopen.swap(false, Ordering::AcqRel);
            if asked || looked.elapsed() >= LOOK {
                looked = Instant::now();
                if let Err(error) = self.sink.refresh(asked) {
                    self.tell(Err(error));
                }
            }
            self.write(&mut batch);
        }
    }

    fn take(&self, message: Message, batch: &mut Batch) {
        match message {
            Message::Line(line) => {
                self.waiting_bytes.fetch_sub(line.len(), Ordering::AcqRel);
                batch.text.extend_from_slice(&line);
                batch.lines += 1;
            }
            Message::Flush(done) => batch.waiting.push(done),
        }
    }

    fn write(&mut self, batch: &mut Batch) {
        if batch.lines > 0 {
            let written = self.sink.write(&batch.text);
            if written.is_err() {
                self.dropped.inc_by(batch.lines);
            }
            self.tell(written);
        }
        for done in batch.waiting.drain(..) {
            // Whoever asked may have given up.
            let _ = done.send(());
        }
        batch.text.clear();
        batch.lines = 0;
    }

    fn tell(&mut self, done: std::io::Result<()>) {
        match done {
            Err(error) if !self.fails => {
                self.fails = true;
                tracing::error!(%error, "the access log cannot be written: lines are dropped and counted");
            }
            Ok(()) if self.fails => {
                self.fails = false;
                tracing::info!("the access log is written again");
            }
            _ => {}
        }
    }
}
