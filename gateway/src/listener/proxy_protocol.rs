//! The PROXY header, with which a load balancer says who its client is (versions 1 and 2
//! of `proxy-protocol.txt`).

use std::io;
use std::net::{IpAddr, SocketAddr};

use memchr::memchr;
use ppp::{v1, v2};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::facts::Addresses;
use crate::config::limits;

/// Bytes of a header of version 1, at most.
const TEXT: usize = 107;
/// Bytes of a header of version 2 that are read, with what load balancers add about TLS.
const MOST: usize = 4 * 1024;
/// Bytes of a header of version 2 before its addresses.
const START: usize = 16;

/// What a connection begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// Not whole yet.
    Partial,
    /// No header, or one that is not right.
    Junk,
    /// A whole one.
    Whole {
        /// Its bytes.
        length: usize,
        /// The client and what it connected to; none when the sender speaks for itself or does not say.
        addresses: Option<(SocketAddr, SocketAddr)>,
    },
}

/// Reads the header at the beginning of these bytes.
pub fn parse(bytes: &[u8]) -> Header {
    if begins(bytes, v2::PROTOCOL_PREFIX) {
        binary(bytes)
    } else if begins(bytes, b"PROXY ") {
        text(bytes)
    } else {
        Header::Junk
    }
}

/// Whether bytes begin with these, as far as they go.
fn begins(bytes: &[u8], with: &[u8]) -> bool {
    let length = bytes.len().min(with.len());
    bytes[..length] == with[..length]
}

fn text(bytes: &[u8]) -> Header {
    let Some(end) = memchr(b'\n', &bytes[..bytes.len().min(TEXT)]) else {
        return if bytes.len() < TEXT {
            Header::Partial
        } else {
            Header::Junk
        };
    };
    let Ok(header) = v1::Header::try_from(&bytes[..=end]) else {
        return Header::Junk;
    };
    let addresses = match header.addresses {
        v1::Addresses::Unknown => None,
        v1::Addresses::Tcp4(ip) => Some(pair(
            (ip.source_address, ip.source_port),
            (ip.destination_address, ip.destination_port),
        )),
        v1::Addresses::Tcp6(ip) => Some(pair(
            (ip.source_address, ip.source_port),
            (ip.destination_address, ip.destination_port),
        )),
    };
    Header::Whole {
        length: end + 1,
        addresses,
    }
}

fn binary(bytes: &[u8]) -> Header {
    // Its length is known before it is whole.
    let Some(&[high, low]) = bytes.get(START - 2..START) else {
        return Header::Partial;
    };
    let length = START + usize::from(u16::from_be_bytes([high, low]));
    if length > MOST {
        return Header::Junk;
    }
    let Some(whole) = bytes.get(..length) else {
        return Header::Partial;
    };
    let Ok(header) = v2::Header::try_from(whole) else {
        return Header::Junk;
    };
    let addresses = match (header.command, header.addresses) {
        (v2::Command::Proxy, v2::Addresses::IPv4(ip)) => Some(pair(
            (ip.source_address, ip.source_port),
            (ip.destination_address, ip.destination_port),
        )),
        (v2::Command::Proxy, v2::Addresses::IPv6(ip)) => Some(pair(
            (ip.source_address, ip.source_port),
            (ip.destination_address, ip.destination_port),
        )),
        _ => None,
    };
    Header::Whole { length, addresses }
}

fn pair<I: Into<IpAddr>>(source: (I, u16), destination: (I, u16)) -> (SocketAddr, SocketAddr) {
    let address = |(ip, port): (I, u16)| SocketAddr::new(ip.into().to_canonical(), port);
    (address(source), address(destination))
}

