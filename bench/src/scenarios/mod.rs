//! What is measured.

mod changes;
mod http2;
mod idle;
mod start;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use tokio::time::sleep;

use crate::configuration::Configuration;
use crate::load::{Requests, pace, saturate};
use crate::peers::{Peer, Work, Workshop};
use crate::results::Figure;

/// Connections of the load.
const CONNECTIONS: usize = 64;
/// Requests a second where latency is measured: a fraction of what the slowest contender can do.
const RATE: u32 = 5000;

/// A scenario by its name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    Pass,
    Protected,
    Routes,
    Keys,
    Changes,
    Small,
    Medium,
    Large,
    Http2,
    Idle,
    Start,
}

/// How long after its start the memory of a contender is read: allocators give back what loading took after a while.
const SETTLING: Duration = Duration::from_secs(15);

/// How it is measured.
pub(crate) struct Plan {
    pub(crate) workshop: Workshop,
    pub(crate) rounds: usize,
    pub(crate) duration: Duration,
    /// Whether sizes are a tenth.
    pub(crate) quick: bool,
}

/// A proxy and what it is asked.
struct Contender {
    peer: Peer,
    requests: Requests,
}

impl Scenario {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Protected => "protected",
            Self::Routes => "routes",
            Self::Keys => "keys",
            Self::Changes => "changes",
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
            Self::Http2 => "http2",
            Self::Idle => "idle",
            Self::Start => "start",
        }
    }

    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Pass => "pass-through",
            Self::Protected => "a key is asked for, each of 1,000 consumers has a limit",
            Self::Routes => "pass-through with many routes",
            Self::Keys => "key and limit with many keys",
            Self::Changes => "key and limit while changes of 100,000 routes land",
            Self::Small => "pass-through, responses of 1 KiB",
            Self::Medium => "pass-through, responses of 100 KiB",
            Self::Large => "pass-through, responses of 10 MiB",
            Self::Http2 => "pass-through, HTTP/2 in the clear from the client",
            Self::Idle => "9,800 idle connections",
            Self::Start => "start with 100,000 routes and 1,000,000 keys",
        }
    }

    pub(crate) async fn run(self, plan: &Plan) -> Result<Vec<Figure>> {
        match self {
            Self::Pass => plan.compare(self, plan.pass(1024)?, Some(RATE)).await,
            Self::Protected => plan.compare(self, plan.protected()?, Some(RATE)).await,
            Self::Routes => {
                plan.compare(self, plan.sizes(&[(10, 0), (10_000, 0), (100_000, 0)])?, None)
                    .await
            }
            Self::Keys => {
                plan.compare(self, plan.sizes(&[(10, 100), (10, 100_000), (10, 1_000_000)])?, None)
                    .await
            }
            Self::Small => plan.compare(self, plan.pass(1024)?, None).await,
            Self::Medium => plan.compare(self, plan.pass(100 * 1024)?, None).await,
            Self::Large => plan.compare(self, plan.pass(10 * 1024 * 1024)?, None).await,
            Self::Changes => changes::run(plan).await,
            Self::Http2 => http2::run(plan).await,
            Self::Idle => idle::run(plan).await,
            Self::Start => start::run(plan).await,
        }
    }
}

impl Plan {
    /// A configuration of Gatehouse.
    fn configuration(&self, routes: u32, keys: u32) -> Configuration {
        let size = |size: u32| if self.quick { size.min(1000) } else { size };
        Configuration {
            service: self.workshop.service,
            routes: size(routes),
            keys: size(keys),
        }
    }

    fn pass(&self, size: usize) -> Result<Vec<Contender>> {
        let workshop = &self.workshop;
        let configuration = self.configuration(10, 0);
        let peers = vec![
            workshop.nginx(Work::PassOn, false)?,
            workshop.haproxy(Work::PassOn, false)?,
            workshop.bare_pingora()?,
            workshop.gatehouse("gatehouse", configuration)?,
        ];
        Ok(contenders(peers, &Arc::new(configuration.requests(size))))
    }

    fn protected(&self) -> Result<Vec<Contender>> {
        let workshop = &self.workshop;
        let configuration = self.configuration(10, 1000);
        let peers = vec![
            workshop.nginx(Work::Protect, false)?,
            workshop.nginx_lua()?,
            workshop.haproxy(Work::Protect, false)?,
            workshop.bare_pingora()?,
            workshop.gatehouse("gatehouse", configuration)?,
        ];
        Ok(contenders(peers, &Arc::new(configuration.requests(1024))))
    }

    /// Gatehouse with so many routes and keys, called after the number that is not like the first one's.
    fn sizes(&self, sizes: &[(u32, u32)]) -> Result<Vec<Contender>> {
        let made = sizes.iter().map(|(routes, keys)| {
            let configuration = self.configuration(*routes, *keys);
            let name = format!("gatehouse-{}", if *keys == 0 { routes } else { keys });
            Ok(Contender {
                peer: self.workshop.gatehouse(&name, configuration)?,
                requests: Arc::new(configuration.requests(1024)),
            })
        });
        made.collect()
    }

    /// Saturates contenders in turn, round by round; then, at a rate, measures how long requests take.
    async fn compare(
        &self,
        scenario: Scenario,
        mut contenders: Vec<Contender>,
        rate: Option<u32>,
    ) -> Result<Vec<Figure>> {
        for contender in &mut contenders {
            contender.peer.until_ready(&contender.requests[0]).await?;
        }
        sleep(SETTLING).await;
        let figure = |contender: &Contender, load: &str| Figure::new(scenario.name(), &contender.peer.name, load);
        let mut saturated = Vec::new();
        for contender in &contenders {
            let resident = contender.peer.process.resident()?;
            saturated.push(figure(contender, "saturated").with("MiB", mebibytes(resident)));
        }
        for _ in 0..self.rounds {
            for (Contender { peer, requests }, figure) in contenders.iter().zip(&mut saturated) {
                let sample = saturate(&peer.process, peer.address, requests, CONNECTIONS, self.duration).await?;
                figure.rounds.push(sample);
            }
        }
        let Some(rate) = rate else { return Ok(saturated) };
        let mut paced: Vec<Figure> = contenders
            .iter()
            .map(|contender| figure(contender, &format!("{rate}/s")))
            .collect();
        for _ in 0..self.rounds {
            for (Contender { peer, requests }, figure) in contenders.iter().zip(&mut paced) {
                let load = (CONNECTIONS, rate);
                figure
                    .rounds
                    .push(pace(&peer.process, peer.address, requests, load, self.duration).await?);
            }
        }
        saturated.extend(paced);
        Ok(saturated)
    }
}

fn contenders(peers: Vec<Peer>, requests: &Requests) -> Vec<Contender> {
    let contender = |peer| Contender {
        peer,
        requests: requests.clone(),
    };
    peers.into_iter().map(contender).collect()
}

#[expect(clippy::cast_precision_loss, reason = "memory is small enough")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}
