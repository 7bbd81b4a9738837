//! What people set.

use model::plan::PlanLimit;
use model::{Code, Errors};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::filter::LimitFilter;
use crate::plugin::{Combine, Context, Filter, Phase, Plugin};

/// The most limits of one instance.
const MAX_LIMITS: usize = 5;
/// The longest window: 31 days, in seconds.
const MAX_WINDOW: u32 = 2_678_400;

/// How many requests may come in how much time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Rate limit")]
pub struct RateLimit {
    /// The limits, all of which hold. A request that one of them refuses is not counted by the others.
    #[schemars(length(min = 1, max = 5))]
    pub limits: Vec<Limit>,
}

/// So many requests in so many seconds, for each of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Limit")]
pub struct Limit {
    /// How many requests. All of them may come at once; the allowance then comes back evenly over the window.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub requests: u32,
    /// The window, in seconds.
    #[schemars(range(min = 1, max = 2_678_400))]
    pub window_seconds: u32,
    /// What has an allowance of its own.
    #[serde(default)]
    pub by: LimitBy,
}

/// What has an allowance of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitBy {
    /// Each consumer; callers without one are told apart by address.
    #[default]
    Consumer,
    /// Each credential; callers without one are told apart by address.
    Credential,
    /// Each client address; IPv6 addresses by their first 64 bits, which one client usually has to itself.
    Ip,
    /// Each route, whoever calls.
    Route,
}

impl LimitBy {
    /// The word in JSON and in the `RateLimit` headers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Credential => "credential",
            Self::Ip => "ip",
            Self::Route => "route",
        }
    }
}

impl RateLimit {
    /// The limits of a plan, each for every consumer of it.
    pub fn for_plan(limits: &[PlanLimit]) -> Self {
        let limit = |limit: &PlanLimit| Limit {
            requests: limit.requests,
            window_seconds: limit.window_seconds,
            by: LimitBy::Consumer,
        };
        Self {
            limits: limits.iter().map(limit).collect(),
        }
    }
}

impl Plugin for RateLimit {
    const NAME: &'static str = "rate-limit";
    const TITLE: &'static str = "Rate limit";
    const SUMMARY: &'static str = "How many requests may come in how much time.";
    const ICON: &'static str = "gauge";
    const PHASE: Phase = Phase::Limit;
    const COMBINE: Combine = Combine::All;

    fn validate(&self, errors: &mut Errors) {
        if self.limits.is_empty() {
            errors.add("limits", Code::Required, "needs at least one limit");
        }
        if self.limits.len() > MAX_LIMITS {
            errors.add("limits", Code::OutOfRange, format!("has more than {MAX_LIMITS} limits"));
        }
        for (index, limit) in self.limits.iter().enumerate() {
            if !(1..=1_000_000_000).contains(&limit.requests) {
                errors.add(
                    format!("limits.{index}.requests"),
                    Code::OutOfRange,
                    "must be 1 to 1000000000",
                );
            }
            if !(1..=MAX_WINDOW).contains(&limit.window_seconds) {
                let message = format!("must be 1 to {MAX_WINDOW} (31 days)");
                errors.add(format!("limits.{index}.window_seconds"), Code::OutOfRange, message);
            }
            let same = |other: &Limit| (other.by, other.window_seconds) == (limit.by, limit.window_seconds);
            if self.limits[..index].iter().any(same) {
                let message = "is the window of an earlier limit for the same `by`; keep the smaller of the two";
                errors.add(format!("limits.{index}.window_seconds"), Code::Conflict, message);
            }
        }
    }

    fn describe(&self) -> String {
        let sentence = |limit: &Limit| {
            let by = if limit.by == LimitBy::Ip {
                "address"
            } else {
                limit.by.as_str()
            };
            format!("{} {} for each {by}", limit.requests, per(limit.window_seconds))
        };
        self.limits.iter().map(sentence).collect::<Vec<_>>().join(", ")
    }

    fn filter(self, context: &Context<'_>) -> Result<Box<dyn Filter>, String> {
        Ok(Box::new(LimitFilter::new(&self, context)))
    }
}

/// A window in words: `per minute`, `per 10 s`.
pub(super) fn per(seconds: u32) -> String {
    match seconds {
        1 => "per second".to_owned(),
        60 => "per minute".to_owned(),
        3_600 => "per hour".to_owned(),
        86_400 => "per day".to_owned(),
        other => format!("per {other} s"),
    }
}
