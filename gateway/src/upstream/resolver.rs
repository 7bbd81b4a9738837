//! Where named targets are: looked up by the system, remembered for a while, and never forgotten for a failure.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// How long an answer is used without asking again.
const FRESH: Duration = Duration::from_secs(10);
/// How long a first answer is waited for.
const DEADLINE: Duration = Duration::from_secs(2);
/// The most names that are remembered.
const CAPACITY: usize = 10_000;

/// Finds addresses of names.
#[derive(Debug, Clone, Default)]
pub struct Resolver(Arc<Mutex<HashMap<String, Arc<Answer>>>>);

#[derive(Debug)]
struct Answer {
    addresses: Vec<SocketAddr>,
    at: Instant,
    next: AtomicUsize,
}

impl Resolver {
    /// An address for `host:port`, each of its addresses in turn. Only the first look-up of a name is waited for.
    pub async fn resolve(&self, name: &str) -> Option<SocketAddr> {
        let known = self.known(name);
        let answer = match known {
            Some(answer) if answer.at.elapsed() < FRESH => answer,
            Some(stale) => {
                self.remember(name, stale.addresses.clone());
                let (resolver, name) = (self.clone(), name.to_owned());
                tokio::spawn(async move { resolver.look_up(&name).await });
                stale
            }
            None => self.look_up(name).await?,
        };
        let turn = answer.next.fetch_add(1, Ordering::Relaxed);
        answer.addresses.get(turn % answer.addresses.len()).copied()
    }

    async fn look_up(&self, name: &str) -> Option<Arc<Answer>> {
        let found = timeout(DEADLINE, tokio::net::lookup_host(name)).await;
        let addresses: Vec<SocketAddr> = match found {
            Ok(Ok(addresses)) => addresses.collect(),
            Ok(Err(error)) => {
                tracing::warn!(target.name = name, error = %error, "a target's name cannot be resolved");
                return None;
            }
            Err(_) => {
                tracing::warn!(target.name = name, "a target's name is not resolved in time");
                return None;
            }
        };
        // An empty answer never replaces a good one.
        if addresses.is_empty() {
            None
        } else {
            Some(self.remember(name, addresses))
        }
    }

    fn known(&self, name: &str) -> Option<Arc<Answer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn remember(&self, name: &str, addresses: Vec<SocketAddr>) -> Arc<Answer> {
        let answer = Arc::new(Answer {
            addresses,
            at: Instant::now(),
            next: AtomicUsize::new(0),
        });
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CAPACITY && !known.contains_key(name) {
            known.retain(|_, answer| answer.at.elapsed() < FRESH);
        }
        known.insert(name.to_owned(), answer.clone());
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_found_and_remembered() {
        let resolver = Resolver::default();
        let address = resolver.resolve("localhost:8080").await.expect("localhost");
        assert!(address.ip().is_loopback() && address.port() == 8080);
        assert!(resolver.known("localhost:8080").is_some());
    }

    #[tokio::test]
    async fn an_unknown_name_is_no_address() {
        assert_eq!(Resolver::default().resolve("nobody.invalid:80").await, None);
    }
}
