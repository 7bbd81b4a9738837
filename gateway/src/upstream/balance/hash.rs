//! Consistent hashing: a request goes where others with the same value go, and when targets come or go, few values move.
//!
//! Each member has points on a ring, in proportion to its weight (the method known as ketama). Points and values are
//! hashed under a key, so that clients cannot choose values that all meet at one target; the key is the same at every
//! gateway of a deployment, and so are the owners.

use std::hash::Hasher as _;

use model::upstream::Balance;
use siphasher::sip::SipHasher13;

use super::Field;
use crate::upstream::choice::Choice;

/// The points of the heaviest member.
const POINTS: u64 = 160;

/// The key that values are hashed under.
#[derive(Clone, Copy, Default)]
pub(in crate::upstream) struct Hashing(pub(in crate::upstream) [u8; 16]);

impl std::fmt::Debug for Hashing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hashing")
    }
}

impl Hashing {
    pub(in crate::upstream) fn hash(&self, parts: &[&[u8]]) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        for part in parts {
            hasher.write(part);
        }
        hasher.finish()
    }
}

/// The points of all members, in order.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Ring(Vec<(u64, u16)>);

impl Ring {
    /// The ring of members with these names and weights.
    pub(in crate::upstream) fn of<'a>(
        hashing: &Hashing,
        members: impl Iterator<Item = (String, u32)> + Clone + 'a,
    ) -> Self {
        let heaviest = members.clone().map(|(_, weight)| weight).max().unwrap_or(0).max(1);
        let mut points = Vec::new();
        for (index, (name, weight)) in members.enumerate() {
            let count = (POINTS * u64::from(weight)).div_ceil(u64::from(heaviest));
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            points.extend((0..count).map(|number| {
                let point = hashing.hash(&[name.as_bytes(), &[0], &number.to_le_bytes()]);
                (point, index)
            }));
        }
        points.sort_unstable();
        Self(points)
    }

    /// The owners of a value: the first is the one, the others stand in for it.
    fn owners(&self, value: u64) -> impl Iterator<Item = usize> {
        let start = self.0.partition_point(|(point, _)| *point < value);
        let (before, after) = self.0.split_at(start);
        after.iter().chain(before).map(|(_, index)| usize::from(*index))
    }
}

/// The member that a request belongs to; none when it has nothing to hash.
pub(super) fn owner(balance: &Balance, choice: &Choice<'_>, field: &Field<'_>) -> Option<usize> {
    let by_name = choice.hashed(balance.hash_on?, balance.hash_name.as_deref());
    let hashed = by_name.or_else(|| choice.hashed(balance.hash_fallback?, None))?;
    let value = field.hashing.hash(&[&hashed]);
    field
        .members
        .ring
        .as_ref()?
        .owners(value)
        .find(|index| (field.eligible)(*index))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HASHING: Hashing = Hashing([7; 16]);

    fn ring(names: &[String], weight: impl Fn(usize) -> u32) -> Ring {
        let members: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(at, name)| (name.clone(), weight(at)))
            .collect();
        Ring::of(&HASHING, members.into_iter())
    }

    fn names(count: usize) -> Vec<String> {
        (0..count)
            .map(|number| format!("10.0.{}.{}:80", number / 250, number % 250))
            .collect()
    }

    fn owner_of(ring: &Ring, value: u64) -> usize {
        ring.owners(HASHING.hash(&[&value.to_le_bytes()]))
            .next()
            .expect("an owner")
    }

    #[test]
    fn each_member_owns_about_its_share() {
        let ring = ring(&names(4), |at| if at == 0 { 200 } else { 100 });
        let mut counts = [0; 4];
        (0..50_000).for_each(|value| counts[owner_of(&ring, value)] += 1);
        assert!((17_000..23_000).contains(&counts[0]), "{counts:?}");
        assert!(
            counts[1..].iter().all(|count| (8_000..12_000).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn a_thousand_members_are_found_at_once() {
        let ring = ring(&names(1_000), |_| 100);
        assert_eq!(ring.0.len(), 160_000);
        let distinct: std::collections::HashSet<_> = (0..20_000).map(|value| owner_of(&ring, value)).collect();
        assert!(distinct.len() > 990);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn when_a_member_goes_only_its_own_values_move(count in 3_usize..20, gone in 0_usize..20) {
            let gone = gone % count;
            let all = names(count);
            let mut fewer = all.clone();
            fewer.remove(gone);
            let (before, after) = (ring(&all, |_| 100), ring(&fewer, |_| 100));
            let mut moved = 0;
            for value in 0..2_000 {
                let (old, new) = (&all[owner_of(&before, value)], &fewer[owner_of(&after, value)]);
                if old == &all[gone] {
                    moved += 1;
                } else {
                    prop_assert_eq!(old, new);
                }
            }
            prop_assert!(moved <= 2 * 2_000 / count, "{} of 2000 moved with {} members", moved, count);
        }
    }
}
