//! Where a target is: at an address, or at those that a name has now.

use std::net::{IpAddr, SocketAddr};

/// An address, or a question whose answers are addresses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// This address.
    Socket(SocketAddr),
    /// The A and AAAA records of a name, with this port.
    Host(String, u16),
    /// The SRV records of a name.
    Srv(String),
}

/// An address that a name has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The address.
    pub socket: SocketAddr,
    /// Its share relative to the others of the name.
    pub weight: u32,
}

impl Place {
    /// Reads `host:port`, IPv6 in brackets, or `srv:` and a name.
    pub fn of(address: &str) -> Option<Self> {
        if let Some(name) = address.strip_prefix("srv:") {
            return Some(Self::Srv(name.to_owned()));
        }
        let (host, port) = address.rsplit_once(':')?;
        let port = port.parse().ok()?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Some(match host.parse::<IpAddr>() {
            Ok(ip) => Self::Socket(SocketAddr::new(ip, port)),
            Err(_) => Self::Host(host.to_ascii_lowercase(), port),
        })
    }

    /// The name that is looked up.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Socket(_) => None,
            Self::Host(name, _) | Self::Srv(name) => Some(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ip_addresses_need_no_look_up() {
        let socket = |text: &str| Some(Place::Socket(text.parse().expect("an address")));
        assert_eq!(Place::of("[::1]:80"), socket("[::1]:80"));
        assert_eq!(Place::of("10.0.0.1:80"), socket("10.0.0.1:80"));
        assert_eq!(
            Place::of("Api.internal:80"),
            Some(Place::Host("api.internal".into(), 80))
        );
        assert_eq!(Place::of("srv:_http._tcp.x"), Some(Place::Srv("_http._tcp.x".into())));
        assert_eq!(Place::of("api.internal"), None);
    }
}
