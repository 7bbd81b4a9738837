//! The addresses of names: asked for beside the requests, again before they are too old, and never lost by a failure.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{RData, RecordType};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::group::Group;
use super::place::{Found, Place};
use super::upstreams::Upstreams;

/// How long an answer of a server is waited for; it is asked twice.
const DEADLINE: Duration = Duration::from_secs(2);
/// How long a name may take in all, with all its records.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked which names are due.
const TICK: Duration = Duration::from_millis(100);
/// Names that are asked for at the same time.
const AT_ONCE: usize = 32;
/// The shortest and the longest time that an answer is used.
const TTL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// The longest time until a name that is not there, or that nobody answers for, is asked for again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long a name counts as not there when the answer does not say.
const ABSENT: Duration = Duration::from_secs(5);
/// The most addresses of one name, and the most hosts of its SRV records.
const MAX_ADDRESSES: usize = 256;
const MAX_HOSTS: usize = 64;
/// What a host of an SRV record weighs per unit, so that its addresses can share it.
const FINENESS: u32 = 60;

/// Asks for names.
#[derive(Clone)]
pub(crate) struct Names(Option<TokioResolver>);

/// Why a name has no addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Missing {
    /// It does not exist, or has no such records; for so long, when the answer said so.
    Absent(Option<Duration>),
    /// Nobody answered for it.
    Failed(String),
}

type Answer = Result<(Vec<Found>, Duration), Missing>;

/// A name that targets are found by.
struct Asked {
    groups: Vec<Arc<Group>>,
    due: Instant,
    asking: bool,
    failures: u32,
}

impl Names {
    /// Asks these servers, or those of the system when there are none.
    pub(crate) fn new(servers: &[SocketAddr]) -> Self {
        let builder = if servers.is_empty() {
            TokioResolver::builder_tokio()
        } else {
            let servers = servers.iter().map(|server| name_server(*server)).collect();
            let config = ResolverConfig::from_name_servers(servers);
            Ok(TokioResolver::builder_with_config(
                config,
                TokioRuntimeProvider::default(),
            ))
        };
        let resolver = builder.and_then(|mut builder| {
            let options = builder.options_mut();
            options.cache_size = 0;
            options.timeout = DEADLINE;
            options.attempts = 2;
            builder.build()
        });
        if let Err(error) = &resolver {
            tracing::error!(%error, "names of targets cannot be resolved: set GATEHOUSE_DNS_SERVERS");
        }
        Self(resolver.ok())
    }

    async fn answer(&self, place: Place) -> Answer {
        let asked = async {
            match &place {
                Place::Socket(socket) => Ok((
                    vec![Found {
                        socket: *socket,
                        weight: 1,
                    }],
                    TTL.1,
                )),
                Place::Host(name, port) => self.host(name, *port).await,
                Place::Srv(name) => self.srv(name).await,
            }
        };
        let late = || Missing::Failed("no answer in time".to_owned());
        tokio::time::timeout(PATIENCE, asked)
            .await
            .unwrap_or_else(|_| Err(late()))
    }

    async fn host(&self, name: &str, port: u16) -> Answer {
        let (four, six) = tokio::join!(self.records(name, RecordType::A), self.records(name, RecordType::AAAA));
        let (found, ttl) = match (four, six) {
            (Ok((mut found, ttl)), Ok((more, other))) => {
                found.extend(more);
                (found, ttl.min(other))
            }
            (Ok(found), Err(_)) | (Err(_), Ok(found)) => found,
            (Err(Missing::Failed(why)), _) | (_, Err(Missing::Failed(why))) => return Err(Missing::Failed(why)),
            (Err(absent), Err(_)) => return Err(absent),
        };
        let addresses = found.into_iter().filter_map(|record| match record {
            RData::A(address) => Some(IpAddr::V4(address.0)),
            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
            _ => None,
        });
        let found = usable(addresses.collect()).into_iter().map(|ip| Found {
            socket: SocketAddr::new(ip, port),
            weight: 1,
        });
        Ok((found.collect(), ttl))
    }

    /// The hosts of the SRV records with the lowest priority, by their weights (RFC 2782).
    async fn srv(&self, name: &str) -> Answer {
        let (records, mut ttl) = self.records(name, RecordType::SRV).await?;
        let services = records.into_iter().filter_map(|record| match record {
            RData::SRV(service) if service.port > 0 => Some(service),
            _ => None,
        });
        let services: Vec<_> = services.collect();
        let best = services.iter().map(|service| service.priority).min();
        let mut found = Vec::new();
        let mut missing = Missing::Absent(None);
        for service in services
            .iter()
            .filter(|service| Some(service.priority) == best)
            .take(MAX_HOSTS)
        {
            match self.host(&service.target.to_ascii(), service.port).await {
                Ok((addresses, other)) => {
                    ttl = ttl.min(other);
                    let count = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
                    let weight = (u32::from(service.weight.max(1)) * FINENESS / count).max(1);
                    found.extend(addresses.into_iter().map(|address| Found { weight, ..address }));
                }
                Err(why) => missing = why,
            }
        }
        found.sort_by_key(|found| found.socket);
        found.truncate(MAX_ADDRESSES);
        if found.is_empty() {
            Err(missing)
        } else {
            Ok((found, ttl))
        }
    }

