//! How an upstream shares requests out among its targets.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::UpstreamDraft;
use crate::validation::{Code, Errors};

/// The longest time that a target may take to get its full share: one hour.
const MAX_SLOW_START_MS: u32 = 3_600_000;
/// The longest life of a sticky cookie: one year.
const MAX_COOKIE_TTL_S: u32 = 31_536_000;
/// The sticky cookie's name when none is given.
const COOKIE_NAME: &str = "gatehouse_target";

/// Who gets the next request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// Each in its turn, by weight.
    #[default]
    RoundRobin,
    /// The one with the fewest requests in flight for its weight.
    LeastConnections,
    /// The better of two at random, by latency and requests in flight.
    PeakEwma,
    /// The same one for the same value of `hash_on`.
    ConsistentHash,
    /// The one that the client's cookie names.
    StickyCookie,
}

/// What of a request is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HashOn {
    /// The consumer.
    Consumer,
    /// The client's address.
    Ip,
    /// The header `hash_name`.
    Header,
    /// The cookie `hash_name`.
    Cookie,
    /// The path, without the query.
    Path,
    /// The query parameter `hash_name`.
    Query,
}

impl HashOn {
    /// Whether it needs a name.
    pub const fn is_named(self) -> bool {
        matches!(self, Self::Header | Self::Cookie | Self::Query)
    }
}

/// The cookie by which a client stays with its target; its value says nothing about addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StickyCookie {
    /// Its name; default `gatehouse_target`.
    pub name: String,
    /// How long it lives, in seconds; 0 (default) until the browser is closed.
    pub ttl_seconds: u32,
}

impl Default for StickyCookie {
    fn default() -> Self {
        Self {
            name: COOKIE_NAME.to_owned(),
            ttl_seconds: 0,
        }
    }
}

/// How requests are shared out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Balance {
    /// Who gets the next request.
    pub algorithm: Algorithm,
    /// With `consistent_hash`: what is hashed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_on: Option<HashOn>,
    /// The name of the header, cookie or query parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_name: Option<String>,
    /// What is hashed when a request has nothing to hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_fallback: Option<HashOn>,
    /// With `sticky_cookie`: its cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sticky_cookie: Option<StickyCookie>,
    /// How long a target that is new or recovered takes to get its full share, in milliseconds; 0 means at once.
    pub slow_start_ms: u32,
}

impl Balance {
    pub(super) fn validate(draft: &UpstreamDraft, errors: &mut Errors) -> Self {
        let algorithm = draft.algorithm.unwrap_or_default();
        let hash_name = draft.hash_name.clone().filter(|name| !name.trim().is_empty());
        validate_hash(algorithm, draft, hash_name.as_deref(), errors);
        let sticky_cookie = match (&draft.sticky_cookie, algorithm) {
            (None, Algorithm::StickyCookie) => Some(StickyCookie::default()),
            (cookie, _) => cookie.clone(),
        };
        if let Some(cookie) = &sticky_cookie {
            validate_cookie_name("sticky_cookie.name", &cookie.name, errors);
            if cookie.ttl_seconds > MAX_COOKIE_TTL_S {
                let message = format!("must be 0 to {MAX_COOKIE_TTL_S} seconds");
                errors.add("sticky_cookie.ttl_seconds", Code::OutOfRange, message);
            }
        }
        let slow_start_ms = draft.slow_start_ms.unwrap_or(0);
        if slow_start_ms > MAX_SLOW_START_MS {
            let message = format!("must be 0 to {MAX_SLOW_START_MS} milliseconds");
            errors.add("slow_start_ms", Code::OutOfRange, message);
        }
        Self {
            algorithm,
            hash_on: draft.hash_on,
            hash_name,
            hash_fallback: draft.hash_fallback,
            sticky_cookie,
            slow_start_ms,
        }
    }
}

fn validate_hash(algorithm: Algorithm, draft: &UpstreamDraft, name: Option<&str>, errors: &mut Errors) {
    match draft.hash_on {
        None if algorithm == Algorithm::ConsistentHash => {
            let message = "is required with `consistent_hash`: consumer, ip, header, cookie, path or query";
            errors.add("hash_on", Code::Required, message);
        }
        Some(on) if on.is_named() && name.is_none() => {
            errors.add(
                "hash_name",
                Code::Required,
                "is required: which header, cookie or query parameter",
            );
        }
        _ => {}
    }
    match draft.hash_fallback {
        Some(fallback) if fallback.is_named() => {
            errors.add(
                "hash_fallback",
                Code::Invalid,
                "must be consumer, ip or path, which need no name",
            );
        }
        Some(fallback) if Some(fallback) == draft.hash_on => {
            errors.add(
                "hash_fallback",
                Code::Conflict,
                "is the same as `hash_on`; choose another or leave it out",
            );
        }
        _ => {}
    }
    if let Some(name) = name
        && matches!(draft.hash_on, Some(HashOn::Header | HashOn::Cookie))
    {
        validate_cookie_name("hash_name", name, errors);
    }
}

/// Names of cookies and headers are tokens (RFC 6265, RFC 9110).
pub(crate) fn validate_cookie_name(path: &str, name: &str, errors: &mut Errors) {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > 128 || !name.bytes().all(is_token) {
        let message = "must be 1 to 128 letters, digits, `-`, `_` or `.`, without spaces, `=` and `;`";
        errors.add(path, Code::Invalid, message);
    }
}
