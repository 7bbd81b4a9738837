//! The access log: one line of JSON for a request, or for a connection that is not opened. What happened, never what was in
//! it.
//!
//! Requests form their line and put it into a bounded queue; one thread writes. A place that is slow or gone costs lines,
//! which are counted, and no request waits.

mod connection;
mod line;
mod sink;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use pingora_http::RequestHeader;
use prometheus::IntCounter;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::outcome::{LogChoice, Outcome};
use super::passage::Passage;
use super::sampling::chosen;
use super::settings::Destination;
use connection::ConnectionLine;
use line::{Line, to_json};
pub(crate) use sink::Sink;
use writer::Writer;

/// Lines that wait.
const QUEUE: usize = 8_192;
/// Bytes that wait.
const QUEUE_BYTES: usize = 16 * 1024 * 1024;
/// What the last lines may take when the gateway stops.
const LAST_LINES: Duration = Duration::from_secs(2);

/// What the writing thread is told.
enum Message {
    Line(Vec<u8>),
    /// Write what came before, then say so.
    Flush(oneshot::Sender<()>),
}

/// The way of lines out of the process.
#[derive(Debug)]
pub(crate) struct AccessLog {
    queue: SyncSender<Message>,
    waiting_bytes: Arc<AtomicUsize>,
    reopen: Arc<AtomicBool>,
    dropped: IntCounter,
    sampling: f64,
}

impl AccessLog {
    /// Opens the destination and starts the thread that writes there; none when the log is off.
    pub(crate) fn start(to: &Destination, sampling: f64, dropped: IntCounter) -> Result<Option<Self>, String> {
        let Some(sink) = Sink::open(to)? else {
            return Ok(None);
        };
        let log = Self::into(sink, sampling, dropped).map_err(|error| error.to_string())?;
        if matches!(to, Destination::File(_)) {
            log.reopen_on_hangup();
        }
        Ok(Some(log))
    }

    fn into(sink: Sink, sampling: f64, dropped: IntCounter) -> std::io::Result<Self> {
        let (queue, messages) = sync_channel(QUEUE);
        let log = Self {
            queue,
            waiting_bytes: Arc::default(),
            reopen: Arc::default(),
            dropped: dropped.clone(),
            sampling,
        };
        let writer = Writer {
            sink,
            waiting_bytes: log.waiting_bytes.clone(),
            reopen: log.reopen.clone(),
            dropped,
            fails: false,
        };
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || writer.run(&messages))?;
        Ok(log)
    }

    /// `SIGHUP` makes the file be opened anew, as programs that move logs away expect.
    fn reopen_on_hangup(&self) {
        let reopen = self.reopen.clone();
        match signal(SignalKind::hangup()) {
            Ok(mut hangups) => drop(tokio::spawn(async move {
                while hangups.recv().await.is_some() {
                    reopen.store(true, Ordering::Release);
                }
            })),
            Err(error) => tracing::warn!(%error, "SIGHUP will not make the access log be opened anew"),
        }
    }

    /// Puts the line of a request into the queue, when it is among those that are logged.
    pub(crate) fn record(&self, request: &RequestHeader, outcome: &Outcome<'_>) {
        if self.wants(outcome.choice, outcome.is_notable()) {
            self.write(&Line::of(request, outcome));
        }
    }

    /// Puts the line of a connection into the queue, when it is among those that are logged.
    pub(crate) fn record_connection(&self, passage: &Passage<'_>) {
        if self.wants(passage.choice, passage.reason.is_some()) {
            self.write(&ConnectionLine::of(passage));
        }
    }

    fn wants(&self, choice: LogChoice, notable: bool) -> bool {
        choice.access_log.unwrap_or_else(|| notable || chosen(self.sampling))
    }

    fn write(&self, line: &impl Serialize) {
        match to_json(line) {
            Ok(line) => self.put(line),
            Err(_) => self.dropped.inc(),
        }
    }

    fn put(&self, line: Vec<u8>) {
        let bytes = line.len();
        let before = self.waiting_bytes.fetch_add(bytes, Ordering::AcqRel);
        if before + bytes > QUEUE_BYTES || self.queue.try_send(Message::Line(line)).is_err() {
            self.waiting_bytes.fetch_sub(bytes, Ordering::AcqRel);
            self.dropped.inc();
        }
    }

    /// Waits until what was recorded so far is written; gives up after a while.
    pub(crate) async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.queue.try_send(Message::Flush(done)).is_ok() {
            let _ = timeout(LAST_LINES, written).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn counter() -> IntCounter {
        IntCounter::new("dropped", "Dropped.").expect("a counter")
    }

    fn request(target: &str) -> RequestHeader {
        RequestHeader::build("GET", target.as_bytes(), None).expect("a request")
    }

    fn answered(status: u16) -> Outcome<'static> {
        Outcome {
            status,
            ..Outcome::default()
        }
    }

    #[test]
    fn a_place_that_is_stuck_costs_lines_and_never_a_request() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let log = AccessLog::into(Sink::Stream(Box::new(ours)), 1.0, counter()).expect("a thread");
        let request = request("/");
        // Nobody reads: what the queue, the socket and one batch hold is lost to nobody, the rest is counted.
        while log.dropped.get() < 1_000 {
            log.record(&request, &answered(200));
        }
        let mut piece = [0; 64];
        theirs.read_exact(&mut piece).expect("the first lines");
        assert!(piece.starts_with(b"{\"timestamp\":"), "{piece:?}");
    }

    #[tokio::test]
    async fn sampling_leaves_out_what_went_well_and_a_route_may_decide() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let log = AccessLog::into(Sink::Stream(Box::new(ours)), 0.0, counter()).expect("a thread");
        let mut silent = answered(500);
        silent.choice.access_log = Some(false);
        let mut loud = answered(201);
        loud.choice.access_log = Some(true);
        let mut refused = answered(401);
        refused.reason = Some(model::reason::Reason::RouteNotFound);
        for outcome in [answered(200), answered(404), silent, loud, refused, answered(502)] {
            log.record(&request("/"), &outcome);
        }
        log.flush().await;
        drop(log);
        let mut text = String::new();
        theirs.read_to_string(&mut text).expect("all lines");
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        let statuses: Vec<_> = lines.map(|line| line["status"].as_u64()).collect();
        assert_eq!(statuses, [Some(201), Some(401), Some(502)]);
    }
}
