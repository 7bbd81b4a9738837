//! The gateway as clients of an API see it.

use std::net::SocketAddr;

use reqwest::redirect::Policy;
use reqwest::{Client, Method};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Answer, Call};
use crate::SOON;

/// The proxy port of one gateway.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    /// Where it is.
    pub(crate) address: SocketAddr,
    client: Client,
}

impl Proxy {
    /// The gateway that listens there.
    pub(crate) fn new(address: SocketAddr) -> Self {
        let client = Client::builder().redirect(Policy::none()).build();
        Self {
            address,
            client: client.expect("a client"),
        }
    }

    /// A request.
    pub(crate) fn call(&self, method: &str, target: &str) -> Call {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        Call(self.client.request(method, format!("http://{}{target}", self.address)))
    }

    /// GET.
    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.call("GET", target).send().await
    }

    /// GET with a key.
    pub(crate) async fn get_with_key(&self, target: &str, key: &str) -> Answer {
        self.call("GET", target).header("x-api-key", key).send().await
    }

    /// Sends bytes as they are and reads until the gateway closes.
    pub(crate) async fn raw(&self, request: &str) -> String {
        let talking = async {
            let mut stream = TcpStream::connect(self.address).await.expect("a connection");
            stream.write_all(request.as_bytes()).await.expect("sent");
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.expect("read");
            String::from_utf8_lossy(&answer).into_owned()
        };
        timeout(SOON, talking).await.expect("an answer in time")
    }
}
