//! Requests over HTTP/1.1: as many as the other side takes, or at a fixed rate whatever the other side does.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::process::{Cpu, Process};

/// How long one answer may take.
const DEADLINE: Duration = Duration::from_secs(20);
/// What runs before anything is measured.
const WARM_UP: Duration = Duration::from_millis(500);

/// What is asked, again and again in this order.
pub(crate) type Requests = Arc<Vec<Vec<u8>>>;

/// What a run found out.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Answers while it was measured.
    pub(crate) requests: u64,
    /// Answers that were no 200, and requests without one.
    pub(crate) errors: u64,
    /// Answers a second.
    pub(crate) per_second: f64,
    /// Processor time of the proxy for each answer, in microseconds.
    pub(crate) cpu_us: f64,
    /// That of it which the proxy itself used.
    pub(crate) user_us: f64,
    /// That of it which the kernel used for the proxy.
    pub(crate) system_us: f64,
    /// Latencies in microseconds: median, 99 %, 99.9 %.
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
    pub(crate) p999_us: u64,
}

/// One connection to a proxy.
pub(crate) struct Connection {
    address: SocketAddr,
    from: Option<IpAddr>,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self {
            address,
            from: None,
            stream: None,
            buffer: vec![0; 64 * 1024],
        }
    }

    /// From one of the machine's own addresses.
    pub(crate) fn from(mut self, from: IpAddr) -> Self {
        self.from = Some(from);
        self.buffer = vec![0; 4096];
        self
    }

    /// Sends a request and reads its answer; the status. A connection that the other side closed is made anew.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<u16> {
        timeout(DEADLINE, self.exchange(request))
            .await
            .context("no answer in time")?
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<u16> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.connect().await?,
        };
        stream.write_all(request).await?;
        let (mut filled, end) = self.read_head(&mut stream).await?;
        let head = Head::read(&self.buffer[..end])?;
        filled -= end;
        let mut left = head.length.saturating_sub(filled);
        while left > 0 {
            match stream.read(&mut self.buffer).await? {
                0 => bail!("the body broke off"),
                count => left = left.saturating_sub(count),
            }
        }
        self.stream = (!head.close).then_some(stream);
        Ok(head.status)
    }

    async fn connect(&self) -> Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if let Some(from) = self.from {
            socket.bind((from, 0).into())?;
        }
        let stream = socket.connect(self.address).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn read_head(&mut self, stream: &mut TcpStream) -> Result<(usize, usize)> {
        let mut filled = 0;
        loop {
            ensure!(filled < self.buffer.len(), "the head of the answer is too large");
            let count = stream.read(&mut self.buffer[filled..]).await?;
            ensure!(count > 0, "the connection ended before the answer");
            let from = filled.saturating_sub(3);
            filled += count;
            let end = self.buffer[from..filled]
                .windows(4)
                .position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                return Ok((filled, from + end + 4));
            }
        }
    }
}

/// What the head of an answer says.
struct Head {
    status: u16,
    length: usize,
    close: bool,
}

impl Head {
    fn read(bytes: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(bytes).context("the head is no text")?;
        let status = text
            .get(9..12)
            .and_then(|digits| digits.parse().ok())
            .context("no status")?;
        let mut head = Self {
            status,
            length: 0,
            close: false,
        };
        for (name, value) in text.lines().skip(1).filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                head.length = value.trim().parse().context("no length")?;
            } else if name.eq_ignore_ascii_case("connection") {
                head.close = value.trim().eq_ignore_ascii_case("close");
            }
        }
        Ok(head)
    }
}

/// What the connections of a run have in common.
struct Shared {
    requests: Requests,
    next: AtomicU64,
    done: AtomicU64,
    errors: AtomicU64,
    over: AtomicBool,
}

impl Shared {
    fn of(requests: &Requests) -> Arc<Self> {
        Arc::new(Self {
            requests: requests.clone(),
            next: AtomicU64::new(0),
            done: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            over: AtomicBool::new(false),
        })
    }

