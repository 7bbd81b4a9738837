//! Smooth weighted round robin: each gets its share, and shares are spread evenly instead of coming in bursts.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};

/// One target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `host:port`.
    pub address: String,
    /// Where it is, when the host is an IP address.
    pub socket: Option<SocketAddr>,
    /// Its share relative to the others.
    pub weight: u16,
}

impl Endpoint {
    /// Reads `host:port`.
    pub fn new(address: &str, weight: u16) -> Self {
        let socket = address.rsplit_once(':').and_then(|(host, port)| {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            Some(SocketAddr::new(host.parse::<IpAddr>().ok()?, port.parse().ok()?))
        });
        Self {
            address: address.to_owned(),
            socket,
            weight,
        }
    }
}

/// The targets of one service.
#[derive(Debug)]
pub struct Pool {
    endpoints: Vec<Endpoint>,
    /// What each has saved up since it was last chosen.
    credits: Mutex<Vec<i64>>,
}

impl Pool {
    /// A pool of these.
    pub fn new(endpoints: Vec<Endpoint>) -> Self {
        let credits = Mutex::new(vec![0; endpoints.len()]);
        Self { endpoints, credits }
    }

    /// The targets.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The next target that is not among those tried already; when all were, the next one anyway.
    pub fn pick(&self, tried: &[String]) -> Option<&Endpoint> {
        if let [only] = self.endpoints.as_slice() {
            return Some(only);
        }
        let mut credits = self.credits.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |endpoint: &Endpoint| !tried.contains(&endpoint.address);
        let any_fresh = self.endpoints.iter().any(fresh);
        let mut total = 0;
        let mut best: Option<usize> = None;
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            if any_fresh && !fresh(endpoint) {
                continue;
            }
            total += i64::from(endpoint.weight);
            credits[index] += i64::from(endpoint.weight);
            if best.is_none_or(|best| credits[index] > credits[best]) {
                best = Some(index);
            }
        }
        let best = best?;
        credits[best] -= total;
        self.endpoints.get(best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pool(weights: &[u16]) -> Pool {
        Pool::new(
            weights
                .iter()
                .enumerate()
                .map(|(at, weight)| Endpoint::new(&format!("10.0.0.{at}:80"), *weight))
                .collect(),
        )
    }

    #[test]
    fn shares_are_spread_and_not_in_bursts() {
        let pool = pool(&[5, 1, 1]);
        let order: String = (0..7)
            .filter_map(|_| pool.pick(&[]))
            .map(|endpoint| endpoint.address.as_bytes()[7] as char)
            .collect();
        assert_eq!(order, "0010200");
    }

    #[test]
    fn a_tried_target_is_not_tried_again_while_there_is_another() {
        let pool = pool(&[1, 1]);
        let first = pool.pick(&[]).expect("one").address.clone();
        for _ in 0..10 {
            assert_ne!(pool.pick(std::slice::from_ref(&first)).expect("one").address, first);
        }
        let both = ["10.0.0.0:80".to_owned(), "10.0.0.1:80".to_owned()];
        assert!(pool.pick(&both).is_some());
        assert!(Pool::new(Vec::new()).pick(&[]).is_none());
    }

    #[test]
    fn ip_addresses_need_no_look_up() {
        assert!(Endpoint::new("[::1]:80", 1).socket.is_some());
        assert!(Endpoint::new("api.internal:80", 1).socket.is_none());
    }

    proptest! {
        #[test]
        fn over_a_whole_round_each_gets_exactly_its_share(weights in prop::collection::vec(1_u16..20, 1..6)) {
            let pool = pool(&weights);
            let round: usize = weights.iter().map(|weight| usize::from(*weight)).sum();
            let mut counts = vec![0; weights.len()];
            for _ in 0..round {
                let picked = pool.pick(&[]).expect("one");
                counts[pool.endpoints().iter().position(|endpoint| endpoint == picked).expect("in it")] += 1;
            }
            prop_assert!(weights.len() == 1 || counts.iter().zip(&weights).all(|(count, weight)| count == weight));
        }
    }
}
