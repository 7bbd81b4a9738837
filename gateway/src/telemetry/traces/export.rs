//! Sends spans away by OTLP over gRPC, in batches, from a queue that requests never wait for.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_otlp::tonic_types::transport::ClientTlsConfig;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use prometheus::IntCounter;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use url::Url;

/// Spans that wait.
const QUEUE: usize = 4_096;
/// Spans sent at once.
const BATCH: usize = 512;
/// How long a span waits for others.
const GATHER: Duration = Duration::from_millis(500);
/// What the receiver may take for a batch.
const DEADLINE: Duration = Duration::from_secs(5);

/// What the task is told.
enum Message {
    Span(Box<SpanData>),
    /// Send what there is, then say so.
    Flush(oneshot::Sender<()>),
}

/// Where spans are sent, and as whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Receiver<'a> {
    /// The endpoint.
    pub(crate) url: &'a Url,
    /// The name of this gateway.
    pub(crate) instance: &'a str,
}

/// Counts what became of spans.
#[derive(Debug, Clone)]
pub(crate) struct Counts {
    /// Spans that arrived.
    pub(crate) exported: IntCounter,
    /// Spans that were lost: no room in the queue, or the receiver did not take them.
    pub(crate) dropped: IntCounter,
}

/// The way of spans out of the process.
#[derive(Debug)]
pub(crate) struct Exporter {
    queue: mpsc::Sender<Message>,
    counts: Counts,
}

impl Exporter {
    /// Starts the task that sends; called within a runtime.
    pub(crate) fn start(receiver: Receiver<'_>, counts: Counts) -> Result<Self, String> {
        let builder = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(receiver.url.as_str())
            .with_timeout(DEADLINE);
        let builder = if receiver.url.scheme() == "https" {
            builder.with_tls_config(ClientTlsConfig::new().with_enabled_roots())
        } else {
            builder
        };
        let mut exporter = builder.build().map_err(|error| error.to_string())?;
        exporter.set_resource(&resource(receiver.instance));
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(send(exporter, waiting, counts.clone()));
        Ok(Self { queue, counts })
    }

    /// Hands spans over; those that find no room are counted as dropped.
    pub(crate) fn hand_over(&self, spans: Vec<SpanData>) {
        for span in spans {
            if self.queue.try_send(Message::Span(Box::new(span))).is_err() {
                self.counts.dropped.inc();
            }
        }
    }

    /// Waits until what was handed over so far is sent or given up; gives up itself after a while.
    pub(crate) async fn flush(&self) {
        let (done, sent) = oneshot::channel();
        if self.queue.try_send(Message::Flush(done)).is_ok() {
            let _ = timeout(DEADLINE, sent).await;
        }
    }
}

fn resource(instance: &str) -> Resource {
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", "gatehouse"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", instance.to_owned()),
        ])
        .build()
}

async fn send(exporter: SpanExporter, mut waiting: mpsc::Receiver<Message>, counts: Counts) {
    let mut messages = Vec::with_capacity(BATCH);
    let mut reachable = true;
    while waiting.recv_many(&mut messages, BATCH).await > 0 {
        let asked = messages.iter().any(|message| matches!(message, Message::Flush(_)));
        if messages.len() < BATCH && !asked {
            sleep(GATHER).await;
            while messages.len() < BATCH
                && let Ok(message) = waiting.try_recv()
            {
                messages.push(message);
            }
        }
        let (mut batch, mut flushes) = (Vec::new(), Vec::new());
        for message in messages.drain(..) {
            match message {
                Message::Span(span) => batch.push(*span),
                Message::Flush(done) => flushes.push(done),
            }
        }
        if !batch.is_empty() {
            reachable = send_batch(&exporter, batch, &counts, reachable).await;
        }
        for done in flushes {
            // Whoever asked may have given up.
            let _ = done.send(());
        }
    }
}

/// Sends a batch; says whether it arrived, and tells the log when that changed.
async fn send_batch(exporter: &SpanExporter, batch: Vec<SpanData>, counts: &Counts, reachable: bool) -> bool {
    let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
    let sent = timeout(DEADLINE, exporter.export(batch)).await;
    let problem = match sent {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("no answer in time".to_owned()),
    };
    match &problem {
        None => counts.exported.inc_by(count),
        Some(_) => counts.dropped.inc_by(count),
    }
    match &problem {
        Some(problem) if reachable => tracing::warn!(problem, "the receiver of traces does not take them"),
        None if !reachable => tracing::info!("the receiver of traces takes them again"),
        _ => {}
    }
    problem.is_none()
}
