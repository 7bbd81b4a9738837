//! What is done with each request.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue};
use model::id::PluginId;
use model::reason::Reason;
use smallvec::SmallVec;

use super::config::{Limit, LimitBy, RateLimit, per};
use super::gcra::{Decision, Moment, Quota};
use crate::counters::{CounterKey, Counters, INLINE};
use crate::exchange::{Answer, Exchange, Facts, Flow, Outcome, Refusal};
use crate::plugin::{Context, Filter};

const SECOND: u64 = 1_000_000_000;
// draft-ietf-httpapi-ratelimit-headers-10: both are structured fields, lists of limits.
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

pub(super) struct LimitFilter {
    instance: PluginId,
    limits: Vec<Compiled>,
    policy: HeaderValue,
    counters: Arc<Counters>,
}

struct Compiled {
    by: LimitBy,
    window_seconds: u32,
    quota: Quota,
    name: String,
    /// Why a request is refused, but for the time to wait.
    refusal: String,
}

impl Compiled {
    fn new(limit: &Limit) -> Self {
        Self {
            by: limit.by,
            window_seconds: limit.window_seconds,
            quota: Quota::new(limit.requests, limit.window_seconds),
            name: limit.name().into_owned(),
            refusal: format!(
                "More than {} request{} {}",
                limit.requests,
                if limit.requests == 1 { "" } else { "s" },
                per(limit.window_seconds)
            ),
        }
    }
}

impl LimitFilter {
    pub(super) fn new(config: &RateLimit, context: &Context<'_>) -> Result<Self, String> {
        let policy = |limit: &Limit| format!("\"{}\";q={};w={}", limit.name(), limit.requests, limit.window_seconds);
        let policy = config.limits.iter().map(policy).collect::<Vec<_>>().join(", ");
        Ok(Self {
            instance: context.instance,
            limits: config.limits.iter().map(Compiled::new).collect(),
            policy: HeaderValue::try_from(policy).map_err(|error| error.to_string())?,
            counters: context.services.counters.clone(),
        })
    }

    fn decide(&self, facts: &mut Facts) -> Flow {
        let counters: SmallVec<[(CounterKey, Quota); INLINE]> = self
            .limits
            .iter()
            .map(|limit| (self.counter(limit, facts), limit.quota))
            .collect();
        let now = Moment::at(u64::try_from(facts.received_at.unix_timestamp_nanos()).unwrap_or_default());
        let decisions = self.counters.decide(&counters, now);
        facts.response_headers.push((RATELIMIT_POLICY, self.policy.clone()));
        facts.response_headers.push((RATELIMIT, self.state(&decisions)));
        let refused = self
            .limits
            .iter()
            .zip(&decisions)
            .filter(|(_, decision)| !decision.admitted);
        match refused.max_by_key(|(_, decision)| decision.retry_after) {
            Some((limit, decision)) => refuse(limit, *decision),
            None => Flow::Continue,
        }
    }

    fn counter(&self, limit: &Compiled, facts: &Facts) -> CounterKey {
        CounterKey {
            instance: self.instance.0,
            by: limit.by,
            window: limit.window_seconds,
            subject: subject(limit.by, facts),
        }
    }

    fn state(&self, decisions: &[Decision]) -> HeaderValue {
        let mut text = String::with_capacity(self.limits.len() * 32);
        for (limit, decision) in self.limits.iter().zip(decisions) {
            let separator = if text.is_empty() { "" } else { ", " };
            let reset = decision.reset_after.div_ceil(SECOND);
            // Writing to a string cannot fail.
            let _ = write!(text, "{separator}\"{}\";r={};t={reset}", limit.name, decision.remaining);
        }
        // Names were checked as part of the policy; the rest is digits.
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
    }
}

impl Filter for LimitFilter {
    fn on_request<'a>(&'a self, exchange: &'a mut Exchange<'_>) -> Outcome<'a> {
        Outcome::Ready(self.decide(exchange.facts))
    }
}

/// Whose allowance a request uses; callers that are not known are told apart by address.
///
/// An id is a UUID, whose variant bits are set; in an address as it is counted here they never are.
fn subject(by: LimitBy, facts: &Facts) -> u128 {
    let identity = facts.identity.as_ref().filter(|identity| !identity.is_anonymous());
    let id = match by {
        LimitBy::Consumer => identity.map(|identity| identity.consumer.id.0),
        LimitBy::Credential => identity
            .and_then(|identity| identity.credential)
            .map(|credential| credential.0),
        LimitBy::Route => Some(facts.route.0),
        LimitBy::Ip => None,
        LimitBy::Global => return 0,
    };
    id.map_or_else(|| address(facts.client_ip), |id| id.as_u128())
}

fn address(ip: IpAddr) -> u128 {
    match ip.to_canonical() {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits() >> 64 << 64,
    }
}

fn refuse(limit: &Compiled, decision: Decision) -> Flow {
    let seconds = decision.retry_after.div_ceil(SECOND).max(1);
    Flow::Respond(Box::new(Answer::Refusal(Refusal {
        reason: Reason::RateLimited,
        detail: format!("{}; try again in {seconds} s.", limit.refusal).into(),
        headers: vec![(RETRY_AFTER, HeaderValue::from(seconds))],
    })))
}
