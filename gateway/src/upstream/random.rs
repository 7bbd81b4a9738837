//! Random numbers without a lock, the same ones again for the same seed.

use std::sync::atomic::{AtomicU64, Ordering};

/// The step of the sequence (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A small generator that threads may share. Not for secrets.
#[derive(Debug)]
pub struct Random(AtomicU64);

impl Random {
    /// The sequence of a seed.
    pub const fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// A sequence that no other process has.
    pub fn unlike_others() -> Self {
        let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
        Self::seeded(high ^ low)
    }

    /// The next number.
    pub fn next(&self) -> u64 {
        let mut mixed = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to below `bound`; 0 when that is 0.
    pub fn below(&self, bound: usize) -> usize {
        usize::try_from((u128::from(self.next()) * bound as u128) >> 64).unwrap_or_default()
    }

    /// A number from 0.0 to below 1.0.
    pub fn unit(&self) -> f64 {
        unit(self.next())
    }
}

/// A number from 0.0 to below 1.0 by the upper half of another.
pub(super) fn unit(number: u64) -> f64 {
    f64::from(u32::try_from(number >> 32).unwrap_or_default()) / 4_294_967_296.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_again_and_they_stay_in_bounds() {
        let (one, same) = (Random::seeded(7), Random::seeded(7));
        for bound in 1..1_000 {
            let drawn = one.below(bound);
            assert!(drawn < bound && drawn == same.below(bound));
        }
        assert_eq!(one.below(0), 0);
        let mean = (0..10_000).map(|_| one.unit()).sum::<f64>() / 10_000.0;
        assert!((0.48..0.52).contains(&mean), "{mean}");
    }
}
