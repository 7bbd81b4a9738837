//! Where a route's clients may come from.

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

/// A network of client addresses. IPv4 addresses that are written inside IPv6 are IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SourceNetwork(IpNet);

impl SourceNetwork {
    /// Reads an address or a network; the error is a sentence for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let network = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address),
            Err(_) => text
                .parse::<IpNet>()
                .map_err(|_| "must be an address or a network, such as `10.0.0.7` or `10.0.0.0/8`")?,
        };
        Ok(Self(without_mapping(network).trunc()))
    }

    /// Whether an address belongs to it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// How many bits it fixes; a longer one is the more specific.
    pub fn prefix_length(&self) -> u8 {
        self.0.prefix_len()
    }

    /// Whether every address of `other` belongs to it.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.0.contains(&other.0)
    }
}

fn without_mapping(network: IpNet) -> IpNet {
    let IpAddr::V4(address) = network.addr().to_canonical() else {
        return network;
    };
    let length = network.prefix_len() - (network.max_prefix_len() - 32).min(network.prefix_len());
    match (network, Ipv4Net::new(address, length)) {
        (IpNet::V6(mapped), Ok(inner)) if mapped.prefix_len() >= 96 => IpNet::V4(inner),
        _ => network,
    }
}

impl fmt::Display for SourceNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            write!(f, "{}", self.0.addr())
        } else {
            write!(f, "{}", self.0)
        }
    }
}

impl TryFrom<String> for SourceNetwork {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<SourceNetwork> for String {
    fn from(network: SourceNetwork) -> Self {
        network.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_one_form() {
        for (text, expected) in [
            ("10.1.2.3", "10.1.2.3"),
            ("10.1.2.3/32", "10.1.2.3"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("::ffff:10.1.2.3", "10.1.2.3"),
            ("::ffff:10.1.2.3/104", "10.0.0.0/8"),
            ("2001:DB8::1/32", "2001:db8::/32"),
            ("::/0", "::/0"),
            ("0.0.0.0/0", "0.0.0.0/0"),
        ] {
            assert_eq!(SourceNetwork::parse(text).expect(text).to_string(), expected);
        }
        for text in ["", "10.0.0.0/33", "10.0.0", "example.com", "10.0.0.1:80", "10.0.0.0/8 "] {
            assert!(SourceNetwork::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_in_its_mapped_form_is_the_same_address() {
        let network = SourceNetwork::parse("10.0.0.0/8").expect("a network");
        assert!(network.contains("::ffff:10.9.9.9".parse().expect("an address")));
        assert!(!network.contains("::a09:909".parse().expect("an address")));
    }
}
