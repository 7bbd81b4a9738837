//! Smooth weighted round robin: each gets its share, and shares are spread evenly instead of coming in bursts.
//!
//! The order of one round is laid out in advance, so that a pick only counts on. Whoever may not get a request gives up
//! its place in the order, and what it gives up falls to all others by their weights.

use std::sync::atomic::Ordering;

use super::Field;

/// The most places of a round; weights that need more are rounded.
const MAX_PLACES: u64 = 4_096;

/// The order of one round.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Schedule(Vec<u16>);

impl Schedule {
    /// The order for these weights; members without weight have no place.
    pub(in crate::upstream) fn of(weights: &[u32]) -> Self {
        let weights = reduce(weights);
        let total: i64 = weights.iter().sum();
        let mut credits = vec![0_i64; weights.len()];
        let mut places = Vec::with_capacity(usize::try_from(total).unwrap_or_default());
        for _ in 0..total {
            let mut best = 0;
            for (index, weight) in weights.iter().enumerate() {
                credits[index] += weight;
                if credits[index] > credits[best] {
                    best = index;
                }
            }
            credits[best] -= total;
            places.push(u16::try_from(best).unwrap_or(u16::MAX));
        }
        Self(places)
    }
}

/// The smallest numbers that relate to each other as the weights do, or nearly so when these are large.
fn reduce(weights: &[u32]) -> Vec<i64> {
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    let total: u64 = weights.iter().map(|weight| u64::from(weight / divisor)).sum();
    let shrink = |weight: u32| {
        let weight = u64::from(weight / divisor);
        if total <= MAX_PLACES || weight == 0 {
            weight
        } else {
            ((weight * MAX_PLACES + total / 2) / total).max(1)
        }
    };
    weights
        .iter()
        .map(|weight| i64::try_from(shrink(*weight)).unwrap_or(i64::MAX))
        .collect()
}

fn gcd(one: u32, other: u32) -> u32 {
    if other == 0 { one } else { gcd(other, one % other) }
}

/// The next member in its turn.
pub(super) fn next(field: &Field<'_>) -> Option<usize> {
    let places = &field.members.schedule.0;
    let mut starting = None;
    for _ in 0..places.len() * 2 {
        let turn = field.turn.fetch_add(1, Ordering::Relaxed);
        let index = usize::from(places[turn % places.len()]);
        if !(field.eligible)(index) {
            continue;
        }
        let share = (field.share)(index);
        if share >= 1.0 || field.random.unit() < share {
            return Some(index);
        }
        starting = Some(index);
    }
    // Others count on at the same time: they may have taken all the places that were good for this request.
    starting.or_else(|| (0..field.members.list.len()).find(|index| (field.eligible)(*index)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shares_are_spread_and_not_in_bursts() {
        assert_eq!(Schedule::of(&[5, 1, 1]).0, [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(Schedule::of(&[100, 100, 0]).0, [0, 1]);
        assert!(Schedule::of(&[]).0.is_empty() && Schedule::of(&[0]).0.is_empty());
    }

    #[test]
    fn a_thousand_targets_of_any_weight_make_a_round_of_bounded_length() {
        let weights: Vec<u32> = (1..=1_000).collect();
        let places = Schedule::of(&weights).0;
        assert!(places.len() < 6_000, "{}", places.len());
        let heavy = places.iter().filter(|index| **index == 999).count();
        let middle = places.iter().filter(|index| **index == 499).count();
        assert!(
            (7..=9).contains(&heavy) && (3..=5).contains(&middle),
            "{heavy} {middle}"
        );
    }

    proptest! {
        #[test]
        fn over_a_whole_round_each_gets_exactly_its_share(weights in prop::collection::vec(0_u32..20, 1..6)) {
            let places = Schedule::of(&weights).0;
            let divisor = weights.iter().copied().fold(0, gcd).max(1);
            for (index, weight) in weights.iter().enumerate() {
                let got = places.iter().filter(|place| usize::from(**place) == index).count();
                prop_assert_eq!(got, (weight / divisor) as usize);
            }
        }
    }
}
