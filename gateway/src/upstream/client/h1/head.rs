//! Heads of requests, written, and heads of responses, read (RFC 9112, sections 2 to 6).

use std::mem::MaybeUninit;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use httparse::{ParserConfig, Status};
use pingora_http::ResponseHeader;

use super::body::{Chunk, Decoder};
use crate::upstream::client::exchange::{Framing, Head};
use crate::upstream::client::fault::Fault;

/// The most bytes of the head of a response.
pub(super) const MAX_HEAD: usize = 64 * 1024;
/// The most headers of a response.
const MAX_HEADERS: usize = 256;
/// Room for the headers that a response gets on its way to the client.
const SPARE: usize = 6;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// A response as it was read.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) header: Box<ResponseHeader>,
    pub(super) body: Decoder,
    pub(super) framing: Framing,
    /// Whether the connection may be used again.
    pub(super) keep: bool,
}

/// Writes the head of a request. Exactly one header says how its body ends.
pub(super) fn write(head: &Head<'_>, out: &mut BytesMut) {
    let request = head.request;
    out.reserve(512 + head.target.len());
    out.put_slice(request.method.as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(head.target);
    out.put_slice(b" HTTP/1.1\r\n");
    put(out, b"host", head.host.as_bytes());
    for (name, value) in head.lines() {
        put(out, name.as_str().as_bytes(), value.as_bytes());
    }
    match head.body {
        Framing::Length(length) => {
            let mut digits = itoa::Buffer::new();
            put(out, b"content-length", digits.format(length).as_bytes());
        }
        Framing::Open => put(out, b"transfer-encoding", b"chunked"),
        // A method that usually has a body says that there is none (RFC 9110, section 8.6).
        Framing::Empty if has_usually_a_body(&request.method) => put(out, b"content-length", b"0"),
        Framing::Empty => {}
    }
    if head.upgrade {
        put(out, b"connection", b"upgrade");
        put(out, b"upgrade", b"websocket");
    }
    out.put_slice(b"\r\n");
}

fn put(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.put_slice(name);
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

fn has_usually_a_body(method: &Method) -> bool {
    *method == Method::POST || *method == Method::PUT || *method == Method::PATCH
}

/// Headers that are about one connection only (RFC 9110, section 7.6.1), those that say how a body ends, which are
/// written anew, and the one that announces trailers, which requests are forwarded without.
pub(in crate::upstream::client) fn is_hop_by_hop(name: &HeaderName) -> bool {
    [
        CONNECTION,
        CONTENT_LENGTH,
        TRANSFER_ENCODING,
        UPGRADE,
        TE,
        TRAILER,
        KEEP_ALIVE,
        PROXY_CONNECTION,
    ]
    .contains(name)
}

/// Reads the head of a response from the beginning of `input`; none when it is not complete.
pub(super) fn read(input: &mut BytesMut, scanned: &mut usize, method: &Method) -> Result<Option<Answer>, Fault> {
    let from = scanned.saturating_sub(3);
    let Some(end) = memchr::memmem::find(&input[from..], b"\r\n\r\n") else {
        *scanned = input.len();
        return if input.len() > MAX_HEAD {
            Err(Fault::bad_answer("the head of the response is too large"))
        } else if !could_be_a_head(input) {
            Err(Fault::bad_answer("the response does not begin as one of HTTP/1"))
        } else if has_bare_line_feed(input, from) {
            Err(Fault::bad_answer("a line of the head ends without a carriage return"))
        } else {
            Ok(None)
        };
    };
    let end = from + end + 4;
    if end > MAX_HEAD {
        return Err(Fault::bad_answer("the head of the response is too large"));
    }
    *scanned = 0;
    parse(input.split_to(end).freeze(), method).map(Some)
}

fn could_be_a_head(input: &[u8]) -> bool {
    let start = b"HTTP/1.";
    let seen = input.len().min(start.len());
    input[..seen] == start[..seen]
}

/// Whether a line ends in a way that other readers would take for the end of the head.
fn has_bare_line_feed(input: &[u8], from: usize) -> bool {
    memchr::memchr_iter(b'\n', &input[from..]).any(|at| at + from == 0 || input[at + from - 1] != b'\r')
}

fn parse(bytes: Bytes, method: &Method) -> Result<Answer, Fault> {
    let bad = |_| Fault::bad_answer("the head of the response cannot be read");
    let mut slots = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = ParserConfig::default()
        .parse_response_with_uninit_headers(&mut response, &bytes, &mut slots)
        .map_err(bad)?;
    if parsed != Status::Complete(bytes.len()) {
        return Err(Fault::bad_answer("the head of the response cannot be read"));
    }
    let status = StatusCode::from_u16(response.code.unwrap_or_default())
        .map_err(|_| Fault::bad_answer("the status of the response is none"))?;
    let mut headers = HeaderMap::with_capacity(response.headers.len() + SPARE);
    let mut lengths = Lengths::default();
    let (mut keep, mut said_keep_alive) = (response.version == Some(1), false);
    for line in response.headers.iter() {
        let name =
            HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| Fault::bad_answer("a header has no name"))?;
        match name {
            CONTENT_LENGTH => lengths.length(line.value)?,
            TRANSFER_ENCODING => lengths.coding(line.value)?,
            CONNECTION => {
                let has = |word: &[u8]| tokens(line.value).any(|token| token.eq_ignore_ascii_case(word));
                keep &= !has(b"close");
                said_keep_alive |= has(b"keep-alive");
            }
            _ => {}
        }
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(line.value))
            .map_err(|_| Fault::bad_answer("a header has a value that no header can have"))?;
        headers
            .try_append(name, value)
            .map_err(|_| Fault::bad_answer("the response has too many headers"))?;
    }
    keep |= response.version == Some(0) && said_keep_alive;
    let (body, framing) = lengths.body(status, method, response.version == Some(1))?;
    let mut parts = http::Response::new(()).into_parts().0;
    (parts.status, parts.headers) = (status, headers);
    Ok(Answer {
        keep: keep && body != Decoder::UntilClose,
        header: Box::new(parts.into()),
        body,
        framing,
    })
}

fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// What the headers say about the end of the body.
#[derive(Default)]
struct Lengths {
    length: Option<u64>,
    chunked: bool,
}

impl Lengths {
    fn length(&mut self, value: &[u8]) -> Result<(), Fault> {
        let digits = (1..=18).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
        let length = std::str::from_utf8(value).ok().filter(|_| digits);
        let length = length
            .and_then(|text| text.parse().ok())
            .ok_or(Fault::bad_answer("Content-Length is no length"))?;
        if self.length.is_some() {
            return Err(Fault::bad_answer("the response has more than one Content-Length"));
        }
        self.length = Some(length);
        Ok(())
    }

    fn coding(&mut self, value: &[u8]) -> Result<(), Fault> {
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Fault::bad_answer("Transfer-Encoding is not just `chunked`"));
        }
        self.chunked = true;
        Ok(())
    }

    /// How the body ends (RFC 9112, section 6.3), but that two answers to that are none.
    fn body(&self, status: StatusCode, method: &Method, http11: bool) -> Result<(Decoder, Framing), Fault> {
        if self.chunked && (self.length.is_some() || !http11) {
            return Err(Fault::bad_answer(
                "Transfer-Encoding excludes Content-Length and HTTP/1.0",
            ));
        }
        let empty = status.is_informational() || status == StatusCode::NO_CONTENT;
        if empty && self.length.is_some_and(|length| length > 0) {
            return Err(Fault::bad_answer("an answer that has no body says how long it is"));
        }
        let never = empty || status == StatusCode::NOT_MODIFIED || *method == Method::HEAD;
        if never {
            let framing = self.length.map_or(Framing::Empty, Framing::Length);
            return Ok((Decoder::Done, framing));
        }
        Ok(match self.length {
            Some(0) => (Decoder::Done, Framing::Length(0)),
            Some(length) => (Decoder::Length(length), Framing::Length(length)),
            None if self.chunked => (Decoder::Chunked(Chunk::Size), Framing::Open),
            None => (Decoder::UntilClose, Framing::Open),
        })
    }
}