    async fn records(&self, name: &str, kind: RecordType) -> Result<(Vec<RData>, Duration), Missing> {
        let resolver = self
            .0
            .as_ref()
            .ok_or_else(|| Missing::Failed("there is no DNS server".to_owned()))?;
        let lookup = resolver.lookup(name, kind).await.map_err(|error| match error {
            NetError::Dns(DnsError::NoRecordsFound(absent)) => {
                let seconds = absent.negative_ttl.map(u64::from);
                Missing::Absent(seconds.map(Duration::from_secs))
            }
            other => Missing::Failed(other.to_string()),
        })?;
        let records = lookup
            .answers()
            .iter()
            .filter(|record| record.data.record_type() == kind);
        let ttl = lookup.answers().iter().map(|record| record.ttl).min().unwrap_or(0);
        let records: Vec<RData> = records.map(|record| record.data.clone()).collect();
        if records.is_empty() {
            return Err(Missing::Absent(None));
        }
        Ok((records, Duration::from_secs(u64::from(ttl))))
    }
}

fn name_server(server: SocketAddr) -> NameServerConfig {
    let mut config = NameServerConfig::udp_and_tcp(server.ip());
    for connection in &mut config.connections {
        let ConnectionConfig { port, .. } = connection;
        *port = server.port();
    }
    config
}

/// The addresses that can be reached from here, in a fixed order. Of a name that is this machine one is enough.
fn usable(mut addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    addresses.sort_unstable();
    addresses.dedup();
    let local_four = addresses.iter().any(|ip| ip.is_ipv4() && ip.is_loopback());
    addresses.retain(|ip| !(local_four && ip.is_ipv6() && ip.is_loopback()));
    if addresses.iter().any(IpAddr::is_ipv4) {
        addresses.retain(|ip| ip.is_ipv4() || has_route(*ip));
    }
    addresses.truncate(MAX_ADDRESSES);
    addresses
}

/// Whether this machine knows a way to an address; nothing is sent.
fn has_route(ip: IpAddr) -> bool {
    UdpSocket::bind("[::]:0")
        .and_then(|socket| socket.connect((ip, 9)))
        .is_ok()
}

/// When a name is asked for again.
fn pause(answer: &Answer, failures: u32) -> Duration {
    match answer {
        Ok((_, ttl)) => (*ttl).clamp(TTL.0, TTL.1),
        Err(Missing::Absent(ttl)) => ttl.unwrap_or(ABSENT).clamp(TTL.0, LONGEST_PAUSE),
        Err(Missing::Failed(_)) => (TTL.0 * 2_u32.pow(failures.min(5))).min(LONGEST_PAUSE),
    }
}

impl Upstreams {
    /// Keeps the addresses of all names fresh, until dropped.
    pub(super) async fn keep_names(&self, names: &Names) {
        let mut asked: HashMap<Place, Asked> = HashMap::new();
        let mut asking: JoinSet<(Place, Answer)> = JoinSet::new();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.renewed() => self.list(&mut asked),
                _ = tick.tick() => {}
                Some(Ok((place, answer))) = asking.join_next() => take(&mut asked, &place, &answer),
            }
            let now = Instant::now();
            for (place, name) in &mut asked {
                if asking.len() >= AT_ONCE {
                    break;
                }
                if !name.asking && name.due <= now {
                    name.asking = true;
                    let (names, place) = (names.clone(), place.clone());
                    asking.spawn(async move {
                        let answer = names.answer(place.clone()).await;
                        (place, answer)
                    });
                }
            }
        }
    }

    /// Which names there are, and for whom.
    fn list(&self, asked: &mut HashMap<Place, Asked>) {
        for name in asked.values_mut() {
            name.groups.clear();
        }
        let now = Instant::now();
        for group in self.groups() {
            for place in group.places() {
                let name = asked.entry(place).or_insert_with(|| Asked {
                    groups: Vec::new(),
                    due: now,
                    asking: false,
                    failures: 0,
                });
                name.groups.push(group.clone());
            }
        }
        asked.retain(|_, name| !name.groups.is_empty());
    }
}

/// Takes an answer over.
fn take(asked: &mut HashMap<Place, Asked>, place: &Place, answer: &Answer) {
    let Some(name) = asked.get_mut(place) else { return };
    let now = Instant::now();
    name.asking = false;
    match answer {
        Ok(_) => name.failures = 0,
        Err(why) => {
            if name.failures == 0 {
                let why = match why {
                    Missing::Absent(_) => "it does not exist",
                    Missing::Failed(why) => why,
                };
                tracing::warn!(
                    target.name = place.name().unwrap_or_default(),
                    error = why,
                    "a target's name has no addresses: those known before are kept"
                );
            }
            name.failures = name.failures.saturating_add(1);
        }
    }
    name.due = now + pause(answer, name.failures.saturating_sub(1));
    let found = answer.as_ref().map(|(found, _)| found.as_slice()).unwrap_or_default();
    for group in &name.groups {
        group.found(place, found, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_asked_for_again_in_bounded_time() {
        let found = |seconds| Ok((Vec::new(), Duration::from_secs(seconds)));
        let failed = || Err(Missing::Failed(String::new()));
        let table = [
            (found(0), 0, 1),
            (found(60), 0, 60),
            (found(86_400), 0, 300),
            (Err(Missing::Absent(None)), 0, 5),
            (Err(Missing::Absent(Some(Duration::from_secs(3_600)))), 0, 30),
            (failed(), 0, 1),
            (failed(), 3, 8),
            (failed(), 100, 30),
        ];
        for (answer, failures, seconds) in table {
            assert_eq!(
                pause(&answer, failures),
                Duration::from_secs(seconds),
                "{answer:?} {failures}"
            );
        }
    }

    #[test]
    fn of_this_machine_one_address_is_enough() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert_eq!(
            usable(vec![ip("::1"), ip("127.0.0.1"), ip("127.0.0.1")]),
            [ip("127.0.0.1")]
        );
        assert_eq!(usable(vec![ip("::1")]), [ip("::1")]);
        let many = (0..1_000_u32)
            .map(|number| IpAddr::from(number.to_be_bytes()))
            .collect();
        assert_eq!(usable(many).len(), MAX_ADDRESSES);
    }
}
