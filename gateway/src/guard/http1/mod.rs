//! Where requests begin and end on an HTTP/1 connection, by a grammar that leaves no two readings.
//!
//! It is stricter than RFC 9112 where leniency is what attacks are made of: CR LF ends lines and nothing else does,
//! `Content-Length` is digits after at most one space, `Transfer-Encoding` is `chunked`, chunks have no extensions.
//! Every byte is looked at once, however the client cuts them.

mod chunks;
mod head;
mod line;

use super::rule::Rule;
use chunks::Chunks;
use head::Head;

/// What the head of a request says about the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// How long the body is.
    pub body: Body,
    /// Whether it asks for a protocol that the gateway lets through.
    pub upgrade: bool,
    /// Whether the body comes only after an interim answer.
    pub expects_continue: bool,
}

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    None,
    /// After so many bytes.
    Length(u64),
    /// After the last chunk.
    Chunked,
}

/// The framing of one request after the other.
#[derive(Debug)]
pub struct Framing {
    state: State,
    request: Option<Request>,
}

#[derive(Debug)]
enum State {
    Head(Head),
    Length(u64),
    Chunks(Chunks),
    End,
}

impl Default for Framing {
    fn default() -> Self {
        Self {
            state: State::Head(Head::default()),
            request: None,
        }
    }
}

impl Framing {
    /// Looks at the bytes that were not passed yet, and says how many of them may pass: none while the head is not
    /// whole, nor after the end of the request.
    ///
    /// A call begins where the last one's passed bytes ended. Each passes what belongs to one part of a request; more may
    /// pass in the next call.
    pub fn examine(&mut self, bytes: &[u8]) -> Result<usize, Rule> {
        match &mut self.state {
            State::Head(head) => {
                let Some(length) = head.examine(bytes)? else {
                    return Ok(0);
                };
                let request = head.request();
                self.request = Some(request);
                self.state = match request.body {
                    Body::None => State::End,
                    Body::Length(length) => State::Length(length),
                    Body::Chunked => State::Chunks(Chunks::default()),
                };
                Ok(length)
            }
            State::Length(left) => {
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= u64::try_from(count).unwrap_or(*left);
                if *left == 0 {
                    self.state = State::End;
                }
                Ok(count)
            }
            State::Chunks(chunks) => {
                let (count, over) = chunks.examine(bytes)?;
                if over {
                    self.state = State::End;
                }
                Ok(count)
            }
            State::End => Ok(0),
        }
    }

    /// Passes as much as may pass of these bytes.
    pub fn pass(&mut self, bytes: &[u8]) -> Result<usize, Rule> {
        let mut passed = 0;
        while passed < bytes.len() {
            match self.examine(&bytes[passed..]) {
                Ok(0) => break,
                Ok(count) => passed += count,
                // What came before it passes first; the next look finds it again.
                Err(_) if passed > 0 => break,
                Err(rule) => return Err(rule),
            }
        }
        Ok(passed)
    }

    /// The request whose head has passed.
    pub fn request(&self) -> Option<&Request> {
        self.request.as_ref()
    }

    /// Whether the next byte is in a head.
    pub fn in_head(&self) -> bool {
        matches!(self.state, State::Head(_))
    }

    /// Whether the whole request has passed.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::End)
    }

    /// Begins with the next request, after the answer to this one.
    pub fn next(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests;
