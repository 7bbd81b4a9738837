//! When a service's requests are tried again, and which are copied to another service.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::ServiceId;
use crate::validation::{Code, Errors};

/// The most retries after the first attempt.
const MAX_RETRIES: u8 = 5;

/// How an attempt ended that may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub enum RetryOn {
    /// No connection could be made; nothing was sent.
    #[serde(rename = "connect_failure")]
    ConnectFailure,
    /// The connection broke before the response began.
    #[serde(rename = "reset")]
    Reset,
    /// The response did not begin in time.
    #[serde(rename = "timeout")]
    Timeout,
    /// The answer was 502.
    #[serde(rename = "502")]
    Status502,
    /// The answer was 503.
    #[serde(rename = "503")]
    Status503,
    /// The answer was 504.
    #[serde(rename = "504")]
    Status504,
}

impl RetryOn {
    /// The condition that this status is.
    pub const fn of_status(status: u16) -> Option<Self> {
        match status {
            502 => Some(Self::Status502),
            503 => Some(Self::Status503),
            504 => Some(Self::Status504),
            _ => None,
        }
    }
}

/// When requests are tried again at another target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Retry {
    /// Attempts after the first one.
    pub retries: u8,
    /// What is tried again. Requests that are not idempotent only are when nothing was sent yet.
    #[serde(default = "retry_on")]
    pub retry_on: Vec<RetryOn>,
    /// How many retries there may be for a hundred requests.
    #[serde(default = "budget_percent")]
    pub retry_budget_percent: u8,
    /// How many retries a second there may be in any case.
    #[serde(default = "budget_minimum")]
    pub retry_budget_min_per_second: u16,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            retries: 1,
            retry_on: retry_on(),
            retry_budget_percent: budget_percent(),
            retry_budget_min_per_second: budget_minimum(),
        }
    }
}

fn retry_on() -> Vec<RetryOn> {
    vec![RetryOn::ConnectFailure, RetryOn::Reset]
}

const fn budget_percent() -> u8 {
    20
}

const fn budget_minimum() -> u16 {
    10
}

impl Retry {
    pub(super) fn validate(draft: &super::ServiceDraft, errors: &mut Errors) -> Self {
        let usual = Self::default();
        let mut retry_on = draft.retry_on.clone().unwrap_or(usual.retry_on);
        retry_on.sort_unstable();
        retry_on.dedup();
        let retry = Self {
            retries: draft.retries.unwrap_or(usual.retries),
            retry_on,
            retry_budget_percent: draft.retry_budget_percent.unwrap_or(usual.retry_budget_percent),
            retry_budget_min_per_second: draft
                .retry_budget_min_per_second
                .unwrap_or(usual.retry_budget_min_per_second),
        };
        if retry.retries > MAX_RETRIES {
            errors.add("retries", Code::OutOfRange, format!("must be 0 to {MAX_RETRIES}"));
        }
        if retry.retry_budget_percent > 100 {
            errors.add("retry_budget_percent", Code::OutOfRange, "must be 0 to 100 percent");
        }
        if retry.retry_budget_min_per_second > 10_000 {
            errors.add("retry_budget_min_per_second", Code::OutOfRange, "must be 0 to 10000");
        }
        retry
    }
}

/// Which requests are copied to another service, as it is sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MirrorDraft {
    /// Id or name of the service that gets the copies; its answers are thrown away.
    pub service: Option<String>,
    /// How many of a hundred requests are copied, 0 to 100; default 100.
    pub percent: Option<f64>,
}

/// Which requests are copied to another service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Mirror {
    /// The service that gets the copies.
    pub service: ServiceId,
    /// How many of a hundred requests are copied.
    pub percent: f64,
}

impl Mirror {
    pub(super) fn validate(draft: &MirrorDraft, errors: &mut Errors) -> Option<Self> {
        let percent = draft.percent.unwrap_or(100.0);
        if !(0.0..=100.0).contains(&percent) {
            errors.add("mirror.percent", Code::OutOfRange, "must be 0 to 100");
        }
        let Some(service) = draft.service.as_deref().filter(|text| !text.trim().is_empty()) else {
            errors.add(
                "mirror.service",
                Code::Required,
                "is required: the id or name of a service",
            );
            return None;
        };
        let service = service
            .parse()
            .map_err(|_| errors.add("mirror.service", Code::Invalid, "must be an id"))
            .ok()?;
        Some(Self { service, percent })
    }
}
