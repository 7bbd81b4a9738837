//! Why a service gave no whole answer.

use std::borrow::Cow;
use std::fmt;

use h2::Reason as Code;

/// What went wrong, as far as balancing and answers care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// No connection could be made.
    Connect,
    /// The TLS handshake failed: an untrusted certificate, another name, no common version.
    Tls,
    /// It did not answer in time.
    Timeout,
    /// It broke the connection off.
    Reset,
    /// What it sent is no answer, or could be read in two ways.
    BadAnswer,
}

/// A failure with its particulars.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// Which kind.
    pub(crate) failure: Failure,
    /// The particulars, for the log; never for the client.
    pub(crate) detail: Cow<'static, str>,
    /// Whether it is certain that the service has not begun to work on the request.
    pub(crate) unsent: bool,
    /// Whether it came on a connection that had been idle, before any byte of an answer: the service may just have
    /// closed it.
    pub(crate) stale: bool,
    /// Whether there was no target at all.
    pub(crate) nobody: bool,
    /// The code by which the service broke the stream, over HTTP/2.
    pub(crate) code: Option<Code>,
}

impl Fault {
    /// A failure after the request went out.
    pub(crate) fn new(failure: Failure, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            failure,
            detail: detail.into(),
            unsent: false,
            stale: false,
            nobody: false,
            code: None,
        }
    }

    /// A failure before anything was sent.
    pub(crate) fn unsent(failure: Failure, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            unsent: true,
            ..Self::new(failure, detail)
        }
    }

    pub(crate) fn bad_answer(detail: &'static str) -> Self {
        Self::new(Failure::BadAnswer, detail)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}
