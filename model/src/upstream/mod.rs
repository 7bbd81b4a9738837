//! An upstream: a named pool of targets, and how it shares requests out among them.

mod balance;
mod health;
mod state;
mod target;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::UpstreamId;
use crate::name::{Name, validate_tags};
use crate::noun::{Kind, Noun};
use crate::validation::{Code, Errors};

pub(crate) use balance::validate_cookie_name;
pub use balance::{Algorithm, Balance, HashOn, StickyCookie};
pub use health::{ActiveHealth, Breaker, CheckKind, Health, PassiveHealth};
pub use state::{BreakerState, TargetChange, TargetEvent, TargetHealth, TargetState};
pub use target::{Address, TargetDraft, TargetSpec};

/// The share of healthy targets below which health is not believed any more, in percent.
const PANIC_THRESHOLD: u8 = 50;

crate::draft! {
    /// An upstream as it is sent; its targets are objects of their own.
    pub struct UpstreamDraft {
        /// Unique name.
        #[schema(example = "orders-eu")]
        pub name: Option<String>,
        /// Who gets the next request; default `round_robin`.
        pub algorithm: Option<Algorithm>,
        /// With `consistent_hash`: what of the request is hashed.
        pub hash_on: Option<HashOn>,
        /// The name of the header, cookie or query parameter that is hashed.
        pub hash_name: Option<String>,
        /// What is hashed when a request has nothing to hash: `consumer`, `ip` or `path`.
        pub hash_fallback: Option<HashOn>,
        /// With `sticky_cookie`: its name and how long it lives.
        pub sticky_cookie: Option<StickyCookie>,
        /// How long a new or recovered target takes to get its full share, in milliseconds; default 0, at once.
        pub slow_start_ms: Option<u32>,
        /// Checks of targets, and what is concluded from requests.
        pub health: Option<Health>,
        /// Below this share of healthy targets all of them are used, in percent; default 50, 0 never.
        pub panic_threshold: Option<u8>,
        /// When a service stops to ask a target that fails.
        pub breaker: Option<Breaker>,
        /// Labels to find and group by.
        pub tags: Vec<String>,
        /// Whether it serves; default true.
        pub enabled: Option<bool>,
    }
}

/// A valid upstream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UpstreamSpec {
    /// Unique name.
    pub name: Name,
    /// How requests are shared out.
    #[serde(flatten)]
    pub balance: Balance,
    /// How the health of targets is found out.
    #[serde(default)]
    pub health: Health,
    /// The share of healthy targets, in percent, below which all are used.
    #[serde(default = "panic_threshold")]
    pub panic_threshold: u8,
    /// When a service stops to ask a target that fails.
    #[serde(default)]
    pub breaker: Breaker,
    /// Labels.
    pub tags: Vec<String>,
    /// Whether it serves.
    pub enabled: bool,
}

const fn panic_threshold() -> u8 {
    PANIC_THRESHOLD
}

impl Noun for UpstreamSpec {
    type Id = UpstreamId;
    type Draft = UpstreamDraft;
    const KIND: Kind = Kind::Upstream;

    fn validate(draft: &UpstreamDraft, errors: &mut Errors) -> Option<Self> {
        let name = Name::validate(draft.name.as_deref(), errors);
        let balance = Balance::validate(draft, errors);
        let health = draft.health.clone().unwrap_or_default();
        health.validate(errors);
        let breaker = draft.breaker.clone().unwrap_or_default();
        breaker.validate(errors);
        let panic_threshold = draft.panic_threshold.unwrap_or(PANIC_THRESHOLD);
        if panic_threshold > 100 {
            errors.add("panic_threshold", Code::OutOfRange, "must be 0 to 100 percent");
        }
        let tags = validate_tags(&draft.tags, errors);
        Some(Self {
            name: name?,
            balance,
            health,
            panic_threshold,
            breaker,
            tags,
            enabled: draft.enabled.unwrap_or(true),
        })
    }

    fn name(&self) -> String {
        self.name.to_string()
    }

    fn tags(&self) -> &[String] {
        &self.tags
    }

