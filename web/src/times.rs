//! Times as pages show them.

use std::fmt;

use askama::filters::HtmlSafe;
use model::clock::Timestamp;
use time::format_description::well_known::Rfc3339;

use crate::text;

/// A time as pages show it: how long ago, with the exact one to hover and to copy.
pub fn time(time: Timestamp, now: Timestamp) -> Time {
    Time { time, now }
}

/// A relative time.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    time: Timestamp,
    now: Timestamp,
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = self.time.format(&Rfc3339).unwrap_or_default();
        let (exact, relative) = (text::exact(self.time), text::relative(self.time, self.now));
        write!(
            f,
            r#"<time datetime="{machine}" title="{exact}" data-relative>{relative}</time>"#
        )
    }
}

impl HtmlSafe for Time {}
