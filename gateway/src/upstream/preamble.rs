//! What tells a target who its client is, before anything else: the PROXY protocol, versions 1 and 2, as described in
//! `doc/proxy-protocol.txt` of `HAProxy`.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use bytes::{BufMut as _, Bytes, BytesMut};
use model::service::ProxyProtocol;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2, and that the connection is for somebody.
const PROXY: u8 = 0x21;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

/// The header for a connection between these two; none when the service wants none.
pub(crate) fn header(version: ProxyProtocol, client: SocketAddr, local: SocketAddr) -> Option<Bytes> {
    let ends = Ends::of(client, local);
    match version {
        ProxyProtocol::Off => None,
        ProxyProtocol::V1 => Some(ends.text()),
        ProxyProtocol::V2 => Some(ends.binary()),
    }
}

/// Two addresses of one family.
struct Ends {
    ips: (IpAddr, IpAddr),
    ports: (u16, u16),
}

impl Ends {
    fn of(client: SocketAddr, local: SocketAddr) -> Self {
        let ips = match (client.ip().to_canonical(), local.ip().to_canonical()) {
            (IpAddr::V4(client), IpAddr::V4(local)) => (client.into(), local.into()),
            (client, local) => (wide(client).into(), wide(local).into()),
        };
        Self {
            ips,
            ports: (client.port(), local.port()),
        }
    }

    fn text(&self) -> Bytes {
        let family = if self.ips.0.is_ipv4() { "TCP4" } else { "TCP6" };
        let ((client, local), (from, to)) = (self.ips, self.ports);
        format!("PROXY {family} {client} {local} {from} {to}\r\n").into()
    }

    fn binary(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(52);
        bytes.put_slice(SIGNATURE);
        bytes.put_u8(PROXY);
        match self.ips {
            (IpAddr::V4(client), IpAddr::V4(local)) => {
                bytes.put_u8(TCP4);
                bytes.put_u16(12);
                bytes.put_slice(&client.octets());
                bytes.put_slice(&local.octets());
            }
            (client, local) => {
                bytes.put_u8(TCP6);
                bytes.put_u16(36);
                bytes.put_slice(&wide(client).octets());
                bytes.put_slice(&wide(local).octets());
            }
        }
        bytes.put_u16(self.ports.0);
        bytes.put_u16(self.ports.1);
        bytes.freeze()
    }
}

fn wide(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(version: ProxyProtocol, client: &str, local: &str) -> Option<Bytes> {
        header(
            version,
            client.parse().expect("an address"),
            local.parse().expect("an address"),
        )
    }

    #[test]
    fn version_1_is_a_line() {
        let line = told(ProxyProtocol::V1, "[::ffff:203.0.113.9]:4711", "10.0.0.1:443").expect("a line");
        assert_eq!(&line[..], b"PROXY TCP4 203.0.113.9 10.0.0.1 4711 443\r\n");
        let line = told(ProxyProtocol::V1, "[2001:db8::1]:4711", "[2001:db8::2]:443").expect("a line");
        assert_eq!(&line[..], b"PROXY TCP6 2001:db8::1 2001:db8::2 4711 443\r\n");
        assert_eq!(told(ProxyProtocol::Off, "1.1.1.1:1", "1.1.1.1:2"), None);
    }

    #[test]
    fn version_2_is_binary() {
        let bytes = told(ProxyProtocol::V2, "203.0.113.9:4711", "10.0.0.1:443").expect("a header");
        let wanted = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\x0a\0\0\x01\x12\x67\x01\xbb";
        assert_eq!(&bytes[..], wanted);
        let bytes = told(ProxyProtocol::V2, "[2001:db8::1]:1", "10.0.0.1:2").expect("a header");
        assert_eq!((bytes.len(), bytes[13], &bytes[14..16]), (52, 0x21, &b"\0\x24"[..]));
    }
}
