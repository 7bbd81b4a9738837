//! What gateways know of the targets of an upstream, as its page tells it.

use std::cmp::Reverse;

use control::upstreams::{HealthReport, UpstreamHealth};
use model::Stored;
use model::clock::Timestamp;
use model::upstream::{BreakerState, TargetChange, TargetHealth, TargetSpec, TargetState};

use crate::text;
use crate::times::{self, Time};

/// Addresses that are listed, each for every gateway that tells of it; the worst are.
const ROWS: usize = 100;
/// Events that are listed, the newest first.
const EVENTS: usize = 10;

/// What all gateways know.
pub(super) struct Live {
    pub(super) reports: Vec<HealthReport>,
    pub(super) rows: Vec<Row>,
    /// Rows that are not listed.
    pub(super) more: usize,
    pub(super) events: Vec<Event>,
    now: Timestamp,
}

/// What one gateway knows of one address.
pub(super) struct Row {
    pub(super) gateway: String,
    /// Whether the gateway was heard of lately, so that this holds.
    pub(super) live: bool,
    pub(super) state: TargetState,
}

/// Something that happened to a target.
pub(super) struct Event {
    pub(super) at: Timestamp,
    pub(super) words: String,
    pub(super) reason: String,
    pub(super) tone: &'static str,
    pub(super) gateway: String,
}

/// How a target is, in a word, and what is to be added.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) word: &'static str,
    pub(super) tone: &'static str,
    pub(super) more: String,
}

impl Live {
    pub(super) fn of(health: UpstreamHealth, now: Timestamp) -> Self {
        let reports = health.gateways;
        let mut rows: Vec<Row> = reports.iter().flat_map(rows_of).collect();
        rows.sort_by_key(|row| (Reverse(row.live), Reverse(severity(&row.state))));
        let more = rows.len().saturating_sub(ROWS);
        rows.truncate(ROWS);
        rows.sort_by(|one, other| order(one).cmp(&order(other)));
        let mut events: Vec<Event> = reports.iter().flat_map(events_of).collect();
        events.sort_by_key(|event| Reverse(event.at));
        events.truncate(EVENTS);
        Self {
            reports,
            rows,
            more,
            events,
            now,
        }
    }

    /// How a target is for those that know it now.
    pub(super) fn summary(&self, target: &Stored<TargetSpec>) -> Summary {
        let summary = |word, tone, more| Summary { word, tone, more };
        let address = target.spec.address.as_str();
        let told: Vec<(&HealthReport, &TargetState)> = self
            .reports
            .iter()
            .filter(|report| report.live)
            .flat_map(|report| report.targets.iter().map(move |state| (report, state)))
            .filter(|(_, state)| state.target == address)
            .collect();
        if !target.spec.enabled {
            return summary("Off", "", String::new());
        }
        if target.spec.drain {
            let in_flight: u32 = told.iter().map(|(_, state)| state.in_flight).sum();
            return summary("Draining", "warn", format!("{in_flight} in flight"));
        }
        if target.spec.weight == 0 {
            return summary("Drained", "warn", "its weight is 0".to_owned());
        }
        let Some((_, worst)) = told.iter().max_by_key(|(_, state)| severity(state)) else {
            return summary("Unknown", "", "no gateway tells of it".to_owned());
        };
        let (word, tone) = word_of(worst);
        let failing = |report: &&HealthReport| {
            let its = report.targets.iter().filter(|state| state.target == address);
            its.map(severity).max() == Some(severity(worst))
        };
        let live = self.reports.iter().filter(|report| report.live);
        let (count, of) = (live.clone().filter(failing).count(), live.count());
        let more = if of > 1 && severity(worst) > 1 {
            format!("on {count} of {of} gateways")
        } else {
            String::new()
        };
        summary(word, tone, more)
    }

    pub(super) fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }

    /// How long ago a gateway was heard of.
    pub(super) fn heard(&self, report: &HealthReport) -> Time {
        times::time(self.now - time::Duration::seconds(report.age_seconds), self.now)
    }
}

