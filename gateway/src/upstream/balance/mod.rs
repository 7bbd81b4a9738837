//! Who gets a request, of those that may get it. No method here takes a lock.

mod hash;
mod least;
mod schedule;

use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use model::upstream::{Algorithm, Balance};

use super::choice::Choice;
use super::members::Members;
use super::random::Random;

pub(super) use hash::{Hashing, Ring};
pub(super) use schedule::Schedule;

/// What a balancer sees.
pub(super) struct Field<'a> {
    pub(super) members: &'a Members,
    /// Whether a member may get the request.
    pub(super) eligible: &'a dyn Fn(usize) -> bool,
    /// What part of its weight a member has in its slow start, above 0 to 1.
    pub(super) share: &'a dyn Fn(usize) -> f64,
    pub(super) turn: &'a AtomicUsize,
    pub(super) random: &'a Random,
    pub(super) hashing: &'a Hashing,
    pub(super) now: Instant,
}

/// The member that gets a request; none when none may.
pub(super) fn choose(balance: &Balance, choice: &Choice<'_>, field: &Field<'_>) -> Option<usize> {
    match balance.algorithm {
        Algorithm::RoundRobin => schedule::next(field),
        Algorithm::LeastConnections => least::fewest_in_flight(field),
        Algorithm::PeakEwma => least::soonest_of_two(field),
        Algorithm::ConsistentHash => hash::owner(balance, choice, field).or_else(|| schedule::next(field)),
        Algorithm::StickyCookie => sticky(balance, choice, field).or_else(|| schedule::next(field)),
    }
}

/// The member that the client's cookie names.
fn sticky(balance: &Balance, choice: &Choice<'_>, field: &Field<'_>) -> Option<usize> {
    let value = choice.cookie(&balance.sticky_cookie.as_ref()?.name)?;
    let index = *field.members.by_cookie.get(value)?;
    (field.eligible)(index).then_some(index)
}
