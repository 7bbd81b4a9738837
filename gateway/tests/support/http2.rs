//! A service and a client that speak HTTP/2, as gRPC needs it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// The longest that anything here is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a service may send on a stream to the gateway before a client reads.
const WINDOW: usize = 256 * 1024;

/// What the service noticed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// A call began with these headers.
    Began(HeaderMap),
    /// A call was reset by its client.
    Reset(Reason),
    /// A call sent as much as it may before its client reads.
    Full,
}

/// A service whose methods behave as their names say.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    notices: UnboundedReceiver<Notice>,
}

impl Service {
    pub(crate) async fn start(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (notice, notices) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, notice) = (tls.clone(), notice.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, notice).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, notice).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, notices }
    }

    /// The next thing that it noticed.
    pub(crate) async fn notice(&mut self) -> Notice {
        timeout(PATIENCE, self.notices.recv())
            .await
            .expect("in time")
            .expect("a service")
    }

    /// The headers of the next call.
    pub(crate) async fn began(&mut self) -> HeaderMap {
        match self.notice().await {
            Notice::Began(headers) => headers,
            other => panic!("no call but {other:?}"),
        }
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, notice: UnboundedSender<Notice>) {
    let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
    while let Some(Ok((request, respond))) = connection.accept().await {
        let _ = notice.send(Notice::Began(request.headers().clone()));
        tokio::spawn(answer(request, respond, notice.clone()));
    }
}

fn grpc_head() -> Response<()> {
    let response = Response::builder().header("content-type", "application/grpc+proto");
    response.body(()).expect("a response")
}

pub(crate) fn trailers(status: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(status));
    trailers.insert("grpc-message", HeaderValue::from_static("as asked"));
    trailers
}

async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>, notice: UnboundedSender<Notice>) {
    let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    let mut body = request.into_body();
    match method.as_str() {
        "Unary" => {
            let Some(message) = whole(&mut body).await else { return };
            let mut send = respond.send_response(grpc_head(), false).expect("sent");
            write(&mut send, message).await;
            let _ = send.send_trailers(trailers("0"));
        }
        "Bidi" => {
            let mut send = respond.send_response(grpc_head(), false).expect("sent");
            while let Some(Ok(piece)) = body.data().await {
                let _ = body.flow_control().release_capacity(piece.len());
                write(&mut send, piece).await;
            }
            let _ = send.send_trailers(trailers("0"));
        }
        "Only" => {
            let mut head = grpc_head();
            *head.headers_mut() = head
                .headers()
                .clone()
                .into_iter()
                .filter_map(named)
                .chain(trailers("5").into_iter().filter_map(named))
                .collect();
            let _ = respond.send_response(head, true);
        }
        "Break" => {
            let mut send = respond.send_response(grpc_head(), false).expect("sent");
            write(&mut send, message(b"half")).await;
            // The client has it before the stream ends.
            let _ = body.data().await;
            send.send_reset(Reason::ENHANCE_YOUR_CALM);
        }
        "Refuse" => respond.send_reset(Reason::REFUSED_STREAM),
        "Check" => {
            let mut send = respond.send_response(grpc_head(), false).expect("sent");
            write(&mut send, message(&[8, 1])).await;
            let _ = send.send_trailers(trailers("0"));
        }
        "Page" => {
            let head = Response::builder().status(503).header("content-type", "text/html");
            let mut send = respond
                .send_response(head.body(()).expect("a response"), false)
                .expect("sent");
            let _ = send.send_data(Bytes::from_static(b"<p>down"), true);
        }
        _ => hold(&method, respond, notice).await,
    }
}

/// The methods that never end by themselves.
async fn hold(method: &str, mut respond: SendResponse<Bytes>, notice: UnboundedSender<Notice>) {
    match method {
        "Stream" => {
            let mut send = respond.send_response(grpc_head(), false).expect("sent");
            write(&mut send, message(b"first")).await;
            let reset = std::future::poll_fn(|cx| send.poll_reset(cx)).await;
            let _ = notice.send(Notice::Reset(reset.expect("a reset")));
        }
        "Flood" => {
            let mut send = respond.send_response(grpc_head(), false).expect("sent");
            write(&mut send, vec![7; WINDOW].into()).await;
            let _ = notice.send(Notice::Full);
            let _ = std::future::poll_fn(|cx| send.poll_reset(cx)).await;
        }
        _ => {
            let reset = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
            let _ = notice.send(Notice::Reset(reset.expect("a reset")));
        }
    }
}

fn named((name, value): (Option<http::HeaderName>, HeaderValue)) -> Option<(http::HeaderName, HeaderValue)> {
    Some((name?, value))
}

