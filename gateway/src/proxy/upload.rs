//! The body of a request on its way to the service: read once, counted, seen by plugins, and kept as long as it is
//! short, so that it can be sent again.

use bytes::Bytes;
use model::reason::Reason;
use pingora::protocols::http::ServerSession;
use plugins::{Answer, Refusal};

use super::context::Context;
use super::head;
use crate::upstream::client::{Exchange, Framing};

/// The longest body that can be sent again.
const KEPT: usize = 64 * 1024;

/// What there is of a body.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) framing: Framing,
    kept: Vec<Bytes>,
    kept_bytes: usize,
    /// Whether all that was read is kept.
    complete: bool,
    /// Pieces of `kept` that this attempt has sent.
    sent: usize,
    /// Whether the client has sent all.
    pub(super) whole: bool,
    finished: bool,
    read: u64,
    limit: Option<u64>,
}

impl Upload {
    pub(super) fn new(session: &mut ServerSession, limit: Option<u64>) -> Self {
        let framing = framing(session);
        Self {
            framing,
            kept: Vec::new(),
            kept_bytes: 0,
            complete: true,
            sent: 0,
            whole: framing == Framing::Empty,
            finished: false,
            read: 0,
            limit,
        }
    }

    /// Its length changes on the way.
    pub(super) fn forget_length(&mut self) {
        if self.framing != Framing::Empty {
            self.framing = Framing::Open;
        }
    }

    /// Takes any number of bytes from now on; how many it would have taken.
    pub(super) const fn lift_limit(&mut self) -> Option<u64> {
        self.limit.take()
    }

    /// Whether another attempt could send all of it.
    pub(super) const fn can_be_sent_again(&self) -> bool {
        self.complete
    }

    /// All of it, when it is whole and short enough to be kept.
    pub(super) fn kept(&self) -> Option<Vec<Bytes>> {
        (self.complete && self.whole).then(|| self.kept.clone())
    }

    /// Another attempt begins.
    pub(super) const fn rewind(&mut self) {
        (self.sent, self.finished) = (0, false);
    }

    /// Hands over what is kept and the end, as far as there is room. Whether the request is whole for the service.
    pub(super) fn feed(&mut self, exchange: &mut Exchange) -> bool {
        if self.finished {
            return true;
        }
        while let Some(piece) = self.kept.get(self.sent) {
            if exchange.is_full() {
                return false;
            }
            exchange.send(piece.clone());
            self.sent += 1;
        }
        if self.whole {
            exchange.finish();
            self.finished = true;
        }
        self.finished
    }

    /// Takes what was read of the body; none is its end.
    pub(super) fn take(
        &mut self,
        piece: Option<Bytes>,
        context: &mut Context,
        exchange: &mut Exchange,
    ) -> Result<(), Refusal> {
        self.whole = piece.is_none();
        self.read += piece.as_ref().map_or(0, Bytes::len) as u64;
        context.received = self.read;
        if let Some(limit) = self.limit.filter(|limit| self.read > *limit) {
            return Err(head::body_too_large(limit));
        }
        let mut piece = piece;
        match context.filter_request_body(&mut piece, self.whole) {
            Some(Answer::Refusal(refusal)) => return Err(refusal),
            Some(Answer::Response { .. }) => {
                return Err(head::refusal(Reason::BadRequest, "A plugin ended the request."));
            }
            None => {}
        }
        if let Some(piece) = piece.filter(|piece| !piece.is_empty()) {
            self.keep(&piece);
            exchange.send(piece);
        }
        Ok(())
    }

    fn keep(&mut self, piece: &Bytes) {
        if !self.complete {
            return;
        }
        self.kept_bytes += piece.len();
        if self.kept_bytes > KEPT {
            self.complete = false;
            self.kept.clear();
            self.sent = 0;
            return;
        }
        self.kept.push(piece.clone());
        self.sent = self.kept.len();
    }
}

/// How the body ends that the client sends.
fn framing(session: &mut ServerSession) -> Framing {
    if session.is_upgrade_req() || session.is_body_empty() {
        return Framing::Empty;
    }
    head::declared_length(session.req_header()).map_or(Framing::Open, Framing::Length)
}
