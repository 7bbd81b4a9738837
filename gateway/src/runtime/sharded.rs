//! A map of which snapshots share all but the parts that changed.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher as _, Hash, RandomState};

use hashbrown::HashTable;

use super::forest::Forest;

/// A map whose clones cost nothing and whose changes copy only the part that they touch.
#[derive(Clone)]
pub struct Sharded<K, V> {
    parts: Forest<HashTable<(K, V)>>,
    hasher: RandomState,
    count: usize,
}

impl<K, V> Default for Sharded<K, V> {
    fn default() -> Self {
        Self {
            parts: Forest::default(),
            hasher: RandomState::new(),
            count: 0,
        }
    }
}

impl<K, V> fmt::Debug for Sharded<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sharded({})", self.count)
    }
}

/// Which part a hash belongs to: by bits that its table does not look at while it is small.
fn part(hash: u64) -> usize {
    usize::try_from(hash >> 40).unwrap_or_default()
}

impl<K: Hash + Eq, V> Sharded<K, V> {
    /// What stands under a key.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let hash = self.hasher.hash_one(key);
        let found = self
            .parts
            .part(part(hash))
            .find(hash, |(known, _)| known.borrow() == key);
        found.map(|(_, value)| value)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Everything, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let parts = self.parts.iter().flat_map(HashTable::iter);
        parts.map(|(key, value)| (key, value))
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Sharded<K, V> {
    /// Puts a value under a key; what stood there before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let hash = self.hasher.hash_one(&key);
        let table = self.parts.part_mut(part(hash));
        if let Some((_, known)) = table.find_mut(hash, |(known, _)| *known == key) {
            return Some(std::mem::replace(known, value));
        }
        table.insert_unique(hash, (key, value), |(key, _)| self.hasher.hash_one(key));
        self.count += 1;
        None
    }

    /// What stands under a key, to be changed; something new where nothing does.
    pub fn entry<Q: Hash + Eq + ?Sized>(&mut self, key: &Q, make: impl FnOnce() -> (K, V)) -> &mut V
    where
        K: Borrow<Q>,
    {
        let hash = self.hasher.hash_one(key);
        let table = self.parts.part_mut(part(hash));
        let entry = table.entry(
            hash,
            |(known, _)| known.borrow() == key,
            |(key, _)| self.hasher.hash_one(key),
        );
        let entry = entry.or_insert_with(|| {
            self.count += 1;
            make()
        });
        &mut entry.into_mut().1
    }

    /// Takes a key out.
    pub fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let hash = self.hasher.hash_one(key);
        // Nothing is copied for a key that is not there.
        self.get(key)?;
        let table = self.parts.part_mut(part(hash));
        let found = table.find_entry(hash, |(known, _)| known.borrow() == key).ok()?;
        self.count -= 1;
        Some(found.remove().0.1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_map_and_older_clones_stay_what_they_were(
            steps in prop::collection::vec((0_u16..300, prop::option::of(any::<u8>())), 0..400),
        ) {
            let (mut sharded, mut plain) = (Sharded::<u16, u8>::default(), HashMap::new());
            let half = steps.len() / 2;
            let mut kept = None;
            for (number, (key, value)) in steps.into_iter().enumerate() {
                if number == half {
                    kept = Some((sharded.clone(), plain.clone()));
                }
                match value {
                    Some(value) if value % 2 == 0 => *sharded.entry(&key, || (key, 0)) = value,
                    Some(value) => prop_assert_eq!(sharded.insert(key, value), plain.get(&key).copied()),
                    None => prop_assert_eq!(sharded.remove(&key), plain.get(&key).copied()),
                }
                match value {
                    Some(value) => plain.insert(key, value),
                    None => plain.remove(&key),
                };
            }
            for (sharded, plain) in kept.into_iter().chain([(sharded, plain)]) {
                prop_assert_eq!(sharded.len(), plain.len());
                let all: HashMap<u16, u8> = sharded.iter().map(|(key, value)| (*key, *value)).collect();
                prop_assert_eq!(&all, &plain);
                for key in 0..300 {
                    prop_assert_eq!(sharded.get(&key), plain.get(&key));
                }
            }
        }
    }
}
