//! What a route sets for the requests that it takes: times, sizes, and what is recorded of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{RouteDraft, RouteSpec};
use crate::validation::{Code, Errors, unknown_word};

/// The largest body unless a route says otherwise: 10 MiB.
pub const DEFAULT_BODY_BYTES: u64 = 10 * 1024 * 1024;
/// The longest timeout, in milliseconds: one hour.
const MAX_TIMEOUT_MS: u32 = 3_600_000;

/// Which requests of a route are written to the access log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessLog {
    /// As the gateway is set.
    #[default]
    Inherit,
    /// None.
    Off,
    /// Errors, and a sample of the others.
    Sampled,
    /// All.
    Full,
}

impl AccessLog {
    const ALL: [Self; 4] = [Self::Inherit, Self::Off, Self::Sampled, Self::Full];

    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inherit => "inherit",
            Self::Off => "off",
            Self::Sampled => "sampled",
            Self::Full => "full",
        }
    }
}

/// The times that a route sets instead of its service's; `None` is the service's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// To open a connection.
    pub connect: Option<Duration>,
    /// To the response header.
    pub response: Option<Duration>,
    /// The longest silence between two reads or writes.
    pub idle: Option<Duration>,
    /// From the request's head to the end of the response, retries included; `None` is without bound.
    pub total: Option<Duration>,
}

impl RouteSpec {
    /// The times that it sets.
    pub fn timeouts(&self) -> Timeouts {
        let time = |value: Option<u32>| value.map(|value| Duration::from_millis(u64::from(value)));
        Timeouts {
            connect: time(self.connect_timeout_ms),
            response: time(self.response_timeout_ms),
            idle: time(self.idle_timeout_ms),
            total: time(self.timeout_ms),
        }
    }

    /// The largest body of a request, in bytes; `None` is without bound.
    pub fn body_limit(&self) -> Option<u64> {
        Some(self.max_body_bytes).filter(|bytes| *bytes > 0)
    }
}

pub(super) const fn default_body_bytes() -> u64 {
    DEFAULT_BODY_BYTES
}

/// Reports timeouts and a sampling share that are out of bounds.
pub(super) fn validate(draft: &RouteDraft, errors: &mut Errors) {
    let timeouts = [
        ("connect_timeout_ms", draft.connect_timeout_ms),
        ("response_timeout_ms", draft.response_timeout_ms),
        ("idle_timeout_ms", draft.idle_timeout_ms),
        ("timeout_ms", draft.timeout_ms),
    ];
    for (path, value) in timeouts {
        if value.is_some_and(|value| !(1..=MAX_TIMEOUT_MS).contains(&value)) {
            let message = format!("must be 1 to {MAX_TIMEOUT_MS} milliseconds, or left out for the service's");
            errors.add(path, Code::OutOfRange, message);
        }
    }
    if draft.trace_sampling.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
        let message = "must be from 0 (none) to 1 (all), such as 0.05 for one request in twenty";
        errors.add("trace_sampling", Code::OutOfRange, message);
    }
}

pub(super) fn validate_access_log(text: Option<&str>, errors: &mut Errors) -> Option<AccessLog> {
    let Some(text) = text else {
        return Some(AccessLog::default());
    };
    let found = AccessLog::ALL.into_iter().find(|choice| choice.as_str() == text);
    if found.is_none() {
        let message = unknown_word("choice", text, &AccessLog::ALL.map(AccessLog::as_str));
        errors.add("access_log", Code::Invalid, message);
    }
    found
}