    fn enabled(&self) -> bool {
        self.enabled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Draft;
    use serde_json::{Value, json};

    fn validate(body: Value) -> (Option<UpstreamSpec>, Errors) {
        let mut read = UpstreamDraft::read(&body);
        let spec = UpstreamSpec::validate(&read.draft, &mut read.errors);
        (spec, read.errors)
    }

    #[test]
    fn a_row_of_the_first_version_is_still_an_upstream() {
        let spec: UpstreamSpec =
            serde_json::from_value(json!({"name": "a", "tags": [], "enabled": true})).expect("readable");
        assert_eq!(spec.balance.algorithm, Algorithm::RoundRobin);
        assert_eq!(spec.panic_threshold, 50);
        assert!(spec.health.active.is_none() && spec.health.passive.enabled && spec.breaker.enabled);
    }

    #[test]
    fn a_spec_reads_back_as_its_draft() {
        for body in [
            json!({"name": "a"}),
            json!({"name": "a", "algorithm": "consistent_hash", "hash_on": "header", "hash_name": "x-user",
                   "hash_fallback": "ip", "health": {"active": {"kind": "tcp"}}, "breaker": {"enabled": false}}),
            json!({"name": "a", "algorithm": "sticky_cookie", "slow_start_ms": 30_000}),
        ] {
            let (spec, errors) = validate(body);
            assert!(errors.is_empty(), "{errors}");
            let (again, errors) = validate(serde_json::to_value(&spec).expect("json"));
            assert!(errors.is_empty(), "{errors}");
            assert_eq!(again, spec);
        }
    }

    #[test]
    fn checks_have_tls_settings_of_their_own_when_one_of_them_is_set() {
        let id = uuid::Uuid::nil();
        for (active, own) in [
            (json!({"kind": "https", "host": "a.example"}), false),
            (json!({"tls_verify": false}), true),
            (json!({"tls_server_name": "a.example"}), true),
            (json!({"ca_certificates": [id]}), true),
            (json!({"client_certificate": id}), true),
        ] {
            let active: ActiveHealth = serde_json::from_value(active).expect("checks");
            assert_eq!(active.tls().is_some(), own, "{active:?}");
        }
    }

    #[test]
    fn each_mistake_is_reported_at_its_member() {
        let table = [
            (json!({"algorithm": "fastest"}), "algorithm"),
            (json!({"algorithm": "consistent_hash"}), "hash_on"),
            (json!({"hash_on": "header"}), "hash_name"),
            (json!({"hash_on": "cookie", "hash_name": "a b"}), "hash_name"),
            (json!({"hash_on": "ip", "hash_fallback": "ip"}), "hash_fallback"),
            (json!({"hash_on": "ip", "hash_fallback": "query"}), "hash_fallback"),
            (json!({"sticky_cookie": {"name": "a;b"}}), "sticky_cookie.name"),
            (json!({"slow_start_ms": 3_600_001}), "slow_start_ms"),
            (json!({"panic_threshold": 101}), "panic_threshold"),
            (json!({"health": {"active": {"kind": "icmp"}}}), "health.active.kind"),
            (json!({"health": {"active": {"path": "health"}}}), "health.active.path"),
            (
                json!({"health": {"active": {"interval_ms": 1}}}),
                "health.active.interval_ms",
            ),
            (
                json!({"health": {"active": {"statuses": [99]}}}),
                "health.active.statuses.0",
            ),
            (
                json!({"health": {"passive": {"max_ejection_ms": 5_000}}}),
                "health.passive.max_ejection_ms",
            ),
            (
                json!({"health": {"active": {"ca_certificates": ["internal"]}}}),
                "health.active.ca_certificates.0",
            ),
            (
                json!({"health": {"active": {"tls_server_name": "a b"}}}),
                "health.active.tls_server_name",
            ),
            (json!({"breaker": {"success_rate": 80}}), "breaker.success_rate"),
            (json!({"breaker": {"backof_ms": 80}}), "breaker"),
        ];
        for (mut body, path) in table {
            body["name"] = json!("a");
            let (_, errors) = validate(body.clone());
            let found = errors.iter().any(|error| error.path.starts_with(path));
            assert!(found, "{path} is not in `{errors}` for {body}");
        }
    }
}
