//! What a gateway knows of the targets of an upstream while it runs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::Timestamp;

/// Whether a target is trusted with requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetHealth {
    /// Checks or requests succeed.
    Healthy,
    /// Checks fail.
    Unhealthy,
    /// Requests failed: it gets none for a while.
    Ejected,
    /// It gets no new requests because an administrator said so.
    Draining,
    /// Nothing is known yet.
    #[default]
    Unknown,
}

impl TargetHealth {
    /// The word in JSON and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Ejected => "ejected",
            Self::Draining => "draining",
            Self::Unknown => "unknown",
        }
    }
}

/// Where a circuit breaker stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Requests pass.
    #[default]
    Closed,
    /// One probe is under way.
    HalfOpen,
    /// None pass.
    Open,
}

/// Something that happened to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetChange {
    /// Requests failed, so it gets none for a while.
    Ejected,
    /// Checks failed.
    Unhealthy,
    /// It is trusted again.
    Recovered,
    /// A service stopped to ask it.
    BreakerOpened,
    /// A service asks it again.
    BreakerClosed,
}

impl TargetChange {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::Ejected,
        Self::Unhealthy,
        Self::Recovered,
        Self::BreakerOpened,
        Self::BreakerClosed,
    ];

    /// The word in JSON, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ejected => "ejected",
            Self::Unhealthy => "unhealthy",
            Self::Recovered => "recovered",
            Self::BreakerOpened => "breaker_opened",
            Self::BreakerClosed => "breaker_closed",
        }
    }
}

/// What happened to a target, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetEvent {
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What.
    pub change: TargetChange,
    /// Why, for people.
    pub reason: String,
}

/// What one gateway knows of one address of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetState {
    /// The target's address as it is configured.
    pub target: String,
    /// Where that is; absent while a name has no address.
    pub address: Option<String>,
    /// Whether it is trusted with requests.
    pub health: TargetHealth,
    /// The breaker of the service that trusts it least.
    pub breaker: BreakerState,
    /// Requests that it is answering.
    pub in_flight: u32,
    /// What its answers take lately, in microseconds; absent before the first.
    pub latency_us: Option<u64>,
    /// The last failure.
    pub last_error: Option<String>,
    /// Since when its health is what it is.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// How often it was ejected.
    pub ejections: u32,
    /// What happened to it lately, newest last.
    pub events: Vec<TargetEvent>,
}
