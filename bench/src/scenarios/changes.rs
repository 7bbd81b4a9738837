//! Changes land while requests come: what that does to requests, and how long a change takes.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::{CONNECTIONS, Plan};
use crate::configuration;
use crate::database::{Database, Publisher};
use crate::load::pace;
use crate::results::Figure;

/// Requests a second.
const RATE: u32 = 2000;
/// Changes a second.
const CHANGES: [u32; 4] = [0, 1, 10, 100];
/// Changes whose way is timed.
const TIMED: u32 = 50;
/// How long a change may take.
const DEADLINE: Duration = Duration::from_secs(30);

pub(super) async fn run(plan: &Plan) -> Result<Vec<Figure>> {
    let workshop = &plan.workshop;
    let configuration = plan.configuration(100_000, 1000);
    let requests = Arc::new(configuration.requests(1024));
    let database = Database::start(&workshop.directory)?;
    database.fill(configuration, &workshop.directory)?;
    let folder = workshop.directory.join("changes");
    fs::create_dir_all(&folder)?;
    let mut peer = workshop.gatehouse_in("gatehouse", &folder, &database.url)?;
    peer.until_ready(&requests[0]).await?;
    let mut publisher = database.publisher()?;
    let mut figures: Vec<Figure> = CHANGES
        .iter()
        .map(|changes| Figure::new("changes", "gatehouse", &format!("{changes} changes/s")))
        .collect();
    for _ in 0..plan.rounds {
        for (changes, figure) in CHANGES.iter().zip(&mut figures) {
            // Short rounds would hold too few changes.
            let duration = plan.duration * 3;
            let load = pace(&peer.process, peer.address, &requests, (CONNECTIONS, RATE), duration);
            let (sample, published) = tokio::join!(load, publish(&mut publisher, *changes, duration));
            published?;
            figure.rounds.push(sample?);
        }
    }
    let status = peer.status.context("Gatehouse has a status")?;
    figures.push(time(&mut publisher, status, plan).await?);
    Ok(figures)
}

/// Publishes so many changes a second, each at its time.
async fn publish(publisher: &mut Publisher, changes: u32, duration: Duration) -> Result<()> {
    if changes == 0 {
        return Ok(());
    }
    let (began, step) = (Instant::now(), Duration::from_secs(1) / changes);
    for number in 0.. {
        let due = step * number;
        if due >= duration || began.elapsed() >= duration {
            return Ok(());
        }
        sleep(due.saturating_sub(began.elapsed())).await;
        publisher
            .publish(&configuration::route(number % 1000, u64::from(number) + 1))
            .await?;
    }
    Ok(())
}

/// Times changes from their commit until the gateway says that it serves them.
async fn time(publisher: &mut Publisher, status: SocketAddr, plan: &Plan) -> Result<Figure> {
    let mut times = Histogram::<u64>::new(3)?;
    for number in 0..if plan.quick { TIMED / 10 } else { TIMED } {
        let revision = publisher.publish(&configuration::route(number, u64::MAX)).await?;
        let committed = Instant::now();
        while served(status).await? < revision {
            if committed.elapsed() > DEADLINE {
                bail!("a change does not become effective");
            }
            sleep(Duration::from_millis(1)).await;
        }
        times.record(u64::try_from(committed.elapsed().as_micros())?)?;
    }
    #[expect(clippy::cast_precision_loss, reason = "times are small")]
    let ms = |quantile: f64| times.value_at_quantile(quantile) as f64 / 1000.0;
    Ok(Figure::new("changes", "gatehouse-effective", "")
        .with("p50 ms", ms(0.5))
        .with("p99 ms", ms(0.99)))
}

/// The revision that a gateway serves.
async fn served(status: SocketAddr) -> Result<i64> {
    let mut stream = TcpStream::connect(status).await?;
    stream
        .write_all(b"GET /readyz HTTP/1.1\r\nHost: status\r\nConnection: close\r\n\r\n")
        .await?;
    let mut text = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut text)).await??;
    let revision = text.trim_end().rsplit(' ').next().and_then(|word| word.parse().ok());
    Ok(revision.unwrap_or(0))
}
