//! HTTP/2 by hand: frames with any content, and what comes back.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(crate) const DATA: u8 = 0x0;
pub(crate) const HEADERS: u8 = 0x1;
pub(crate) const PRIORITY: u8 = 0x2;
pub(crate) const RST_STREAM: u8 = 0x3;
pub(crate) const SETTINGS: u8 = 0x4;
pub(crate) const PING: u8 = 0x6;
pub(crate) const GOAWAY: u8 = 0x7;
pub(crate) const WINDOW_UPDATE: u8 = 0x8;
pub(crate) const CONTINUATION: u8 = 0x9;
pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;

/// A frame.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn new(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Self {
        Self {
            kind,
            flags,
            stream,
            payload: payload.to_vec(),
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).expect("small").to_be_bytes();
        let mut bytes = length[1..].to_vec();
        bytes.extend([self.kind, self.flags]);
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }
}

/// Headers in their longest form (RFC 7541, section 6.2.2): no table, no compression, any bytes.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        string(&mut bytes, name);
        string(&mut bytes, value);
    }
    bytes
}

fn string(bytes: &mut Vec<u8>, text: &str) {
    let length = text.len();
    if length < 127 {
        bytes.push(u8::try_from(length).expect("small"));
    } else {
        bytes.push(127);
        let mut rest = length - 127;
        while rest >= 128 {
            bytes.push(u8::try_from(rest % 128).expect("small") | 128);
            rest /= 128;
        }
        bytes.push(u8::try_from(rest).expect("small"));
    }
    bytes.extend(text.as_bytes());
}

/// A request's headers, with changes: a field of the same name is replaced, another one is added.
pub(crate) fn get(path: &str) -> Vec<(&str, &str)> {
    vec![
        (":method", "GET"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "a.example"),
    ]
}

/// How a stream, or the whole connection, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// An answer; 0 when its status is not in the static table.
    Status(u16),
    /// The stream was reset.
    Reset,
    /// The connection ends, with this code.
    GoAway(u32),
    /// The connection ended without a word.
    Closed,
}

/// An HTTP/2 connection.
pub(crate) struct Connection {
    stream: TcpStream,
}

impl Connection {
    /// Connects without asking before.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let mut stream = super::client::connect(address).await;
        let start = [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            Frame::new(SETTINGS, 0, 0, &[]).bytes(),
        ]
        .concat();
        stream.write_all(&start).await.expect("written");
        Self { stream }
    }

    /// Sends bytes; the gateway may have closed by then.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// The next frame; none at the end.
    pub(crate) async fn receive(&mut self) -> Option<Frame> {
        let reading = async {
            let mut header = [0; 9];
            self.stream.read_exact(&mut header).await.ok()?;
            let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| (number << 8) | u32::from(*byte));
            let mut payload = vec![0; usize::try_from(number(&header[..3])).expect("small")];
            self.stream.read_exact(&mut payload).await.ok()?;
            Some(Frame {
                kind: header[3],
                flags: header[4],
                stream: number(&header[5..]),
                payload,
            })
        };
        timeout(Duration::from_secs(20), reading)
            .await
            .expect("a frame or the end")
    }

    /// How the first stream ended.
    pub(crate) async fn end(&mut self) -> End {
        while let Some(frame) = self.receive().await {
            match frame.kind {
                HEADERS => return End::Status(status(&frame.payload)),
                RST_STREAM => return End::Reset,
                GOAWAY => return End::GoAway(u32::from_be_bytes(frame.payload[4..8].try_into().expect("four"))),
                _ => {}
            }
        }
        End::Closed
    }

    /// How the connection ended; answers are passed over.
    pub(crate) async fn last_words(&mut self) -> End {
        loop {
            match self.end().await {
                End::Status(_) | End::Reset => {}
                end => return end,
            }
        }
    }
}

/// The status in a block of headers: an index of the static table, or letters.
fn status(block: &[u8]) -> u16 {
    // Updates of the table's size come first.
    let block = block
        .iter()
        .position(|byte| byte & 0xe0 != 0x20)
        .map_or(block, |start| &block[start..]);
    match block {
        [index @ 0x88..=0x8e, ..] => [200, 204, 206, 304, 400, 404, 500][usize::from(index - 0x88)],
        _ => 0,
    }
}