/// A message with its prefix.
pub(crate) fn message(bytes: &[u8]) -> Bytes {
    let mut message = BytesMut::from(&[0][..]);
    message.extend_from_slice(&u32::try_from(bytes.len()).expect("short").to_be_bytes());
    message.extend_from_slice(bytes);
    message.freeze()
}

/// All of a body; none when it broke off.
pub(crate) async fn whole(body: &mut RecvStream) -> Option<Bytes> {
    let mut bytes = BytesMut::new();
    while let Some(piece) = body.data().await {
        let piece = piece.ok()?;
        let _ = body.flow_control().release_capacity(piece.len());
        bytes.extend_from_slice(&piece);
    }
    Some(bytes.freeze())
}

/// Writes as there is room.
pub(crate) async fn write(send: &mut SendStream<Bytes>, mut bytes: Bytes) {
    while !bytes.is_empty() {
        send.reserve_capacity(bytes.len());
        let Some(Ok(room)) = std::future::poll_fn(|cx| send.poll_capacity(cx)).await else {
            return;
        };
        let piece = bytes.split_to(room.min(bytes.len()));
        if send.send_data(piece, false).is_err() {
            return;
        }
    }
}

/// A client on a connection of its own.
pub(crate) struct Client(SendRequest<Bytes>);

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("connected");
        stream.set_nodelay(true).expect("an option");
        let (client, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
        tokio::spawn(connection);
        Self(client)
    }

    /// Begins a request.
    pub(crate) async fn begin(&mut self, request: Request<()>, last: bool) -> (ResponseFuture, SendStream<Bytes>) {
        let client = self.0.clone().ready().await.expect("room");
        self.0 = client;
        self.0.send_request(request, last).expect("sent")
    }

    /// Begins a call.
    pub(crate) async fn call(&mut self, method: &str, headers: &[(&str, &str)]) -> Call {
        let mut request = Request::post(format!("http://grpc.example/t.T/{method}"))
            .header("content-type", "application/grpc+proto")
            .header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (response, send) = self.begin(request.body(()).expect("a request"), false).await;
        Call {
            response: Some(response),
            send,
            body: None,
        }
    }

    /// A whole call with one message.
    pub(crate) async fn unary(
        &mut self,
        method: &str,
        headers: &[(&str, &str)],
        bytes: &[u8],
    ) -> Result<Answer, h2::Error> {
        let mut call = self.call(method, headers).await;
        let send = async {
            write(&mut call.send, message(bytes)).await;
            let _ = call.send.send_data(Bytes::new(), true);
        };
        let response = call.response.take().expect("a response");
        let answer = async {
            let response = response.await?;
            let (head, mut body) = response.into_parts();
            let at_once = body.is_end_stream();
            let mut bytes = BytesMut::new();
            while let Some(piece) = body.data().await {
                let piece = piece?;
                let _ = body.flow_control().release_capacity(piece.len());
                bytes.extend_from_slice(&piece);
            }
            let trailers = body.trailers().await?;
            Ok(Answer {
                status: head.status.as_u16(),
                headers: head.headers,
                body: bytes.freeze(),
                trailers,
                at_once,
            })
        };
        let both = async { tokio::join!(send, answer).1 };
        timeout(PATIENCE, both).await.expect("in time")
    }
}

/// What came back of a call.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
    /// Whether the stream ended with its head.
    pub(crate) at_once: bool,
}

impl Answer {
    /// The status of a call that has nothing else.
    pub(crate) fn only(&self) -> Option<&str> {
        assert!(self.at_once, "more than a head: {self:?}");
        assert_eq!((self.status, self.trailers.is_none()), (200, true), "{self:?}");
        self.headers
            .get("grpc-status")
            .map(|status| status.to_str().expect("text"))
    }
}

/// A call that goes on.
pub(crate) struct Call {
    response: Option<ResponseFuture>,
    pub(crate) send: SendStream<Bytes>,
    body: Option<RecvStream>,
}

impl Call {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        write(&mut self.send, message(bytes)).await;
    }

    /// The next piece of the response; none at its end.
    pub(crate) async fn receive(&mut self) -> Result<Option<Bytes>, h2::Error> {
        let receiving = async {
            if let Some(response) = self.response.take() {
                self.body = Some(response.await?.into_body());
            }
            let body = self.body.as_mut().expect("a body");
            let piece = body.data().await.transpose()?;
            if let Some(piece) = &piece {
                let _ = body.flow_control().release_capacity(piece.len());
            }
            Ok(piece)
        };
        timeout(PATIENCE, receiving).await.expect("in time")
    }

    pub(crate) async fn trailers(&mut self) -> Option<HeaderMap> {
        let body = self.body.as_mut().expect("a body");
        timeout(PATIENCE, body.trailers())
            .await
            .expect("in time")
            .expect("trailers")
    }
}
