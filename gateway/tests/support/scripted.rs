//! A service that says exactly these bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// What happens once the bytes are said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// The connection ends.
    Close,
    /// It is reset.
    Reset,
    /// It stays open, and the next request gets the same.
    Stay,
    /// Each byte comes alone, after a pause, and then nothing.
    Drip(Duration),
}

/// A service that says the same to every request.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Scripted {
    pub(crate) async fn start(bytes: impl Into<Vec<u8>>, then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let scripted = Self {
            address: listener.local_addr().expect("an address"),
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let (connections, requests) = (scripted.connections.clone(), scripted.requests.clone());
        let bytes: Arc<[u8]> = bytes.into().into();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(say(stream, bytes.clone(), then, requests.clone()));
            }
        });
        scripted
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn say(mut stream: TcpStream, bytes: Arc<[u8]>, then: Then, requests: Arc<AtomicUsize>) {
    let _ = stream.set_nodelay(true);
    while head(&mut stream).await.is_some() {
        requests.fetch_add(1, Ordering::SeqCst);
        if let Then::Drip(pause) = then {
            for byte in bytes.iter() {
                sleep(pause).await;
                if stream.write_all(&[*byte]).await.is_err() {
                    return;
                }
            }
            std::future::pending::<()>().await;
        }
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
        match then {
            Then::Close => return,
            Then::Reset => {
                let _ = stream.set_zero_linger();
                return;
            }
            Then::Stay | Then::Drip(_) => {}
        }
    }
}

/// The head of a request, read to its end.
pub(crate) async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}
