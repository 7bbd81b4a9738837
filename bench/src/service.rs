//! The service behind the proxies: answers at once with as many bytes as the last part of the path says.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The answers that are ready, by the size of their bodies.
const SIZES: [usize; 3] = [1024, 100 * 1024, 10 * 1024 * 1024];

type Answers = Arc<HashMap<usize, Vec<u8>>>;

/// Serves on a free port, in a thread of its own, as long as the program runs.
pub(crate) fn start() -> Result<SocketAddr> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || runtime.block_on(serve(listener)));
    Ok(address)
}

async fn serve(listener: std::net::TcpListener) -> Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let answers: Answers = Arc::new(SIZES.into_iter().map(|size| (size, answer(size))).collect());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(converse(stream, answers.clone()));
    }
}

fn answer(size: usize) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {size}\r\n\r\n");
    let mut answer = head.into_bytes();
    answer.resize(answer.len() + size, b'x');
    answer
}

async fn converse(mut stream: TcpStream, answers: Answers) -> Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    let mut filled = 0;
    loop {
        let count = stream.read(&mut buffer[filled..]).await?;
        if count == 0 {
            return Ok(());
        }
        filled += count;
        if !buffer[..filled].ends_with(b"\r\n\r\n") {
            continue;
        }
        let size = size(&buffer[..filled]);
        filled = 0;
        if let Some(answer) = answers.get(&size).or_else(|| answers.get(&SIZES[0])) {
            stream.write_all(answer).await?;
        }
    }
}

/// The number at the end of the path.
fn size(head: &[u8]) -> usize {
    let target = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    let last = target.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    std::str::from_utf8(last)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(SIZES[0])
}
