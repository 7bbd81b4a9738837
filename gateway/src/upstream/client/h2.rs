//! HTTP/2 to a service: exchanges share a connection, each on a stream of its own (RFC 9113).

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::header::{CONTENT_LENGTH, TE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Request, Response, Uri, Version};
use pingora_http::ResponseHeader;

use super::Failure;
use super::exchange::{Event, Framing, Head};
use super::fault::Fault;
use super::shared::Stream;

/// Bytes of a request that may wait to be written.
const WAITING: usize = 64 * 1024;

/// One exchange on a stream.
pub(crate) struct Exchange {
    /// Counts it on its connection.
    _room: Stream,
    stream: SendStream<Bytes>,
    /// Whether the body of the request is not whole yet.
    sending: bool,
    /// The code that a stream is reset with when it is given up.
    code: Reason,
    waiting: VecDeque<Bytes>,
    waiting_bytes: usize,
    finished: bool,
    told_full: bool,
    download: Download,
}

enum Download {
    Head(ResponseFuture),
    Body(RecvStream),
    Done,
}

/// Begins an exchange on a shared connection that is ready for one.
pub(super) fn start(mut room: Stream, head: &Head<'_>, tls: bool) -> Result<Exchange, Fault> {
    let request = request(head, tls)?;
    let end = head.body == Framing::Empty;
    let (response, stream) = room
        .sender()
        .send_request(request, end)
        .map_err(|error| fault(&error))?;
    Ok(Exchange {
        _room: room,
        stream,
        sending: !end,
        code: Reason::CANCEL,
        waiting: VecDeque::new(),
        waiting_bytes: 0,
        finished: end,
        told_full: false,
        download: Download::Head(response),
    })
}

