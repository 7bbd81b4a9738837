//! What people set.

use std::borrow::Cow;

use model::plan::PlanLimit;
use model::{Code, Errors};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::filter::LimitFilter;
use crate::plugin::{Combine, Context, Filter, Phase, Plugin};

/// How many requests may come in how much time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Rate limit")]
pub struct RateLimit {
    /// The limits, all of which hold. A request that one of them refuses is not counted by the others.
    #[schemars(title = "Limits", length(min = 1, max = 5))]
    pub limits: Vec<Limit>,
}

/// So many requests in so many seconds, for each of something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Limit")]
pub struct Limit {
    /// How many requests. All of them may come at once; the allowance then comes back evenly over the window.
    #[schemars(title = "Requests", range(min = 1, max = 4_294_967_295_u32), example = 600)]
    pub requests: u32,
    /// The window, in seconds; at most 31 days.
    #[schemars(title = "Window", range(min = 1, max = 2_678_400), example = 60)]
    pub window_seconds: u32,
    /// What has an allowance of its own.
    #[serde(default)]
    #[schemars(title = "For each")]
    pub by: LimitBy,
    /// What callers see in the `RateLimit` headers; when left out, a name such as `consumer-60s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Name", length(min = 1, max = 32), example = &"burst")]
    pub name: Option<String>,
}

/// What has an allowance of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(title = "For each")]
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
    /// Everything that this instance applies to, together.
    Global,
}

impl LimitBy {
    /// The word in JSON and in the `RateLimit` headers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Credential => "credential",
            Self::Ip => "ip",
            Self::Route => "route",
            Self::Global => "global",
        }
    }

    /// The words of a sentence: `600 per minute for each consumer`.
    const fn words(self) -> &'static str {
        match self {
            Self::Consumer => "for each consumer",
            Self::Credential => "for each credential",
            Self::Ip => "for each address",
            Self::Route => "for each route",
            Self::Global => "for all together",
        }
    }
}

impl Limit {
    /// What callers see in the `RateLimit` headers.
    pub(super) fn name(&self) -> Cow<'_, str> {
        match &self.name {
            Some(name) => name.into(),
            None => format!("{}-{}s", self.by.as_str(), self.window_seconds).into(),
        }
    }
}

impl RateLimit {
    /// The limits of a plan, each for every consumer of it; of two for the same window the smaller one.
    pub fn for_plan(limits: &[PlanLimit]) -> Self {
        let mut smallest: Vec<PlanLimit> = Vec::with_capacity(limits.len());
        for limit in limits {
            match smallest
                .iter_mut()
                .find(|known| known.window_seconds == limit.window_seconds)
            {
                Some(known) => known.requests = known.requests.min(limit.requests),
                None => smallest.push(*limit),
            }
        }
        let limit = |limit: PlanLimit| Limit {
            requests: limit.requests,
            window_seconds: limit.window_seconds,
            by: LimitBy::Consumer,
            name: Some(format!("plan-{}s", limit.window_seconds)),
        };
        Self {
            limits: smallest.into_iter().map(limit).collect(),
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
        for (index, limit) in self.limits.iter().enumerate() {
            let earlier = &self.limits[..index];
            if earlier
                .iter()
                .any(|other| (other.by, other.window_seconds) == (limit.by, limit.window_seconds))
            {
                let message = "is the window of an earlier limit for the same `by`; keep the smaller of the two";
                errors.add(format!("limits.{index}.window_seconds"), Code::Conflict, message);
            }
            let path = || format!("limits.{index}.name");
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if !limit.name().bytes().all(plain) {
                errors.add(path(), Code::Invalid, "must be lower-case letters, digits and hyphens");
            }
            if earlier.iter().any(|other| other.name() == limit.name()) {
                errors.add(path(), Code::Conflict, "is the name of an earlier limit");
            }
        }
    }

    fn describe(&self) -> String {
        let sentence = |limit: &Limit| format!("{} {} {}", limit.requests, per(limit.window_seconds), limit.by.words());
        self.limits.iter().map(sentence).collect::<Vec<_>>().join(", ")
    }

    fn filter(self, context: &Context<'_>) -> Result<Box<dyn Filter>, String> {
        Ok(Box::new(LimitFilter::new(&self, context)?))
    }
}

/// A window in words: `per minute`, `per 10 seconds`.
pub(super) fn per(seconds: u32) -> String {
    match seconds {
        1 => "per second".to_owned(),
        60 => "per minute".to_owned(),
        3_600 => "per hour".to_owned(),
        86_400 => "per day".to_owned(),
        other if other % 86_400 == 0 => format!("per {} days", other / 86_400),
        other if other % 3_600 == 0 => format!("per {} hours", other / 3_600),
        other if other % 60 == 0 => format!("per {} minutes", other / 60),
        other => format!("per {other} seconds"),
    }
}
