//! Who a request is from when proxies stand before us.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// Of the addresses in `X-Forwarded-For` and the peer's, the rightmost one that is not a trusted proxy. Anything left of it
/// could have been made up.
pub fn client(peer: IpAddr, forwarded_for: &[&str], trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |ip: IpAddr| trusted.iter().any(|network| network.contains(&ip));
    let mut client = peer.to_canonical();
    for hop in forwarded_for.iter().rev().flat_map(|value| value.rsplit(',')) {
        if !is_trusted(client) {
            return client;
        }
        let Some(ip) = address(hop.trim()) else { return client };
        client = ip;
    }
    client
}

/// An address, perhaps with a port and IPv6 in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let plain = text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let found = plain.or_else(with_port).or_else(bracketed);
    found.map(|ip: IpAddr| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"]
            .iter()
            .map(|network| network.parse().expect("a network"))
            .collect();
        for (peer, forwarded, wanted) in [
            ("203.0.113.9", &["192.0.2.1"][..], "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["192.0.2.9, 192.0.2.1, 10.0.0.7"], "192.0.2.1"),
            ("10.0.0.1", &["192.0.2.9", "192.0.2.1"], "192.0.2.1"),
            ("::ffff:10.0.0.1", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("fd00::1", &["[2001:db8::2]"], "2001:db8::2"),
            ("10.0.0.1", &["192.0.2.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.1, unknown, 10.0.0.2"], "10.0.0.2"),
        ] {
            let found = client(peer.parse().expect("an address"), forwarded, &trusted);
            assert_eq!(found.to_string(), wanted, "{peer} {forwarded:?}");
        }
    }
}
