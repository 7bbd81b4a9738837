//! Checks that the gateway makes by itself: one question to one target.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use model::upstream::{ActiveHealth, CheckKind};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::check_tls::CheckTls;

/// The most bytes of an answer that are read to find its status.
const STATUS_LINE: usize = 1_024;
/// The most bytes of an answer of the health protocol.
const MESSAGE: usize = 1_024;
/// "Serving" in the health protocol of gRPC.
const SERVING: [u8; 2] = [0x08, 0x01];

/// What is checked, and how.
pub(super) struct Check<'a> {
    pub(super) socket: SocketAddr,
    /// The target's own host and port.
    pub(super) name: &'a str,
    pub(super) active: &'a ActiveHealth,
    /// With TLS, what it must prove.
    pub(super) tls: Option<&'a CheckTls>,
}

/// Asks a target; the error says for people what was wrong.
pub(super) async fn check(check: &Check<'_>) -> Result<(), String> {
    let deadline = Duration::from_millis(u64::from(check.active.timeout_ms));
    let asked = tokio::time::timeout(deadline, ask(check)).await;
    asked.unwrap_or_else(|_| Err("no answer in time".to_owned()))
}

async fn ask(check: &Check<'_>) -> Result<(), String> {
    let active = check.active;
    let stream = TcpStream::connect(check.socket)
        .await
        .map_err(|error| said("cannot connect", error))?;
    let host = active.host.as_deref().unwrap_or(check.name);
    match active.kind {
        CheckKind::Tcp => Ok(()),
        CheckKind::Http => http(stream, host, active).await,
        CheckKind::Https => http(encrypted(stream, host, check.tls).await?, host, active).await,
        CheckKind::Grpc => grpc(stream, &format!("http://{host}"), active).await,
        CheckKind::Grpcs => {
            let stream = encrypted(stream, host, check.tls).await?;
            grpc(stream, &format!("https://{host}"), active).await
        }
    }
}

async fn encrypted(stream: TcpStream, host: &str, tls: Option<&CheckTls>) -> Result<TlsStream<TcpStream>, String> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let tls = tls.ok_or("cannot be asked: there are no settings for TLS")?;
    let (connector, name) = tls.to(name)?;
    let stream = connector.connect(name, stream).await;
    stream.map_err(|error| said("TLS failed", error))
}

async fn http(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    host: &str,
    active: &ActiveHealth,
) -> Result<(), String> {
    let path = active.path.as_deref().unwrap_or("/");
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: gatehouse-health\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    let broken = |error| said("the connection broke", error);
    stream.write_all(request.as_bytes()).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    let mut line = Vec::with_capacity(64);
    while !line.contains(&b'\n') && line.len() < STATUS_LINE {
        if stream.read_buf(&mut line).await.map_err(broken)? == 0 {
            break;
        }
    }
    match status(&line) {
        None => Err("the answer is not HTTP".to_owned()),
        Some(status) if active.is_good(status) => Ok(()),
        Some(status) => Err(format!("status {status}")),
    }
}

/// The status in the first line of an answer.
fn status(line: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(line.split(|byte| *byte == b'\n').next()?).ok()?;
    let mut words = line.split_ascii_whitespace();
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next().filter(|status| status.len() == 3)?.parse().ok()
}

/// The health protocol of gRPC (`grpc.health.v1.Health/Check`).
async fn grpc(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    origin: &str,
    active: &ActiveHealth,
) -> Result<(), String> {
    let broken = |error| said("HTTP/2 failed", error);
    let (client, connection) = h2::client::handshake(stream).await.map_err(broken)?;
    let connection = tokio::spawn(connection);
    let asked = grpc_call(client, origin, active.path.as_deref().unwrap_or_default()).await;
    connection.abort();
    asked
}

