//! Which addresses targets may have. Whoever may write services must not reach through the gateway what only the machine
//! itself shall reach: the metadata of its cloud, its link, and Gatehouse's own inner ports.
//!
//! What is checked is the address that is connected to, whoever named it: a URL, a target, or an answer of DNS.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::str::FromStr;

use ipnet::IpNet;

/// Where clouds answer their machines, beside the link-local addresses: AWS and Google over IPv6, Alibaba, Azure.
const METADATA: [IpAddr; 4] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
];

/// The rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Where Gatehouse itself listens for those who look after it, and where its database is.
    pub own: Vec<SocketAddr>,
    /// Networks that no target may be in.
    pub denied: Vec<IpNet>,
    /// What may be reached whatever the rest says.
    pub allowed: Vec<Exception>,
}

/// A network, or one port in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exception {
    network: IpNet,
    port: Option<u16>,
}

impl Reach {
    /// Why a target may not have this address; none when it may.
    pub fn refuses(&self, socket: SocketAddr) -> Option<&'static str> {
        let ip = plain(socket.ip());
        let allows = |exception: &Exception| {
            exception.network.contains(&ip) && exception.port.is_none_or(|port| port == socket.port())
        };
        if self.allowed.iter().any(allows) {
            return None;
        }
        if self.denied.iter().any(|network| network.contains(&ip)) {
            return Some("its network is denied");
        }
        let own = |listener: &SocketAddr| listener.port() == socket.port() && is_at(plain(listener.ip()), ip);
        if self.own.iter().any(own) {
            return Some("it is a port of Gatehouse itself");
        }
        special(ip)
    }
}

/// What is never the address of a service.
fn special(ip: IpAddr) -> Option<&'static str> {
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    if link_local {
        Some("it is link-local, where clouds tell machines their secrets")
    } else if METADATA.contains(&ip) {
        Some("a cloud tells machines their secrets there")
    } else if ip.is_multicast() || broadcast {
        Some("it is no address of one machine")
    } else {
        None
    }
}

/// The address that is meant in the end: IPv4 has other forms within IPv6 (RFC 4291, RFC 6052), and the unspecified address
/// is this machine.
fn plain(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = ip.to_canonical() else {
        return this_machine(ip.to_canonical());
    };
    let [0x0064, 0xff9b, 0, 0, 0, 0, high, low] = six.segments() else {
        return this_machine(IpAddr::V6(six));
    };
    let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
    this_machine(IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
}

fn this_machine(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        other => other,
    }
}

/// Whether a listener takes connections to an address: it is its own, or both are this machine. A listener on all addresses
/// counts as one on the loopback address here, and all of 127.0.0.0/8 is this machine.
fn is_at(listener: IpAddr, ip: IpAddr) -> bool {
    listener == ip || (listener.is_loopback() && (ip.is_loopback() || is_own(ip)))
}

/// Whether an address is one of this machine's; nothing is sent.
fn is_own(ip: IpAddr) -> bool {
    let any: SocketAddr = match ip {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let from = UdpSocket::bind(any).and_then(|socket| {
        socket.connect((ip, 9))?;
        socket.local_addr()
    });
    from.is_ok_and(|from| from.ip() == ip)
}

impl FromStr for Exception {
    type Err = String;

    /// Reads a network, an address, or an address with a port.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(socket) = text.parse::<SocketAddr>() {
            return Ok(Self {
                network: plain(socket.ip()).into(),
                port: Some(socket.port()),
            });
        }
        let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        let network = network.map_err(|_| "is no network like 10.0.0.0/8, no address, and no address with a port")?;
        Ok(Self { network, port: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(reach: &Reach, address: &str) -> bool {
        reach.refuses(address.parse().expect("an address")).is_some()
    }

    #[test]
    fn what_tells_secrets_is_refused_in_every_form_of_its_address() {
        let reach = Reach::default();
        for address in [
            "169.254.169.254:80",
            "169.254.0.1:8080",
            "[::ffff:169.254.169.254]:80",
            "[::ffff:a9fe:a9fe]:80",
            "[64:ff9b::a9fe:a9fe]:80",
            "[fe80::1]:80",
            "[fd00:ec2::254]:80",
            "100.100.100.200:80",
            "168.63.129.16:80",
            "224.0.0.1:80",
            "255.255.255.255:80",
            "[ff02::1]:80",
        ] {
            assert!(refused(&reach, address), "{address}");
        }
        for address in [
            "127.0.0.1:80",
            "[::1]:80",
            "10.0.0.1:80",
            "192.168.1.1:80",
            "100.100.100.201:80",
            "93.184.215.14:80",
            "[2001:db8::1]:80",
            "[64:ff9b::a00:1]:80",
        ] {
            assert!(!refused(&reach, address), "{address}");
        }
    }

    #[test]
    fn own_ports_are_refused_by_every_name_of_this_machine() {
        let own = |address: &str| Reach {
            own: vec![address.parse().expect("an address")],
            ..Reach::default()
        };
        for listener in ["127.0.0.1:8001", "0.0.0.0:8001", "[::]:8001"] {
            for address in [
                "127.0.0.1:8001",
                "127.9.9.9:8001",
                "0.0.0.0:8001",
                "[::ffff:127.0.0.1]:8001",
                "[::1]:8001",
            ] {
                assert!(refused(&own(listener), address), "{listener} {address}");
            }
            for address in ["127.0.0.1:8002", "10.255.255.1:8001"] {
                assert!(!refused(&own(listener), address), "{listener} {address}");
            }
        }
        assert!(refused(&own("10.255.255.1:8001"), "10.255.255.1:8001"));
        assert!(!refused(&own("10.255.255.1:8001"), "127.0.0.1:8001"));
    }

    #[test]
    fn exceptions_win_and_may_be_one_port() {
        let reach = Reach {
            own: vec!["127.0.0.1:8001".parse().expect("an address")],
            denied: vec!["127.0.0.0/8".parse().expect("a network")],
            allowed: ["127.0.0.1:8001", "127.0.0.2", "169.254.8.0/24"]
                .map(|text| text.parse().expect("an exception"))
                .to_vec(),
        };
        for (address, expected) in [
            ("127.0.0.1:8001", false),
            ("127.0.0.1:8002", true),
            ("127.0.0.2:5", false),
            ("[::ffff:127.0.0.3]:5", true),
            ("169.254.8.9:80", false),
            ("169.254.169.254:80", true),
        ] {
            assert_eq!(refused(&reach, address), expected, "{address}");
        }
        assert!("10.0.0.0/40".parse::<Exception>().is_err() && "db.internal".parse::<Exception>().is_err());
    }
}