    async fn ask(&self, connection: &mut Connection) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let index = usize::try_from(number).unwrap_or_default() % self.requests.len();
        let answer = connection.ask(&self.requests[index]).await;
        self.done.fetch_add(1, Ordering::Relaxed);
        if !matches!(answer, Ok(200)) {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Lets `connections` ask one request after the other for `duration`, and measures what that costs `proxy`.
pub(crate) async fn saturate(
    proxy: &Process,
    address: SocketAddr,
    requests: &Requests,
    connections: usize,
    duration: Duration,
) -> Result<Sample> {
    let shared = Shared::of(requests);
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let shared = shared.clone();
        tasks.spawn(async move {
            let mut connection = Connection::to(address);
            let mut latencies = histogram();
            while !shared.over.load(Ordering::Relaxed) {
                let began = Instant::now();
                shared.ask(&mut connection).await;
                latencies.record(microseconds(began.elapsed()))?;
            }
            Ok::<_, anyhow::Error>(latencies)
        });
    }
    sleep(WARM_UP).await;
    let (began, cpu, done) = (Instant::now(), proxy.cpu()?, shared.done.load(Ordering::Relaxed));
    sleep(duration).await;
    let (seconds, used) = (began.elapsed().as_secs_f64(), proxy.cpu()?.since(cpu));
    let requests = shared.done.load(Ordering::Relaxed) - done;
    shared.over.store(true, Ordering::Relaxed);
    let mut latencies = histogram();
    while let Some(of_one) = tasks.join_next().await {
        latencies.add(of_one??)?;
    }
    Ok(sample(requests, &shared, seconds, used, &latencies))
}

/// Sends `rate` requests a second for `duration`, each at its time: an answer that is late delays none of the others'
/// clocks (no coordinated omission).
pub(crate) async fn pace(
    proxy: &Process,
    address: SocketAddr,
    requests: &Requests,
    (connections, rate): (usize, u32),
    duration: Duration,
) -> Result<Sample> {
    let shared = Shared::of(requests);
    let (mut queues, mut tasks) = (Vec::new(), JoinSet::new());
    for _ in 0..connections {
        let (queue, mut due) = mpsc::unbounded_channel::<Instant>();
        queues.push(queue);
        let shared = shared.clone();
        tasks.spawn(async move {
            let mut connection = Connection::to(address);
            let mut latencies = histogram();
            while let Some(due) = due.recv().await {
                shared.ask(&mut connection).await;
                latencies.record(microseconds(due.elapsed()))?;
            }
            Ok::<_, anyhow::Error>(latencies)
        });
    }
    let (began, cpu) = (Instant::now(), proxy.cpu()?);
    let clock = tokio::task::spawn_blocking(move || tick(&queues, rate, duration));
    clock.await?;
    let mut latencies = histogram();
    while let Some(of_one) = tasks.join_next().await {
        latencies.add(of_one??)?;
    }
    let (seconds, used) = (began.elapsed().as_secs_f64(), proxy.cpu()?.since(cpu));
    let requests = shared.done.load(Ordering::Relaxed);
    Ok(sample(requests, &shared, seconds, used, &latencies))
}

/// Hands out requests at their times. The clock is a thread's, which is more exact than an event loop's.
fn tick(queues: &[mpsc::UnboundedSender<Instant>], rate: u32, duration: Duration) {
    let began = Instant::now();
    let step = Duration::from_secs(1) / rate.max(1);
    for (number, queue) in (0_u32..).zip(queues.iter().cycle()) {
        let due = step * number;
        if due >= duration {
            return;
        }
        let pause = due.saturating_sub(began.elapsed());
        if !pause.is_zero() {
            std::thread::sleep(pause);
        }
        let _ = queue.send(Instant::now());
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run are small")]
fn sample(requests: u64, shared: &Shared, seconds: f64, used: Cpu, latencies: &Histogram<u64>) -> Sample {
    let each = |seconds: f64| seconds * 1e6 / requests.max(1) as f64;
    Sample {
        requests,
        errors: shared.errors.load(Ordering::Relaxed),
        per_second: requests as f64 / seconds,
        cpu_us: each(used.total),
        user_us: each(used.user),
        system_us: each(used.system),
        p50_us: latencies.value_at_quantile(0.5),
        p99_us: latencies.value_at_quantile(0.99),
        p999_us: latencies.value_at_quantile(0.999),
    }
}

#[expect(clippy::expect_used, reason = "three digits are a precision that it has")]
fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits")
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
