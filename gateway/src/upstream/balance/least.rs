//! By load: the fewest requests in flight, or the shortest time to wait.

use super::Field;
use super::schedule;

/// Up to so many members all are compared; of more only a sample.
const COMPARED: usize = 32;
/// The size of the sample.
const SAMPLE: usize = 8;
/// Draws to find two members that may get a request, before all are looked through.
const DRAWS: usize = 16;

/// The member with the fewest requests in flight for its weight. Among equals each has its turn.
pub(super) fn fewest_in_flight(field: &Field<'_>) -> Option<usize> {
    let first = schedule::next(field)?;
    let count = field.members.list.len();
    let load = |index: usize| {
        let in_flight = f64::from(field.members.list[index].endpoint.in_flight());
        in_flight / weight(field, index)
    };
    let mut best = (load(first), first);
    let mut compare = |index: usize| {
        if (field.eligible)(index) && load(index) < best.0 {
            best = (load(index), index);
        }
    };
    if count <= COMPARED {
        (0..count).for_each(&mut compare);
    } else {
        (0..SAMPLE).for_each(|_| compare(field.random.below(count)));
    }
    Some(best.1)
}

/// The better of two at random by latency times requests in flight (Mitzenmacher, "The power of two choices", 2001;
/// the peak-sensitive average is that of Finagle).
pub(super) fn soonest_of_two(field: &Field<'_>) -> Option<usize> {
    let one = draw(field, None)?;
    let Some(other) = draw(field, Some(one)) else {
        return Some(one);
    };
    let cost = |index: usize| {
        let endpoint = &field.members.list[index].endpoint;
        let waiting = f64::from(endpoint.in_flight()) + 1.0;
        endpoint.latency.expected(field.now) * waiting / weight(field, index)
    };
    Some(if cost(other) < cost(one) { other } else { one })
}

fn weight(field: &Field<'_>, index: usize) -> f64 {
    f64::from(field.members.weight_of(index).max(1)) * (field.share)(index)
}

/// A member that may get the request, at random, but not `except`.
fn draw(field: &Field<'_>, except: Option<usize>) -> Option<usize> {
    let count = field.members.list.len();
    let fits = |index: &usize| Some(*index) != except && (field.eligible)(*index);
    let drawn = (0..DRAWS.min(count * 2)).map(|_| field.random.below(count)).find(fits);
    drawn.or_else(|| {
        let start = field.random.below(count);
        (0..count).map(|step| (start + step) % count).find(fits)
    })
}
