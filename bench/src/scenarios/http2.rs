//! HTTP/2 in the clear from the client, by h2load; the service is asked over HTTP/1.1.

use std::process::Stdio;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;
use tokio::time::timeout;

use super::Plan;
use crate::configuration;
use crate::load::Sample;
use crate::peers::{Peer, Work};
use crate::results::Figure;

/// Requests of a round; connections, and requests at once on each.
const REQUESTS: u32 = 100_000;
const CONNECTIONS: u32 = 8;
const STREAMS: u32 = 16;
/// How long a round may take.
const DEADLINE: Duration = Duration::from_mins(2);

pub(super) async fn run(plan: &Plan) -> Result<Vec<Figure>> {
    let workshop = &plan.workshop;
    let peers = [
        workshop.nginx(Work::PassOn, true)?,
        workshop.haproxy(Work::PassOn, true)?,
        workshop.bare_pingora()?,
        workshop.gatehouse("gatehouse", plan.configuration(10, 0))?,
    ];
    let mut figures: Vec<Figure> = peers
        .iter()
        .map(|peer| Figure::new("http2", &peer.name, "saturated"))
        .collect();
    let count = if plan.quick { REQUESTS / 20 } else { REQUESTS };
    // What starts a proxy answers HTTP/1.1, which two of them do not do here.
    tokio::time::sleep(Duration::from_secs(2)).await;
    for _ in 0..plan.rounds {
        for (peer, figure) in peers.iter().zip(&mut figures) {
            round(peer, count / 10).await?;
            figure.rounds.push(round(peer, count).await?);
        }
    }
    Ok(figures)
}

async fn round(peer: &Peer, count: u32) -> Result<Sample> {
    let before = peer.process.cpu()?;
    let url = format!("http://{}{}/1024", peer.address, configuration::path(0));
    let mut command = Command::new("h2load");
    command.args([
        "-n",
        &count.to_string(),
        "-c",
        &CONNECTIONS.to_string(),
        "-m",
        &STREAMS.to_string(),
        &url,
    ]);
    let output = timeout(DEADLINE, command.stderr(Stdio::null()).kill_on_drop(true).output());
    let output = output
        .await
        .context("h2load took too long")?
        .context("cannot start h2load")?;
    let used = peer.process.cpu()?.since(before);
    let text = String::from_utf8_lossy(&output.stdout);
    let succeeded = number_before::<u32>(&text, " 2xx").context("h2load says nothing")?;
    ensure!(
        succeeded == count,
        "{}: {succeeded} of {count} requests succeeded",
        peer.name
    );
    let each = |seconds: f64| seconds * 1e6 / f64::from(count);
    Ok(Sample {
        requests: u64::from(count),
        per_second: number_before::<f64>(&text, " req/s").unwrap_or_default(),
        cpu_us: each(used.total),
        user_us: each(used.user),
        system_us: each(used.system),
        ..Sample::default()
    })
}

/// The number that stands before a word.
fn number_before<N: FromStr>(text: &str, word: &str) -> Option<N> {
    let before = &text[..text.find(word)?];
    before.rsplit([' ', ',']).next()?.parse().ok()
}
