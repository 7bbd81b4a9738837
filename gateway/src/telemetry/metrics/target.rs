//! What pools tell of their targets, shown when somebody asks for metrics.

use prometheus::IntGaugeVec;

use super::shelf::Shelf;

/// Targets that are shown; services with more targets than that are measured elsewhere.
const MAX_TARGETS: usize = 1_000;

/// A target as its pool sees it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetState {
    /// The service that uses the pool.
    pub service: String,
    /// `host:port`.
    pub target: String,
    /// Whether it gets requests.
    pub healthy: bool,
    /// Its circuit breaker.
    pub breaker: Breaker,
    /// Idle connections to it.
    pub idle: usize,
    /// Requests that it is working on.
    pub active: usize,
}

/// The state of a circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Breaker {
    /// Requests pass.
    #[default]
    Closed,
    /// One request is let through, to see.
    HalfOpen,
    /// None passes.
    Open,
}

/// The gauges of targets.
#[derive(Debug)]
pub struct Targets {
    healthy: IntGaugeVec,
    breaker: IntGaugeVec,
    idle: IntGaugeVec,
    active: IntGaugeVec,
}

impl Targets {
    pub(super) fn on(shelf: &mut Shelf) -> Self {
        let labels = ["service", "target"];
        Self {
            healthy: shelf.gauges("gatehouse_target_healthy", "1 while a target gets requests.", &labels),
            breaker: shelf.gauges(
                "gatehouse_target_breaker_state",
                "The circuit breaker of a target: 0 closed, 1 half open, 2 open.",
                &labels,
            ),
            idle: shelf.gauges(
                "gatehouse_target_idle_connections",
                "Idle connections to a target.",
                &labels,
            ),
            active: shelf.gauges(
                "gatehouse_target_active_requests",
                "Requests that a target is working on.",
                &labels,
            ),
        }
    }

    /// Shows these targets and no others.
    pub(super) fn show(&mut self, targets: impl Iterator<Item = TargetState>) {
        for gauges in [&self.healthy, &self.breaker, &self.idle, &self.active] {
            gauges.reset();
        }
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        for state in targets.take(MAX_TARGETS) {
            let labels = [state.service.as_str(), state.target.as_str()];
            self.healthy.with_label_values(&labels).set(state.healthy.into());
            self.breaker.with_label_values(&labels).set(match state.breaker {
                Breaker::Closed => 0,
                Breaker::HalfOpen => 1,
                Breaker::Open => 2,
            });
            self.idle.with_label_values(&labels).set(number(state.idle));
            self.active.with_label_values(&labels).set(number(state.active));
        }
    }
}
