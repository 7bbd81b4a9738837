//! `healthcheck`: for containers, which have no curl.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long the whole question may take.
const DEADLINE: Duration = Duration::from_secs(3);

/// Asks one address for a path.
#[derive(Debug, Args)]
pub(super) struct Healthcheck {
    /// Where to ask; default is the status address of a gateway.
    #[arg(
        long,
        env = "GATEHOUSE_STATUS_LISTEN",
        value_parser = crate::settings::address,
        default_value = "127.0.0.1:8100",
        value_name = "ADDRESS"
    )]
    address: SocketAddr,
    /// What to ask for.
    #[arg(long, default_value = "/readyz", value_name = "PATH")]
    path: String,
}

impl Healthcheck {
    pub(super) async fn run(mut self) -> Result<()> {
        if self.address.ip().is_unspecified() {
            self.address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        let answer = timeout(DEADLINE, self.ask()).await;
        let status = answer.with_context(|| format!("no answer from {} within {DEADLINE:?}", self.address))??;
        if status != "200" {
            bail!("{} answers {status} to {}", self.address, self.path);
        }
        Ok(())
    }

    async fn ask(&self) -> Result<String> {
        let mut stream = TcpStream::connect(self.address)
            .await
            .with_context(|| format!("nobody listens on {}", self.address))?;
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.path, self.address
        );
        stream.write_all(request.as_bytes()).await?;
        // The status line is all that counts: `HTTP/1.1 200 OK`.
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.context("the answer ends early")?;
        Ok(String::from_utf8_lossy(&head[9..]).into_owned())
    }
}
