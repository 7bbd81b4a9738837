//! One request of HTTP/1 on its connection: how far it came, and what may be waited for.

use tokio::time::Instant;

use crate::guard::http1::Framing;
use crate::guard::{BodyPace, HEAD_TIME, Rule};

/// How an interim answer begins, and the one after which the connection speaks another protocol.
const INTERIM: &[u8] = b"HTTP/1.1 1";
const SWITCH: &[u8] = b"HTTP/1.1 101";

/// One request at a time.
#[derive(Debug, Default)]
pub(super) struct Http1 {
    pub(super) framing: Framing,
    /// How many of the bytes that were read may be given.
    pub(super) allowed: usize,
    /// When the head began that is not whole yet.
    head_since: Option<Instant>,
    body_pace: BodyPace,
    /// An interim answer was sent.
    interim: bool,
    /// The answer has begun.
    pub(super) answered: bool,
}

impl Http1 {
    /// Notes that so much was read.
    pub(super) fn received(&mut self, count: usize) {
        self.body_pace.received(count, Instant::now);
    }

    /// When to look again whether the client has sent more, or the rule that it has broken by then; none while the time is
    /// not the client's. `unread` says whether bytes of it wait to be looked at.
    pub(super) fn wait(&mut self, unread: bool) -> Option<Result<Instant, Rule>> {
        let in_head = self.framing.in_head();
        let idle = in_head && !unread;
        if idle || self.framing.is_over() || self.waits_for_us() {
            return None;
        }
        let now = Instant::now();
        if !in_head {
            return Some(self.body_pace.waiting(now));
        }
        let end = *self.head_since.get_or_insert(now) + HEAD_TIME;
        Some(if now < end { Ok(end) } else { Err(Rule::HeadTime) })
    }

    /// Notes what was sent; whether another protocol takes over after it.
    pub(super) fn sent(&mut self, bytes: &[u8]) -> bool {
        if self.answered || bytes.is_empty() {
            return false;
        }
        let upgrade = self.framing.request().is_some_and(|request| request.upgrade);
        if bytes.starts_with(SWITCH) {
            self.answered = true;
            return upgrade && self.framing.is_over() && self.allowed == 0;
        }
        if bytes.starts_with(INTERIM) {
            self.interim = true;
        } else {
            self.answered = true;
        }
        false
    }

    /// Whether the client waits for leave to send the body.
    fn waits_for_us(&self) -> bool {
        let expects = self.framing.request().is_some_and(|request| request.expects_continue);
        expects && !self.interim && !self.answered
    }
}