impl Row {
    /// The word for its health, and its tone; what no longer holds has none.
    pub(super) fn health(&self) -> (&'static str, &'static str) {
        let (word, tone) = match self.state.health {
            TargetHealth::Healthy => ("Healthy", "ok"),
            TargetHealth::Unhealthy => ("Unhealthy", "bad"),
            TargetHealth::Ejected => ("Ejected", "bad"),
            TargetHealth::Draining => ("Draining", "warn"),
            TargetHealth::Unknown => ("Unknown", ""),
        };
        (word, if self.live { tone } else { "" })
    }

    pub(super) fn breaker(&self) -> (&'static str, &'static str) {
        let (word, tone) = match self.state.breaker {
            BreakerState::Closed => ("Closed", ""),
            BreakerState::HalfOpen => ("Probing", "warn"),
            BreakerState::Open => ("Open", "bad"),
        };
        (word, if self.live { tone } else { "" })
    }

    /// Where it is, when that is not what the target says.
    pub(super) fn resolved(&self) -> Option<&str> {
        match &self.state.address {
            None => Some("no address yet"),
            Some(address) if *address == self.state.target => None,
            Some(address) => Some(address),
        }
    }

    pub(super) fn latency(&self) -> String {
        self.state.latency_us.map_or_else(|| "–".to_owned(), latency)
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
fn latency(microseconds: u64) -> String {
    if microseconds < 1_000 {
        format!("{microseconds} µs")
    } else {
        format!("{} ms", text::trim(microseconds as f64 / 1e3))
    }
}

fn rows_of(report: &HealthReport) -> impl Iterator<Item = Row> {
    report.targets.iter().map(|state| Row {
        gateway: report.name.clone(),
        live: report.live,
        state: state.clone(),
    })
}

fn order(row: &Row) -> (&str, Option<&str>, Reverse<bool>, &str) {
    (
        &row.state.target,
        row.state.address.as_deref(),
        Reverse(row.live),
        &row.gateway,
    )
}

/// How bad it is: 0 is fine, 1 is not known.
fn severity(state: &TargetState) -> u8 {
    match (state.health, state.breaker) {
        (TargetHealth::Unhealthy | TargetHealth::Ejected, _) => 4,
        (_, BreakerState::Open) => 3,
        (_, BreakerState::HalfOpen) => 2,
        (TargetHealth::Unknown, _) => 1,
        _ => 0,
    }
}

fn word_of(state: &TargetState) -> (&'static str, &'static str) {
    match (state.health, state.breaker) {
        (TargetHealth::Unhealthy, _) => ("Unhealthy", "bad"),
        (TargetHealth::Ejected, _) => ("Ejected", "bad"),
        (_, BreakerState::Open) => ("Breaker open", "bad"),
        (_, BreakerState::HalfOpen) => ("Probing", "warn"),
        (TargetHealth::Unknown, _) => ("Unknown", ""),
        _ => ("Healthy", "ok"),
    }
}

fn events_of(report: &HealthReport) -> impl Iterator<Item = Event> {
    let of_state = move |state: &TargetState| {
        let place = state.address.as_deref().unwrap_or(&state.target).to_owned();
        let events = state.events.clone().into_iter();
        events.map(move |event| {
            let (words, tone) = happened(event.change);
            Event {
                at: event.at,
                words: format!("{place} {words}"),
                reason: event.reason,
                tone,
                gateway: report.name.clone(),
            }
        })
    };
    report.targets.iter().flat_map(of_state)
}

fn happened(change: TargetChange) -> (&'static str, &'static str) {
    match change {
        TargetChange::Ejected => ("was ejected", "bad"),
        TargetChange::Unhealthy => ("became unhealthy", "bad"),
        TargetChange::Recovered => ("recovered", "ok"),
        TargetChange::BreakerOpened => ("is not asked: its breaker opened", "bad"),
        TargetChange::BreakerClosed => ("is asked again: its breaker closed", "ok"),
    }
}
