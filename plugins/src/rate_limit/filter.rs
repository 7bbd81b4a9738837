//! What is done with each request.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue};
use model::id::PluginId;
use model::reason::Reason;

use super::config::{Limit, LimitBy, RateLimit, per};
use super::gcra::{Decision, Moment, Quota};
use crate::counters::{CounterKey, Counters};
use crate::exchange::{Answer, Exchange, Facts, Flow, Outcome, Refusal};
use crate::plugin::{Context, Filter};

const SECOND: u64 = 1_000_000_000;
// draft-ietf-httpapi-ratelimit-headers-10: both are structured fields, lists of limits.
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

pub(super) struct LimitFilter {
    instance: PluginId,
    limits: Vec<(Limit, Quota)>,
    policy: HeaderValue,
    counters: Arc<Counters>,
}

impl LimitFilter {
    pub(super) fn new(config: &RateLimit, context: &Context<'_>) -> Self {
        let policy = |limit: &Limit| format!("\"{}\";q={};w={}", name(limit), limit.requests, limit.window_seconds);
        let policy = config.limits.iter().map(policy).collect::<Vec<_>>().join(", ");
        let quota = |limit: &Limit| (*limit, Quota::new(limit.requests, limit.window_seconds));
        Self {
            instance: context.instance,
            limits: config.limits.iter().map(quota).collect(),
            policy: HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("")),
            counters: context.services.counters.clone(),
        }
    }

    fn decide(&self, facts: &mut Facts) -> Flow {
        let counter = |(limit, quota): &(Limit, Quota)| (self.counter(limit, facts), *quota);
        let counters: Vec<(CounterKey, Quota)> = self.limits.iter().map(counter).collect();
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
            Some(((limit, _), decision)) => refuse(limit, *decision),
            None => Flow::Continue,
        }
    }

    fn counter(&self, limit: &Limit, facts: &Facts) -> CounterKey {
        let (by, subject) = subject(limit.by, facts);
        CounterKey {
            instance: self.instance.0,
            by,
            window: limit.window_seconds,
            subject,
        }
    }

    fn state(&self, decisions: &[Decision]) -> HeaderValue {
        let mut text = String::with_capacity(self.limits.len() * 32);
        for ((limit, _), decision) in self.limits.iter().zip(decisions) {
            let separator = if text.is_empty() { "" } else { ", " };
            let reset = decision.reset_after.div_ceil(SECOND);
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "{separator}\"{}\";r={};t={reset}",
                name(limit),
                decision.remaining
            );
        }
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
    }
}

impl Filter for LimitFilter {
    fn on_request<'a>(&'a self, exchange: &'a mut Exchange<'_>) -> Outcome<'a> {
        Outcome::Ready(self.decide(exchange.facts))
    }
}

/// Unique among the limits of an instance.
fn name(limit: &Limit) -> String {
    format!("{}-{}s", limit.by.as_str(), limit.window_seconds)
}

/// Whose allowance a request uses; callers that are not known are told apart by address.
fn subject(by: LimitBy, facts: &Facts) -> (LimitBy, u128) {
    let identity = facts.identity.as_ref().filter(|identity| !identity.is_anonymous());
    let known = match by {
        LimitBy::Consumer => identity.map(|identity| identity.consumer.id.0.as_u128()),
        LimitBy::Credential => identity
            .and_then(|identity| identity.credential)
            .map(|credential| credential.0.as_u128()),
        LimitBy::Route => Some(facts.route.0.as_u128()),
        LimitBy::Ip => None,
    };
    known.map_or_else(|| (LimitBy::Ip, address(facts.client_ip)), |known| (by, known))
}

fn address(ip: IpAddr) -> u128 {
    match ip.to_canonical() {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits() >> 64 << 64,
    }
}

fn refuse(limit: &Limit, decision: Decision) -> Flow {
    let seconds = decision.retry_after.div_ceil(SECOND).max(1);
    let detail = format!(
        "More than {} requests {}; try again in {seconds} s.",
        limit.requests,
        per(limit.window_seconds)
    );
    let headers = vec![(RETRY_AFTER, HeaderValue::from(seconds))];
    Flow::Respond(Box::new(Answer::Refusal(Refusal {
        reason: Reason::RateLimited,
        detail: detail.into(),
        headers,
    })))
}