/// Takes the header off a connection, and not a byte more. The addresses are the header's, or the socket's where it has
/// none.
pub(crate) async fn take(stream: &mut TcpStream, socket: Addresses) -> io::Result<Addresses> {
    let junk = || io::Error::new(io::ErrorKind::InvalidData, "there is no PROXY header");
    let reading = async {
        let (mut header, mut piece) = (Vec::new(), [0; 512]);
        loop {
            let seen = stream.peek(&mut piece).await?;
            if seen == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let before = header.len();
            header.extend_from_slice(&piece[..seen]);
            let (take, addresses) = match parse(&header) {
                Header::Junk => return Err(junk()),
                // All that was seen is part of the header.
                Header::Partial => (seen, None),
                Header::Whole { length, addresses } => {
                    let found = addresses.map_or(socket, |(client, local)| Addresses { client, local });
                    (length.checked_sub(before).ok_or_else(junk)?, Some(found))
                }
            };
            stream.read_exact(&mut piece[..take]).await?;
            if let Some(addresses) = addresses {
                return Ok(addresses);
            }
        }
    };
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the PROXY header took too long");
    timeout(limits::PROXY_HEADER, reading).await.map_err(late)?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(length: usize, addresses: Option<(&str, &str)>) -> Header {
        let address = |text: &str| text.parse().expect("an address");
        let addresses = addresses.map(|(source, destination)| (address(source), address(destination)));
        Header::Whole { length, addresses }
    }

    fn version_2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
        bytes.extend([command, family]);
        bytes.extend(u16::try_from(payload.len()).expect("small").to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn text_headers_are_read() {
        for (text, addresses) in [
            (
                "PROXY TCP4 1.2.3.4 10.0.0.1 5000 443\r\n",
                Some(("1.2.3.4:5000", "10.0.0.1:443")),
            ),
            (
                "PROXY TCP6 2001:db8::1 ::1 5000 443\r\n",
                Some(("[2001:db8::1]:5000", "[::1]:443")),
            ),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
        ] {
            let followed = format!("{text}GET / HTTP/1.1\r\n");
            assert_eq!(parse(followed.as_bytes()), whole(text.len(), addresses), "{text:?}");
            for length in 0..text.len() {
                assert_eq!(
                    parse(&text.as_bytes()[..length]),
                    Header::Partial,
                    "{:?}",
                    &text[..length]
                );
            }
        }
    }

    #[test]
    fn binary_headers_are_read() {
        let ipv4 = [1, 2, 3, 4, 10, 0, 0, 1, 0x13, 0x88, 1, 0xbb];
        let with_more = [ipv4.as_slice(), &[4, 0, 2, 0, 0]].concat();
        for (bytes, addresses) in [
            (version_2(0x21, 0x11, &ipv4), Some(("1.2.3.4:5000", "10.0.0.1:443"))),
            (
                version_2(0x21, 0x11, &with_more),
                Some(("1.2.3.4:5000", "10.0.0.1:443")),
            ),
            (version_2(0x20, 0x00, &[]), None),
            (version_2(0x20, 0x11, &ipv4), None),
        ] {
            let followed = [bytes.as_slice(), b"GET /"].concat();
            assert_eq!(parse(&followed), whole(bytes.len(), addresses), "{bytes:?}");
            for length in 0..bytes.len() {
                assert_eq!(parse(&bytes[..length]), Header::Partial, "{length} of {bytes:?}");
            }
        }
    }

    #[test]
    fn junk_is_known_at_once() {
        for bytes in [
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".as_slice(),
            b"PROXY TCP4 1.2.3.4 10.0.0.1 5000 443\n",
            b"PROXY TCP4 1.2.3.4\r\n",
            b"PROXY TCP4 1.2.3.256 10.0.0.1 5000 443\r\n",
            b"PROXY TCP4 1.2.3.4 10.0.0.1 5000 99999\r\n",
            b"PROXY TCP9 1.2.3.4 10.0.0.1 5000 443\r\n",
            b"\x16\x03\x01\x02\0",
            &[b'a'; 200],
            &version_2(0x31, 0x11, &[0; 12]),
            &version_2(0x21, 0x11, &[0; 3]),
            &version_2(0x21, 0x11, &[0; 5_000]),
        ] {
            assert_eq!(parse(bytes), Header::Junk, "{:?}", String::from_utf8_lossy(bytes));
        }
        let endless = [b"PROXY UNKNOWN ".as_slice(), &[b'a'; 200]].concat();
        assert_eq!(parse(&endless), Header::Junk);
    }

    proptest! {
        #[test]
        fn any_bytes_have_an_end(start in prop::sample::select(vec!["", "PROXY ", "PROXY TCP4 ", "\r\n\r\n\0\r\nQUIT\n"]), bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let bytes = [start.as_bytes(), &bytes].concat();
            if let Header::Whole { length, .. } = parse(&bytes) {
                prop_assert!(length <= bytes.len());
            }
        }
    }
}