fn request(head: &Head<'_>, tls: bool) -> Result<Request<()>, Fault> {
    let cannot = |_| Fault::unsent(Failure::BadAnswer, "the URL cannot be sent by HTTP/2");
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(if tls { Scheme::HTTPS } else { Scheme::HTTP });
    uri.authority = Some(Authority::try_from(head.host.as_bytes()).map_err(cannot)?);
    uri.path_and_query = Some(PathAndQuery::try_from(head.target).map_err(cannot)?);
    let uri =
        Uri::from_parts(uri).map_err(|_| Fault::unsent(Failure::BadAnswer, "the URL cannot be sent by HTTP/2"))?;
    let mut request = Request::new(());
    *request.method_mut() = head.method().clone();
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_2;
    let headers = request.headers_mut();
    for (name, value) in head.lines() {
        headers.append(name.clone(), value.clone());
    }
    let mut wishes = head.request.headers.get_all(TE).iter();
    if wishes.any(|wish| wish.as_bytes().eq_ignore_ascii_case(b"trailers")) {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if let Framing::Length(length) = head.body {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    Ok(request)
}

impl Exchange {
    pub(super) fn is_full(&mut self) -> bool {
        let full = self.waiting_bytes >= WAITING;
        self.told_full |= full;
        full
    }

    pub(super) fn send(&mut self, piece: Bytes) {
        if !piece.is_empty() && self.sending {
            self.waiting_bytes += piece.len();
            self.waiting.push_back(piece);
        }
    }

    pub(super) fn give_up_with(&mut self, code: Reason) {
        self.code = code;
    }

    pub(super) fn finish(&mut self) {
        self.finished = true;
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Fault>> {
        self.poll_write(cx)?;
        if self.told_full && self.waiting_bytes < WAITING {
            self.told_full = false;
            return Poll::Ready(Ok(Event::Room));
        }
        match &mut self.download {
            Download::Head(response) => {
                // Interim responses come before the response, if at all.
                if let Poll::Ready(Some(Ok(interim))) = response.poll_informational(cx) {
                    return Poll::Ready(header(&interim).map(Event::Interim));
                }
                let response = ready!(Pin::new(response).poll(cx)).map_err(|error| fault(&error))?;
                Poll::Ready(self.answered(response))
            }
            Download::Body(body) => {
                let event = ready!(poll_body(body, cx))?;
                if matches!(event, Event::End(_)) {
                    self.download = Download::Done;
                }
                Poll::Ready(Ok(event))
            }
            Download::Done => Poll::Pending,
        }
    }

    fn answered(&mut self, response: Response<RecvStream>) -> Result<Event, Fault> {
        let (parts, body) = response.into_parts();
        let header = header(&Response::from_parts(parts, ()))?;
        let length = header.headers.get(CONTENT_LENGTH);
        let length = length
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.parse().ok());
        let framing = match length {
            Some(length) => Framing::Length(length),
            None if body.is_end_stream() => Framing::Empty,
            None => Framing::Open,
        };
        self.download = Download::Body(body);
        Ok(Event::Head(header, framing))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<(), Fault> {
        while let (true, Some(piece)) = (self.sending, self.waiting.front_mut()) {
            self.stream.reserve_capacity(piece.len());
            match self.stream.poll_capacity(cx) {
                Poll::Ready(Some(Ok(capacity))) if capacity > 0 => {
                    let part = piece.split_to(capacity.min(piece.len()));
                    self.waiting_bytes -= part.len();
                    if piece.is_empty() {
                        self.waiting.pop_front();
                    }
                    self.stream.send_data(part, false).map_err(|error| fault(&error))?;
                }
                // The service does not want the rest; its answer says the rest.
                Poll::Ready(None | Some(Err(_))) => self.abandon_upload(),
                Poll::Ready(Some(Ok(_))) | Poll::Pending => return Ok(()),
            }
        }
        if self.finished && self.sending && self.waiting.is_empty() {
            self.sending = false;
            let _ = self.stream.send_data(Bytes::new(), true);
        }
        Ok(())
    }

    fn abandon_upload(&mut self) {
        self.sending = false;
        self.waiting.clear();
        self.waiting_bytes = 0;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.sending || !matches!(self.download, Download::Done) {
            self.stream.send_reset(self.code);
        }
    }
}

fn poll_body(body: &mut RecvStream, cx: &mut Context<'_>) -> Poll<Result<Event, Fault>> {
    match ready!(body.poll_data(cx)) {
        Some(Ok(data)) => {
            // It goes on to the client before the next piece is read, so the window may open again.
            let _ = body.flow_control().release_capacity(data.len());
            Poll::Ready(Ok(Event::Body(data)))
        }
        Some(Err(error)) => Poll::Ready(Err(fault(&error))),
        None => {
            let trailers: Option<HeaderMap> = ready!(body.poll_trailers(cx)).map_err(|error| fault(&error))?;
            Poll::Ready(Ok(Event::End(trailers)))
        }
    }
}

fn header(response: &Response<()>) -> Result<Box<ResponseHeader>, Fault> {
    let bad = |_| Fault::bad_answer("the head of the response cannot be read");
    let mut header = ResponseHeader::build_no_case(response.status(), Some(response.headers().len())).map_err(bad)?;
    for (name, value) in response.headers() {
        header.append_header(name.clone(), value.clone()).map_err(bad)?;
    }
    Ok(Box::new(header))
}

fn fault(error: &h2::Error) -> Fault {
    let refused = error.reason() == Some(Reason::REFUSED_STREAM) || (error.is_go_away() && error.is_remote());
    let failure = if error.is_library() || error.reason() == Some(Reason::PROTOCOL_ERROR) {
        Failure::BadAnswer
    } else {
        Failure::Reset
    };
    Fault {
        unsent: refused
            && error
                .reason()
                .is_none_or(|reason| reason == Reason::REFUSED_STREAM || reason == Reason::NO_ERROR),
        code: error.reason().filter(|_| error.is_remote() && error.is_reset()),
        ..Fault::new(failure, format!("the stream broke: {error}"))
    }
}
