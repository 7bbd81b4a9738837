//! One request and its response, whatever the protocol that carries them.

use std::task::{Context, Poll};

use ::h2::Reason as Code;
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use pingora_http::{RequestHeader, ResponseHeader};

use super::fault::Fault;
use super::h1::is_hop_by_hop;
use super::{Transport, h1, h2};

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    Empty,
    /// By its length in bytes.
    Length(u64),
    /// By itself: chunks, the end of a stream or of a connection.
    Open,
}

/// The request as the service sees it.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    /// Method and headers; the host and hop-by-hop headers are left out when it is written.
    pub(crate) request: &'a RequestHeader,
    /// The host.
    pub(crate) host: &'a HeaderValue,
    /// Headers in place of those that the request has under the same names.
    pub(crate) headers: &'a [(HeaderName, HeaderValue)],
    /// Path and query.
    pub(crate) target: &'a [u8],
    /// Whether the connection shall become one of another protocol.
    pub(crate) upgrade: bool,
    /// How the body ends.
    pub(crate) body: Framing,
}

impl Head<'_> {
    pub(super) fn method(&self) -> &Method {
        &self.request.method
    }

    /// The headers that go beside the host and what says how the body ends.
    pub(super) fn lines(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        let replaced = |name: &HeaderName| self.headers.iter().any(|(set, _)| set == name);
        let kept = self
            .request
            .headers
            .iter()
            .filter(move |(name, _)| **name != HOST && !is_hop_by_hop(name) && !replaced(name));
        kept.chain(self.headers.iter().map(|(name, value)| (name, value)))
    }
}

/// What happens in an exchange.
#[derive(Debug)]
pub(crate) enum Event {
    /// An interim response, such as 100 or 103.
    Interim(Box<ResponseHeader>),
    /// The response, without headers about this connection; how its body ends.
    Head(Box<ResponseHeader>, Framing),
    /// The connection is one of another protocol now: take it by [`Exchange::into_upgraded`].
    Upgraded(Box<ResponseHeader>),
    /// A piece of the body.
    Body(Bytes),
    /// The response is whole; trailers when it had some.
    End(Option<HeaderMap>),
    /// There is room for more of the request's body.
    Room,
}

/// An exchange that runs.
pub(crate) enum Exchange {
    /// Over HTTP/1.1.
    Http1(Box<h1::Exchange>),
    /// Over a stream of HTTP/2.
    Http2(Box<h2::Exchange>),
}

impl Exchange {
    /// Writes what waits, and says what happened. [`Event::Room`] is told only after [`Exchange::is_full`].
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Fault>> {
        match self {
            Self::Http1(exchange) => exchange.poll(cx),
            Self::Http2(exchange) => exchange.poll(cx),
        }
    }

    /// Whether so much of the request waits to be written that no more may be added.
    pub(crate) fn is_full(&mut self) -> bool {
        match self {
            Self::Http1(exchange) => exchange.is_full(),
            Self::Http2(exchange) => exchange.is_full(),
        }
    }

    /// Adds a piece of the request's body.
    pub(crate) fn send(&mut self, piece: Bytes) {
        match self {
            Self::Http1(exchange) => exchange.send(&piece),
            Self::Http2(exchange) => exchange.send(piece),
        }
    }

    /// The request's body is whole.
    pub(crate) fn finish(&mut self) {
        match self {
            Self::Http1(exchange) => exchange.finish(),
            Self::Http2(exchange) => exchange.finish(),
        }
    }

    /// Says by which code the exchange is given up when it is dropped before its end; HTTP/1.1 has only one way.
    pub(crate) fn give_up_with(&mut self, code: Code) {
        if let Self::Http2(exchange) = self {
            exchange.give_up_with(code);
        }
    }

    /// The connection after [`Event::Upgraded`], with what the service sent already.
    pub(crate) fn into_upgraded(self) -> Option<(Transport, Bytes)> {
        match self {
            Self::Http1(exchange) => exchange.into_upgraded(),
            Self::Http2(_) => None,
        }
    }

    /// The connection for the next request, when this one left it clean.
    pub(super) fn into_idle(self) -> Option<h1::Connection> {
        match self {
            Self::Http1(exchange) => exchange.into_idle(),
            // Its connection is shared anyway.
            Self::Http2(_) => None,
        }
    }
}
