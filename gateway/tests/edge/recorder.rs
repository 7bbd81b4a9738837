//! A server that reads requests strictly, remembers them, and complains about any other byte.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A whole request that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

#[derive(Debug, Default)]
struct Record {
    seen: Vec<Seen>,
    /// Heads that began, whether or not their bodies came.
    begun: usize,
    faults: Vec<String>,
}

/// The server.
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    record: Arc<Mutex<Record>>,
}

impl Recorder {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let record = Arc::new(Mutex::new(Record::default()));
        let shared = record.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let record = shared.clone();
                tokio::spawn(async move {
                    if let Err(fault) = serve(stream, &record).await {
                        record.lock().expect("whole").faults.push(fault);
                    }
                });
            }
        });
        Self { address, record }
    }

    /// Whole requests, in the order in which they were whole.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.record.lock().expect("whole").seen.clone()
    }

    /// Requests whose head arrived.
    pub(crate) fn begun(&self) -> usize {
        self.record.lock().expect("whole").begun
    }

    /// What should not have come.
    pub(crate) fn faults(&self) -> Vec<String> {
        self.record.lock().expect("whole").faults.clone()
    }

    pub(crate) async fn wait_for(&self, begun: usize) {
        super::support::eventually(async || self.begun() >= begun).await;
    }
}

type Reader = BufReader<TcpStream>;

async fn serve(stream: TcpStream, record: &Mutex<Record>) -> Result<(), String> {
    let mut reader = BufReader::new(stream);
    while let Some((method, target)) = request_line(&mut reader).await? {
        let headers = headers(&mut reader).await?;
        record.lock().expect("whole").begun += 1;
        let early = target.contains("/early");
        if early {
            answer(&mut reader, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly").await;
        }
        if target.contains("/endless") {
            endless(&mut reader).await;
            return Ok(());
        }
        let mut seen = Seen {
            method,
            target,
            headers,
            body: Vec::new(),
        };
        let expects = seen.header("expect").is_some();
        if expects {
            answer(&mut reader, b"HTTP/1.1 100 Continue\r\n\r\n").await;
        }
        let whole = body(&mut reader, &mut seen).await?;
        if !whole {
            return Ok(());
        }
        let switches = seen.header("upgrade").is_some() && !seen.target.contains("/refuses");
        record.lock().expect("whole").seen.push(seen);
        if switches {
            answer(
                &mut reader,
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            )
            .await;
            echo(&mut reader).await;
            return Ok(());
        }
        if !early {
            answer(&mut reader, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        }
    }
    Ok(())
}

async fn answer(reader: &mut Reader, bytes: &[u8]) {
    // The gateway may be gone; then the test says so.
    let _ = reader.get_mut().write_all(bytes).await;
}

async fn endless(reader: &mut Reader) {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    answer(reader, head).await;
    let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 0x10000], b"\r\n"].concat();
    while reader.get_mut().write_all(&chunk).await.is_ok() {}
}

async fn echo(reader: &mut Reader) {
    let mut piece = [0; 1024];
    while let Ok(count @ 1..) = reader.read(&mut piece).await {
        answer(reader, &piece[..count]).await;
    }
}

/// A line without its end; none at the end of the connection.
async fn line(reader: &mut Reader) -> Result<Option<String>, String> {
    let mut bytes = Vec::new();
    if reader.read_until(b'\n', &mut bytes).await.unwrap_or(0) == 0 {
        return Ok(None);
    }
    let Some(line) = bytes.strip_suffix(b"\r\n") else {
        // A connection may end in the midst of a line, but no line may end otherwise.
        return if bytes.ends_with(b"\n") {
            Err(format!("a bare line feed after {bytes:?}"))
        } else {
            Ok(None)
        };
    };
    // Letters beyond ASCII are allowed in values, and only there.
    let plain = line.iter().all(|byte| !byte.is_ascii_control() || *byte == b'\t');
    let text = String::from_utf8_lossy(line).into_owned();
    if plain {
        Ok(Some(text))
    } else {
        Err(format!("odd bytes in {text:?}"))
    }
}

async fn request_line(reader: &mut Reader) -> Result<Option<(String, String)>, String> {
    let Some(text) = line(reader).await? else {
        return Ok(None);
    };
    match text.split(' ').collect::<Vec<_>>().as_slice() {
        [method, target, "HTTP/1.1"] if text.is_ascii() && (target.starts_with('/') || *target == "*") => {
            Ok(Some(((*method).to_owned(), (*target).to_owned())))
        }
        _ => Err(format!("no request line: {text:?}")),
    }
}

async fn headers(reader: &mut Reader) -> Result<Vec<(String, String)>, String> {
    let mut headers = Vec::new();
    while let Some(text) = line(reader).await? {
        if text.is_empty() {
            let count = |name: &str| headers.iter().filter(|(known, _)| known == name).count();
            let framings = count("content-length") + count("transfer-encoding");
            if count("host") != 1 || framings > 1 {
                return Err(format!("{} hosts and {framings} framings: {headers:?}", count("host")));
            }
            return Ok(headers);
        }
        let (name, value) = text
            .split_once(": ")
            .or_else(|| text.split_once(':'))
            .ok_or_else(|| format!("no header: {text:?}"))?;
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(token) {
            return Err(format!("no header: {text:?}"));
        }
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    Err("a head without an end".to_owned())
}

/// Reads the body; whether it was whole.
async fn body(reader: &mut Reader, seen: &mut Seen) -> Result<bool, String> {
    if let Some(length) = seen.header("content-length") {
        let length: usize = length.parse().map_err(|_| format!("a length of {length:?}"))?;
        seen.body = vec![0; length];
        return Ok(reader.read_exact(&mut seen.body).await.is_ok());
    }
    match seen.header("transfer-encoding") {
        None => return Ok(true),
        Some("chunked") => {}
        Some(other) => return Err(format!("a coding {other:?}")),
    }
    loop {
        let Some(size) = line(reader).await? else {
            return Ok(false);
        };
        let size = usize::from_str_radix(&size, 16).map_err(|_| format!("a chunk of {size:?}"))?;
        let mut chunk = vec![0; size];
        if reader.read_exact(&mut chunk).await.is_err() {
            return Ok(false);
        }
        seen.body.extend(chunk);
        match line(reader).await?.as_deref() {
            None => return Ok(false),
            Some("") if size == 0 => return Ok(true),
            Some("") => {}
            Some(other) => return Err(format!("{other:?} after a chunk")),
        }
    }
}
