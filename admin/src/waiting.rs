//! Waiting until a change is live: `Prefer: wait=2` (RFC 7240) or `?wait=all&timeout=2s`.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use control::Control;
use control::gateways::{self, Gateway, MAX_WAIT, WaitFor};
use model::{Code, Errors};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::problem::Problem;
use crate::query::Query;
use crate::reply::Reply;

/// How long to wait when it is not said.
const DEFAULT: Duration = Duration::from_secs(2);

/// For whom a writer waits, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait {
    /// For which gateways.
    pub(crate) wait_for: WaitFor,
    /// How long.
    pub(crate) timeout: Duration,
    preferred: bool,
}

/// The answer when the time was over before all gateways ran the change. The change itself is done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Pending {
    /// The revision that they do not run yet.
    revision: i64,
    /// The gateways that are behind.
    waiting_for: Vec<Gateway>,
    /// What would have been answered; `null` for a deletion.
    #[schema(value_type = Option<Object>)]
    result: Value,
}

impl Wait {
    /// What a request asks for; the query counts more than the header.
    pub(crate) fn read(query: &Query, headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let wait_for = match query.get("wait") {
            Some("any") => Some(WaitFor::Any),
            Some(_) => Some(WaitFor::All),
            None => None,
        };
        let timeout = query.get("timeout").map(duration).transpose()?;
        match (wait_for, timeout) {
            (Some(wait_for), timeout) => {
                let timeout = timeout.unwrap_or(DEFAULT);
                Ok(Some(Self {
                    wait_for,
                    timeout,
                    preferred: false,
                }))
            }
            (None, Some(_)) => Err(invalid("counts only together with `wait`")),
            (None, None) => Ok(preferred(headers)),
        }
    }

    /// Holds an answer until the gateways run its revision, or the time is over.
    pub(crate) async fn hold(self, control: &Control, revision: i64, reply: Reply) -> Reply {
        let behind = match gateways::wait(control, revision, self.wait_for, self.timeout).await {
            Ok(behind) => behind,
            Err(error) => {
                // The change is done, which is what the answer says; only how far it came is not known.
                tracing::warn!(%error, revision, "could not wait for the gateways");
                return reply;
            }
        };
        let reply = if self.preferred {
            reply.with_text("preference-applied", &format!("wait={}", self.timeout.as_secs()))
        } else {
            reply
        };
        if behind.is_empty() {
            return reply;
        }
        let pending = Pending {
            revision,
            waiting_for: behind,
            result: reply.value(),
        };
        reply.replaced(StatusCode::ACCEPTED, &pending)
    }
}

/// `Prefer: wait=N`; what is not understood is no preference, as the RFC has it.
fn preferred(headers: &HeaderMap) -> Option<Wait> {
    let values = headers.get_all("prefer").filter_map(|value| value.to_str().ok());
    let seconds = values
        .flat_map(|value| value.split([',', ';']))
        .find_map(|part| part.trim().strip_prefix("wait=")?.trim_matches('"').parse::<u64>().ok())?;
    Some(Wait {
        wait_for: WaitFor::All,
        timeout: Duration::from_secs(seconds).min(MAX_WAIT),
        preferred: true,
    })
}

/// Reads `2s`, `500ms` or `2`.
pub(crate) fn duration(text: &str) -> Result<Duration, Problem> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let milliseconds = match unit {
        "ms" => digits.parse::<u64>().ok(),
        "s" | "" => digits.parse::<u64>().ok().and_then(|seconds| seconds.checked_mul(1000)),
        _ => None,
    };
    let timeout = milliseconds
        .map(Duration::from_millis)
        .filter(|timeout| *timeout <= MAX_WAIT);
    timeout.ok_or_else(|| invalid("must be a time like `2s` or `500ms`, at most `30s`"))
}

fn invalid(message: &str) -> Problem {
    control::Error::InvalidQuery(Errors::one("timeout", Code::Invalid, message)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    fn prefer(value: &'static str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static("prefer"), HeaderValue::from_static(value));
        preferred(&headers).map(|wait| wait.timeout)
    }

    #[test]
    fn a_preference_is_read_among_others() {
        assert_eq!(prefer("respond-async, wait=10"), Some(Duration::from_secs(10)));
        assert_eq!(prefer("wait=99999999999"), Some(MAX_WAIT));
        for value in ["wait", "wait=x", "wait=-1", "respond-async"] {
            assert_eq!(prefer(value), None, "{value}");
        }
    }

    #[test]
    fn times_have_units_and_an_end() {
        assert_eq!(duration("500ms").ok(), Some(Duration::from_millis(500)));
        assert_eq!(duration("2").ok(), Some(Duration::from_secs(2)));
        for text in [
            "",
            "s",
            "1h",
            "31s",
            "-1s",
            "99999999999999999999s",
            "18446744073709551615s",
            "é",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
