//! Accepts connections and hands them to an application of Pingora's.
//!
//! The loop is ours so that a gateway can listen on any free port, knows when its last request is over, and refuses
//! connections that are too many.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use pingora::apps::ServerApp;
use pingora::protocols::GetSocketDigest as _;
use pingora::protocols::SocketDigest;
use pingora::protocols::l4::stream::Stream;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::config::limits;
use crate::telemetry::Telemetry;

/// A pause when the system has no more connections to give.
const EXHAUSTED: Duration = Duration::from_millis(50);

/// Counts connections, in all and by address.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    open: Mutex<Open>,
    trusted: Vec<IpNet>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Connections {
    pub(crate) fn trusting(trusted: Vec<IpNet>) -> Self {
        Self {
            open: Mutex::default(),
            trusted,
        }
    }

    /// How many are open.
    pub(crate) fn count(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).total
    }

    fn enter(self: &Arc<Self>, ip: IpAddr) -> Option<Connection> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of_address = open.by_address.get(&ip).copied().unwrap_or_default();
        let trusted = self.trusted.iter().any(|network| network.contains(&ip));
        if open.total >= limits::CONNECTIONS || (!trusted && of_address >= limits::CONNECTIONS_PER_ADDRESS) {
            return None;
        }
        open.total += 1;
        open.by_address.insert(ip, of_address + 1);
        Some(Connection {
            connections: self.clone(),
            ip,
        })
    }
}

/// One open connection.
struct Connection {
    connections: Arc<Connections>,
    ip: IpAddr,
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total -= 1;
        if let Some(count) = open.by_address.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&self.ip);
            }
        }
    }
}

/// What an HTTP/2 client sends first when it does not ask before (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Between two looks at a beginning that may become the preface.
const LOOK: Duration = Duration::from_millis(10);

/// The application, for either protocol that a client may begin with.
#[derive(Debug)]
pub(crate) struct Apps<A> {
    pub(crate) http1: Arc<A>,
    pub(crate) http2: Arc<A>,
}

impl<A> Clone for Apps<A> {
    fn clone(&self) -> Self {
        Self {
            http1: self.http1.clone(),
            http2: self.http2.clone(),
        }
    }
}

impl<A> Apps<A> {
    /// One application that speaks HTTP/1 only.
    pub(crate) fn plain(app: Arc<A>) -> Self {
        Self {
            http1: app.clone(),
            http2: app,
        }
    }

    /// The one that the client's first bytes ask for; none when it is silent for too long or goes away.
    ///
    /// Pingora would wait for as many bytes as the preface has, which a short request does not have.
    async fn choose(&self, stream: &TcpStream) -> Option<Arc<A>> {
        let mut start = [0; PREFACE.len()];
        loop {
            match stream.peek(&mut start).await.ok()? {
                0 => return None,
                count if !PREFACE.starts_with(&start[..count]) => return Some(self.http1.clone()),
                count if count == PREFACE.len() => return Some(self.http2.clone()),
                _ => sleep(LOOK).await,
            }
        }
    }
}

/// Accepts until told to stop.
pub(crate) async fn accept<A: ServerApp + Send + Sync + 'static>(
    listener: TcpListener,
    apps: Apps<A>,
    connections: Arc<Connections>,
    telemetry: Arc<Telemetry>,
    mut stopping: watch::Receiver<bool>,
) {
    while !*stopping.borrow() {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.changed() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                sleep(EXHAUSTED).await;
                continue;
            }
        };
        let Some(connection) = connections.enter(peer.ip().to_canonical()) else {
            telemetry.connection_refused();
            continue;
        };
        let open = telemetry.connection_accepted();
        let (apps, mut stopping) = (apps.clone(), stopping.clone());
        tokio::spawn(async move {
            let chosen = tokio::select! {
                chosen = timeout(limits::FIRST_BYTES, apps.choose(&stream)) => chosen.ok().flatten(),
                // A connection that said nothing yet is nothing to wait for.
                _ = stopping.changed() => None,
            };
            let Some(app) = chosen else {
                return drop((connection, open));
            };
            let mut stream = Some(with_digest(stream, peer));
            while let Some(connection) = stream.take() {
                stream = app.process_new(connection, &stopping).await;
            }
            drop((connection, open));
        });
    }
}

fn with_digest(stream: TcpStream, peer: SocketAddr) -> pingora::protocols::Stream {
    let mut stream = Stream::from(stream);
    let digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
    // It is new, so the cell is empty.
    let _ = digest.peer_addr.set(Some(peer.into()));
    stream.set_socket_digest(digest);
    if let Err(error) = stream.set_nodelay() {
        tracing::debug!(%error, "a connection does not take an option");
    }
    Box::new(stream)
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
        let connections = Arc::new(Connections::default());
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
        assert_eq!((open.total, open.by_address.len()), (0, 0));
    }

    #[test]
    fn a_trusted_proxy_may_have_more_than_others() {
        let network = "127.0.0.0/8".parse().expect("a network");
        let connections = Arc::new(Connections::trusting(vec![network]));
        let proxy = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let open: Vec<_> = (0..=limits::CONNECTIONS_PER_ADDRESS)
            .map(|_| connections.enter(proxy))
            .collect();
        assert!(open.iter().all(Option::is_some));
    }
}
