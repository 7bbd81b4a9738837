//! Counts connections, in all and by the network that they come from.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use rustix::process::{Resource, getrlimit};
use tokio::sync::Semaphore;

use crate::config::limits;
use crate::pressure::Pressure;

/// The connections of all listeners, with their bounds.
#[derive(Debug)]
pub(crate) struct Connections {
    open: Mutex<Open>,
    trusted: Vec<IpNet>,
    most: usize,
    pressure: Pressure,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_source: HashMap<IpAddr, Source>,
}

/// Where connections come from.
#[derive(Debug)]
struct Source {
    connections: usize,
    handshakes: Arc<Semaphore>,
}

impl Default for Connections {
    fn default() -> Self {
        Self::trusting(Vec::new(), Pressure::default())
    }
}

impl Connections {
    /// Proxies that are trusted may have more connections than others: many clients come through them.
    pub(crate) fn trusting(trusted: Vec<IpNet>, pressure: Pressure) -> Self {
        Self {
            pressure,
            ..Self::bounded(trusted, most(getrlimit(Resource::Nofile).current))
        }
    }

    /// So many at most.
    pub(crate) fn bounded(trusted: Vec<IpNet>, most: usize) -> Self {
        Self {
            open: Mutex::default(),
            trusted,
            most,
            pressure: Pressure::default(),
        }
    }

    /// How many are open.
    pub(crate) fn count(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).total
    }

    /// Whether an address is that of a trusted proxy.
    pub(crate) fn trusts(&self, ip: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&ip))
    }

    /// A place for a connection from this address; none when there are too many, or no memory for one more.
    pub(crate) fn enter(self: &Arc<Self>, ip: IpAddr) -> Option<Connection> {
        let (source, trusted) = (source(ip), self.trusts(ip));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of_source = open.by_source.get(&source).map_or(0, |source| source.connections);
        let most = self.most.min(self.pressure.connections());
        if open.total >= most || (!trusted && of_source >= limits::CONNECTIONS_PER_ADDRESS) {
            return None;
        }
        open.total += 1;
        let of_source = open.by_source.entry(source).or_insert_with(|| Source::new(trusted));
        of_source.connections += 1;
        Some(Connection {
            handshakes: of_source.handshakes.clone(),
            connections: self.clone(),
            source,
        })
    }
}

impl Source {
    fn new(trusted: bool) -> Self {
        let handshakes = if trusted {
            limits::HANDSHAKES
        } else {
            limits::HANDSHAKES_PER_ADDRESS
        };
        Self {
            connections: 0,
            handshakes: Arc::new(Semaphore::new(handshakes)),
        }
    }
}

/// The bound of all connections: each may need a second one to a service, so that fewer than half of the descriptors
/// may be theirs.
fn most(descriptors: Option<u64>) -> usize {
    let half = descriptors.map_or(usize::MAX, |all| usize::try_from(all / 2).unwrap_or(usize::MAX));
    limits::CONNECTIONS.min(half.saturating_sub(1)).max(1)
}

/// What counts as one source: an address, of IPv6 the network that one customer of a provider gets.
fn source(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

/// One open connection; dropping it makes room.
#[derive(Debug)]
pub(crate) struct Connection {
    connections: Arc<Connections>,
    source: IpAddr,
    handshakes: Arc<Semaphore>,
}

impl Connection {
    /// Handshakes of TLS that may be under way from where it comes from.
    pub(super) fn handshakes(&self) -> &Semaphore {
        &self.handshakes
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total -= 1;
        if let Some(source) = open.by_source.get_mut(&self.source) {
            source.connections -= 1;
            if source.connections == 0 {
                open.by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(number: usize) -> IpAddr {
        Ipv4Addr::from(u32::try_from(number).expect("small")).into()
    }

    #[test]
    fn connections_are_bounded_in_all_and_by_address() {
        let connections = Arc::new(Connections::bounded(Vec::new(), limits::CONNECTIONS));
        let of_one: Vec<_> = (0..limits::CONNECTIONS_PER_ADDRESS)
            .map(|_| connections.enter(address(0)).expect("room"))
            .collect();
        assert!(connections.enter(address(0)).is_none());
        let left = limits::CONNECTIONS - limits::CONNECTIONS_PER_ADDRESS;
        // Two from each address, so that addresses and connections are not the same number.
        let others: Vec<_> = (0..left)
            .map(|number| connections.enter(address(1 + number / 2)).expect("room"))
            .collect();
        assert!(connections.enter(address(limits::CONNECTIONS)).is_none());
        drop(of_one);
        assert!(connections.enter(address(0)).is_some());
        drop(others);
        let open = connections.open.lock().expect("whole");
        assert_eq!((open.total, open.by_source.len()), (0, 0));
    }

    #[test]
    fn a_trusted_proxy_may_have_more_than_others() {
        let network = "127.0.0.0/8".parse().expect("a network");
        let connections = Arc::new(Connections::bounded(vec![network], limits::CONNECTIONS));
        let proxy = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let open: Vec<_> = (0..=limits::CONNECTIONS_PER_ADDRESS)
            .map(|_| connections.enter(proxy))
            .collect();
        assert!(open.iter().all(Option::is_some));
    }

    #[test]
    fn g_32_addresses_of_one_ipv6_network_count_as_one() {
        let connections = Arc::new(Connections::bounded(Vec::new(), limits::CONNECTIONS));
        let ip = |network: u16, host: u16| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, network, 0, 0, 0, host));
        let _open: Vec<_> = (0..limits::CONNECTIONS_PER_ADDRESS)
            .map(|number| connections.enter(ip(1, u16::try_from(number).expect("small"))))
            .collect();
        assert!(connections.enter(ip(1, u16::MAX)).is_none());
        assert!(connections.enter(ip(2, 1)).is_some());
    }

    #[test]
    fn fewer_than_half_of_the_descriptors_are_for_clients() {
        assert_eq!(most(Some(1_024)), 511);
        assert_eq!(most(Some(1_000_000)), limits::CONNECTIONS);
        assert_eq!((most(None), most(Some(1))), (limits::CONNECTIONS, 1));
    }
}
