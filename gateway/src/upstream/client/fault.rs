//! Why a service gave no whole answer.

use std::borrow::Cow;
use std::fmt;

use h2::Reason as Code;

use crate::upstream::Failure;

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
    /// Whether the time for the whole exchange was over.
    pub(crate) total: bool,
    /// Whether it says nothing about the target.
    pub(crate) blameless: bool,
    /// Whether there was no target at all.
    pub(crate) nobody: bool,
    /// Whether that is so because its targets may not be reached.
    pub(crate) forbidden: bool,
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
            total: false,
            blameless: false,
            nobody: false,
            forbidden: false,
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
