//! The name that a TLS client asks for, read before anybody answers its handshake.

use std::io;
use std::time::Duration;

use rustls::server::Acceptor;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// How long a client may take to say what it wants.
const DEADLINE: Duration = Duration::from_secs(5);
/// The most bytes of a first message.
const LONGEST: usize = 16 * 1024;
/// Between two looks at a message that is not complete.
const LOOK: Duration = Duration::from_millis(10);
/// The first byte of a handshake (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 0x16;

/// How a connection begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hello {
    /// With a TLS handshake, for this name.
    Tls(Option<String>),
    /// With something else, or not at all in time.
    Other,
}

/// How a connection begins. What was read stays in it.
pub(crate) async fn peek(stream: &TcpStream) -> io::Result<Hello> {
    timeout(DEADLINE, look(stream)).await.unwrap_or(Ok(Hello::Other))
}

async fn look(stream: &TcpStream) -> io::Result<Hello> {
    let mut bytes = vec![0; LONGEST];
    let mut before = 0;
    loop {
        let count = stream.peek(&mut bytes).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if count > before {
            if let Some(hello) = read(&bytes[..count]) {
                return Ok(hello);
            }
            before = count;
        }
        sleep(LOOK).await;
    }
}

/// What these first bytes say; none when more are needed.
fn read(bytes: &[u8]) -> Option<Hello> {
    if bytes.first() != Some(&HANDSHAKE) {
        return Some(Hello::Other);
    }
    let mut acceptor = Acceptor::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        match acceptor.read_tls(&mut rest) {
            Ok(count) if count > 0 => {}
            _ => return Some(Hello::Other),
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => {
                let name = accepted.client_hello().server_name().map(str::to_ascii_lowercase);
                return Some(Hello::Tls(name));
            }
            Ok(None) => {}
            Err(_) => return Some(Hello::Other),
        }
    }
    (bytes.len() >= LONGEST).then_some(Hello::Other)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::crypto::ring;
    use rustls::{ClientConfig, ClientConnection, RootCertStore};

    use super::*;

    fn hello(name: &'static str) -> Vec<u8> {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let mut client = ClientConnection::new(Arc::new(config), name.try_into().expect("a name")).expect("a client");
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).expect("written");
        bytes
    }

    #[test]
    fn the_name_is_read_from_a_whole_hello_and_no_sooner() {
        let bytes = hello("Db.Example");
        assert_eq!(read(&bytes), Some(Hello::Tls(Some("db.example".into()))));
        for count in 1..bytes.len() {
            assert_eq!(read(&bytes[..count]), None, "{count} of {}", bytes.len());
        }
        assert_eq!(read(&hello("10.0.0.1")), Some(Hello::Tls(None)));
    }

    #[test]
    fn what_is_no_hello_is_something_else() {
        let endless = [&[HANDSHAKE, 3, 1, 0x3f, 0xff, 1, 0, 0x3f, 0xfb][..], &[0; LONGEST]].concat();
        for bytes in [
            &b"GET / HTTP/1.1"[..],
            b"\x16\x03\x01\0\x05\x02\0\0\x01\0",
            &endless[..LONGEST],
        ] {
            assert_eq!(read(bytes), Some(Hello::Other), "{}", bytes[..10].escape_ascii());
        }
    }
}
