//! Where an upstream's targets are: the addresses that their names have, and those that may not be reached.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::super::place::{Found, Place};
use super::{Group, Target};

/// What one address weighs when its target has only that one, per unit of the target's weight: divisible by all small
/// numbers of addresses.
const FINENESS: u64 = 840;

/// What is known of an upstream's targets and their addresses.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) targets: Vec<Target>,
    pub(super) found: HashMap<Place, Vec<Found>>,
    /// The addresses that targets have and may not have, with the reasons.
    pub(super) refused: HashMap<Place, Vec<Refused>>,
}

/// An address that a target may not have, and why.
type Refused = (SocketAddr, &'static str);

impl Group {
    /// The names that its targets are found by.
    pub(in crate::upstream) fn places(&self) -> Vec<Place> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let named = known
            .targets
            .iter()
            .filter(|target| !matches!(target.place, Place::Socket(_)));
        named.map(|target| target.place.clone()).collect()
    }

    /// The targets whose names have no address.
    pub(in crate::upstream) fn missing(&self) -> Vec<String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let named = known
            .targets
            .iter()
            .filter(|target| !matches!(target.place, Place::Socket(_)));
        let missing = named.filter(|target| {
            known.found.get(&target.place).is_none_or(Vec::is_empty) && !known.refused.contains_key(&target.place)
        });
        missing.map(|target| target.address.clone()).collect()
    }

    /// The addresses that targets may not have, each with its target and the reason.
    pub(in crate::upstream) fn refused(&self) -> Vec<(String, Refused)> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let of_target = |target: &Target| {
            let refused = known.refused.get(&target.place).into_iter().flatten();
            refused
                .map(|refused| (target.address.clone(), *refused))
                .collect::<Vec<_>>()
        };
        known.targets.iter().flat_map(of_target).collect()
    }

    /// Leaves out what may not be reached, and says so when that is new.
    pub(super) fn sift(&self, known: &mut Known, place: &Place, found: &[Found]) -> Vec<Found> {
        let (refused, reachable): (Vec<_>, Vec<_>) = found
            .iter()
            .map(|found| (*found, self.reach.refuses(found.socket)))
            .partition(|(_, why)| why.is_some());
        let refused = refused
            .into_iter()
            .filter_map(|(found, why)| Some((found.socket, why?)));
        let refused: Vec<Refused> = refused.collect();
        let before = known.refused.get(place).map(Vec::as_slice).unwrap_or_default();
        for (socket, why) in refused.iter().filter(|refused| !before.contains(refused)) {
            let name = place.name().unwrap_or_default();
            tracing::warn!(upstream.name = self.settings.load().name, target.name = name, target.address = %socket, reason = why, "a target is not reached");
        }
        // An empty answer says nothing about the addresses of before.
        if !refused.is_empty() {
            known.refused.insert(place.clone(), refused);
        } else if !found.is_empty() {
            known.refused.remove(place);
        }
        reachable.into_iter().map(|(found, _)| found).collect()
    }

    /// The addresses of a name; an empty answer says only that the name was looked up.
    pub(in crate::upstream) fn found(&self, place: &Place, found: &[Found], now: Instant) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.targets.iter().any(|target| target.place == *place) {
            return;
        }
        let found = self.sift(&mut known, place, found);
        let same = known
            .found
            .get(place)
            .is_some_and(|before| *before == found || found.is_empty());
        if !same {
            known.found.insert(place.clone(), found);
            self.rebuild(&known, now);
        }
    }

    /// Waits until each name was looked up, or the time is over.
    pub(in crate::upstream) async fn answered(&self, within: Duration) {
        let mut answered = self.answered.subscribe();
        let _ = tokio::time::timeout(within, answered.wait_for(|answered| *answered)).await;
    }
}

/// The addresses of a target and what each of them weighs: together as much as the target.
pub(super) fn shares(target: &Target, found: Option<&Vec<Found>>) -> Vec<(SocketAddr, u32)> {
    let total = u64::from(target.weight) * FINENESS;
    let weight = |part: u64| u32::try_from(part).unwrap_or(u32::MAX);
    if let Place::Socket(socket) = target.place {
        return vec![(socket, weight(total))];
    }
    let found = found.map(Vec::as_slice).unwrap_or_default();
    let parts: u64 = found.iter().map(|found| u64::from(found.weight)).sum();
    let part = |of: u32| {
        let share = total * u64::from(of) / parts.max(1);
        if total > 0 && of > 0 { share.max(1) } else { share }
    };
    found
        .iter()
        .map(|found| (found.socket, weight(part(found.weight))))
        .collect()
}