async fn grpc_call(client: h2::client::SendRequest<Bytes>, origin: &str, service: &str) -> Result<(), String> {
    let broken = |error| said("HTTP/2 failed", error);
    let request = Request::post(format!("{origin}/grpc.health.v1.Health/Check"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .map_err(|error| said("cannot be asked", error))?;
    let mut client = client.ready().await.map_err(broken)?;
    let (response, mut body) = client.send_request(request, false).map_err(broken)?;
    body.send_data(grpc_question(service), true).map_err(broken)?;
    let response = response.await.map_err(broken)?;
    if response.status() != 200 {
        return Err(format!("status {}", response.status().as_u16()));
    }
    let failed = |value: Option<&http::HeaderValue>| {
        value
            .is_some_and(|value| value != "0")
            .then(|| "gRPC failed".to_owned())
    };
    if let Some(error) = failed(response.headers().get("grpc-status")) {
        return Err(error);
    }
    let mut stream = response.into_body();
    let mut message = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data.map_err(broken)?;
        let _ = stream.flow_control().release_capacity(data.len());
        message.extend_from_slice(&data);
        if message.len() > MESSAGE {
            return Err("the answer is too long".to_owned());
        }
    }
    let trailers = stream.trailers().await.map_err(broken)?.unwrap_or_default();
    if let Some(error) = failed(trailers.get("grpc-status")) {
        return Err(error);
    }
    match message.get(5..) {
        Some(status) if status.starts_with(&SERVING) => Ok(()),
        _ => Err("says that it does not serve".to_owned()),
    }
}

/// One message with the service's name, in the framing of gRPC; names are shorter than 128 bytes or left out.
fn grpc_question(service: &str) -> Bytes {
    let mut message = Vec::new();
    if let Ok(length @ 1..=127) = u8::try_from(service.len()) {
        message.extend_from_slice(&[0x0a, length]);
        message.extend_from_slice(service.as_bytes());
    }
    let length = u32::try_from(message.len()).unwrap_or_default();
    let mut frame = vec![0];
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&message);
    frame.into()
}

fn said(what: &str, error: impl Display) -> String {
    format!("{what}: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn check(socket: SocketAddr, name: &str, active: &ActiveHealth) -> Result<(), String> {
        let tls = None;
        super::check(&Check {
            socket,
            name,
            active,
            tls,
        })
        .await
    }

    async fn answering(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 1_024];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer).await;
            }
        });
        address
    }

    #[tokio::test]
    async fn a_status_decides() {
        let active = |statuses: &[u16]| ActiveHealth {
            statuses: statuses.to_vec(),
            ..ActiveHealth::default()
        };
        let table: [(&'static [u8], &[u16], Option<&str>); 6] = [
            (b"HTTP/1.1 200 OK\r\n\r\n", &[], None),
            (b"HTTP/1.0 302 Found\r\n\r\n", &[], None),
            (b"HTTP/1.1 503 No\r\n\r\n", &[], Some("status 503")),
            (b"HTTP/1.1 503 No\r\n\r\n", &[503], None),
            (b"HTTP/1.1 200 OK\r\n\r\n", &[204], Some("status 200")),
            (b"SSH-2.0\r\n", &[], Some("the answer is not HTTP")),
        ];
        for (answer, statuses, error) in table {
            let checked = check(answering(answer).await, "x", &active(statuses)).await;
            assert_eq!(checked.err().as_deref(), error, "{}", String::from_utf8_lossy(answer));
        }
    }

    #[tokio::test]
    async fn a_connection_is_enough_for_tcp_and_silence_is_an_error_for_http() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let tcp = ActiveHealth {
            kind: CheckKind::Tcp,
            ..ActiveHealth::default()
        };
        assert_eq!(check(address, "x", &tcp).await, Ok(()));
        let http = ActiveHealth {
            timeout_ms: 20,
            ..ActiveHealth::default()
        };
        assert_eq!(check(address, "x", &http).await, Err("no answer in time".to_owned()));
        drop(listener);
        assert!(
            check(address, "x", &tcp)
                .await
                .is_err_and(|error| error.starts_with("cannot connect"))
        );
    }

    async fn grpc_server(status: u8) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let Ok(mut connection) = h2::server::handshake(stream).await else {
                        return;
                    };
                    while let Some(Ok((request, mut respond))) = connection.accept().await {
                        assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
                        let response = http::Response::new(());
                        let mut body = respond.send_response(response, false).expect("a response");
                        let message = Bytes::from(vec![0, 0, 0, 0, 2, 8, status]);
                        body.send_data(message, false).expect("data");
                        let mut trailers = http::HeaderMap::new();
                        trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
                        body.send_trailers(trailers).expect("trailers");
                    }
                });
            }
        });
        address
    }

    #[tokio::test]
    async fn a_grpc_server_says_whether_it_serves() {
        let active = ActiveHealth {
            kind: CheckKind::Grpc,
            path: Some("shop.Orders".into()),
            ..ActiveHealth::default()
        };
        assert_eq!(check(grpc_server(1).await, "x:1", &active).await, Ok(()));
        let not_serving = check(grpc_server(2).await, "x:1", &active).await;
        assert_eq!(not_serving, Err("says that it does not serve".to_owned()));
    }
}
