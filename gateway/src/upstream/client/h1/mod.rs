//! HTTP/1.1 to a service: one exchange at a time on a connection (RFC 9112).

mod body;
mod head;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use futures_util::task::noop_waker_ref;
use http::{Method, StatusCode};
use tokio::io::{AsyncRead as _, AsyncWrite, ReadBuf};
use tokio_util::io::poll_read_buf;

use super::Failure;
use super::exchange::{Event, Framing, Head};
use super::fault::Fault;
use super::transport::Transport;
use crate::router::opens_websocket;
use body::{Decoder, Step};
pub(super) use head::is_hop_by_hop;

/// Bytes of a request that may wait to be written.
const WAITING: usize = 64 * 1024;
/// Room for the first read of a response, and for those of its body.
const FIRST_READ: usize = 8 * 1024;
const READ: usize = 64 * 1024;
/// The most interim responses before the response.
const INTERIM: u8 = 10;

/// A connection between two exchanges.
#[derive(Debug)]
pub(crate) struct Connection {
    transport: Transport,
    input: BytesMut,
    output: BytesMut,
    used: bool,
}

impl Connection {
    pub(super) fn new(transport: Transport) -> Self {
        Self {
            transport,
            input: BytesMut::new(),
            output: BytesMut::new(),
            used: false,
        }
    }

    /// Whether it is still open and silent; a service that speaks without being asked is not to be asked.
    pub(super) fn is_idle(&mut self) -> bool {
        let mut byte = [0; 1];
        let mut cx = Context::from_waker(noop_waker_ref());
        Pin::new(&mut self.transport)
            .poll_read(&mut cx, &mut ReadBuf::new(&mut byte))
            .is_pending()
    }

    /// Begins an exchange.
    pub(super) fn start(mut self, head: &Head<'_>) -> Exchange {
        head::write(head, &mut self.output);
        let upload = match head.body {
            Framing::Empty => Upload::Done,
            Framing::Length(_) => Upload::Plain,
            Framing::Open => Upload::Chunked,
        };
        Exchange {
            connection: self,
            method: head.method().clone(),
            upgrade: head.upgrade,
            upload,
            download: Download::Head { scanned: 0 },
            interim: 0,
            keep: true,
            write_failed: None,
            told_full: false,
        }
    }
}

/// How the body of the request is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upload {
    Plain,
    Chunked,
    Done,
}

#[derive(Debug)]
enum Download {
    Head { scanned: usize },
    Body(Decoder),
    Done,
    Upgraded,
}

/// One exchange.
#[derive(Debug)]
pub(crate) struct Exchange {
    connection: Connection,
    method: Method,
    upgrade: bool,
    upload: Upload,
    download: Download,
    interim: u8,
    keep: bool,
    /// The service does not take the request's body any more; it may still answer.
    write_failed: Option<io::ErrorKind>,
    told_full: bool,
}

impl Exchange {
    pub(super) fn is_full(&mut self) -> bool {
        let full = self.connection.output.len() >= WAITING;
        self.told_full |= full;
        full
    }

    pub(super) fn send(&mut self, piece: &Bytes) {
        if piece.is_empty() || self.write_failed.is_some() {
            return;
        }
        let output = &mut self.connection.output;
        if self.upload == Upload::Chunked {
            output.put_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        }
        output.extend_from_slice(piece);
        if self.upload == Upload::Chunked {
            output.put_slice(b"\r\n");
        }
    }

