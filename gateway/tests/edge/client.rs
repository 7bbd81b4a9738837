//! A client that sends any bytes and reads every answer.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came back on one connection.
#[derive(Debug)]
pub(crate) struct Conversation {
    /// The status of each answer but interim ones.
    pub(crate) statuses: Vec<u16>,
    /// All of it, for messages.
    pub(crate) text: String,
}

/// Sends bytes, in one piece, and reads until the gateway closes.
pub(crate) async fn converse(address: SocketAddr, bytes: &[u8]) -> Conversation {
    let mut stream = connect(address).await;
    // The gateway may close before it has read all of it.
    let _ = stream.write_all(bytes).await;
    conversation(&mut stream).await
}

pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.expect("connected");
    stream.set_nodelay(true).expect("an option");
    stream
}

/// Reads to the end of the connection.
pub(crate) async fn conversation(stream: &mut TcpStream) -> Conversation {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    assert!(
        read.is_ok(),
        "the connection stays open after {:?}",
        String::from_utf8_lossy(&bytes)
    );
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Conversation {
        statuses: statuses(&bytes),
        text,
    }
}

/// Reads until this text has come.
pub(crate) async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&bytes).contains(end) {
            let mut piece = [0; 1024];
            let count = stream.read(&mut piece).await.expect("readable");
            assert!(count > 0, "closed after {:?}", String::from_utf8_lossy(&bytes));
            bytes.extend_from_slice(&piece[..count]);
        }
    };
    timeout(PATIENCE, reading).await.expect("in time");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn statuses(mut bytes: &[u8]) -> Vec<u16> {
    let mut statuses = Vec::new();
    while let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let status: u16 = head
            .get(9..12)
            .and_then(|code| code.parse().ok())
            .unwrap_or_else(|| panic!("no answer: {head:?}"));
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        bytes = &bytes[(end + 4 + length.unwrap_or(0)).min(bytes.len())..];
        if status >= 200 {
            statuses.push(status);
        }
    }
    statuses
}