    pub(super) fn finish(&mut self) {
        if self.upload == Upload::Chunked && self.write_failed.is_none() {
            self.connection.output.put_slice(b"0\r\n\r\n");
        }
        self.upload = Upload::Done;
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Fault>> {
        self.poll_write(cx);
        if self.told_full && self.connection.output.len() < WAITING {
            self.told_full = false;
            return Poll::Ready(Ok(Event::Room));
        }
        loop {
            if let Some(event) = self.next_event()? {
                return Poll::Ready(Ok(event));
            }
            if ready!(self.poll_fill(cx))? == 0 {
                return Poll::Ready(self.closed());
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) {
        let Connection { transport, output, .. } = &mut self.connection;
        while !output.is_empty() {
            match Pin::new(&mut *transport).poll_write(cx, output) {
                Poll::Ready(Ok(written)) if written > 0 => output.advance(written),
                Poll::Ready(result) => {
                    let kind = result.err().map_or(io::ErrorKind::WriteZero, |error| error.kind());
                    self.write_failed = Some(kind);
                    self.keep = false;
                    output.clear();
                }
                Poll::Pending => return,
            }
        }
        if let Transport::Tls(_) = transport
            && let Poll::Ready(Err(error)) = Pin::new(&mut *transport).poll_flush(cx)
        {
            self.write_failed = Some(error.kind());
        }
    }

    /// What can be told from what was read.
    fn next_event(&mut self) -> Result<Option<Event>, Fault> {
        match &mut self.download {
            Download::Head { scanned } => {
                let answer = head::read(&mut self.connection.input, scanned, &self.method)?;
                answer.map_or(Ok(None), |answer| self.answered(answer).map(Some))
            }
            Download::Body(decoder) => {
                let step = decoder.step(&mut self.connection.input)?;
                Ok(self.stepped(step))
            }
            Download::Done | Download::Upgraded => Ok(None),
        }
    }

    fn answered(&mut self, answer: head::Answer) -> Result<Event, Fault> {
        let status = answer.header.status;
        if status == StatusCode::SWITCHING_PROTOCOLS {
            if !self.upgrade {
                return Err(Fault::bad_answer("the service switches protocols without being asked"));
            }
            if !opens_websocket(&answer.header.headers) {
                return Err(Fault::bad_answer(
                    "the service switches to another protocol than WebSocket",
                ));
            }
            self.download = Download::Upgraded;
            return Ok(Event::Upgraded(answer.header));
        }
        if status.is_informational() {
            self.interim += 1;
            if self.interim > INTERIM {
                return Err(Fault::bad_answer(
                    "the service sends one interim response after another",
                ));
            }
            return Ok(Event::Interim(answer.header));
        }
        self.keep &= answer.keep;
        self.download = Download::Body(answer.body);
        Ok(Event::Head(answer.header, answer.framing))
    }

    fn stepped(&mut self, step: Step) -> Option<Event> {
        match step {
            Step::Data(data) => Some(Event::Body(data)),
            Step::More => None,
            Step::End(trailers) => {
                self.download = Download::Done;
                Some(Event::End(trailers))
            }
        }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Fault>> {
        let Connection { transport, input, .. } = &mut self.connection;
        let room = match self.download {
            Download::Body(_) => READ,
            _ => FIRST_READ,
        };
        if input.capacity() - input.len() < room / 4 {
            input.reserve(room);
        }
        match ready!(poll_read_buf(Pin::new(transport), cx, input)) {
            Ok(count) => Poll::Ready(Ok(count)),
            Err(error) => Poll::Ready(Err(self.broken(format!("the connection broke: {error}")))),
        }
    }

    /// The service closed the connection.
    fn closed(&mut self) -> Result<Event, Fault> {
        match &mut self.download {
            Download::Body(decoder) => {
                let step = decoder.close()?;
                self.keep = false;
                Ok(self.stepped(step).unwrap_or(Event::End(None)))
            }
            _ => Err(self.broken("the connection ended before the response".to_owned())),
        }
    }

    fn broken(&self, detail: String) -> Fault {
        let silent = matches!(self.download, Download::Head { .. }) && self.connection.input.is_empty();
        Fault {
            stale: self.connection.used && silent && self.interim == 0,
            ..Fault::new(Failure::Reset, detail)
        }
    }

    pub(super) fn into_idle(self) -> Option<Connection> {
        let clean = self.keep
            && matches!(self.download, Download::Done)
            && self.upload == Upload::Done
            && self.write_failed.is_none()
            && self.connection.input.is_empty()
            && self.connection.output.is_empty();
        clean.then(|| {
            let mut connection = self.connection;
            connection.used = true;
            // A connection that waits holds no memory but its own.
            connection.input = BytesMut::new();
            connection.output = BytesMut::new();
            connection
        })
    }

    pub(super) fn into_upgraded(self) -> Option<(Transport, Bytes)> {
        matches!(self.download, Download::Upgraded).then(|| (self.connection.transport, self.connection.input.freeze()))
    }
}
