//! Changes of keys that wait to be made together.
//!
//! They are made in the order of the parts that they go to, so that a start brings each part to the processor a few
//! times and not once for every key, and a part grows at once by what comes.

use model::id::CredentialId;

use super::keys::{KeyHash, Keys, Slot, part_of};

/// How many changes may wait; their numbers fit into [`NUMBER`] bits.
const MOST: usize = 1 << 18;
/// How many bytes of facts may.
const MOST_FACTS: usize = 1 << 26;
/// Bits of the number of a change.
const NUMBER: u32 = 20;

/// Where an id's way is kept: the part, and bits of the hash of the id.
pub(super) type Bits = (usize, u32);

/// Changes in the order in which they came.
#[derive(Default)]
pub(super) struct Batch {
    changes: Vec<Change>,
    facts: Vec<u8>,
}

/// A key that is added or, with no slot, taken out.
struct Change {
    id: CredentialId,
    bits: Bits,
    slot: Option<Slot>,
    facts: std::ops::Range<usize>,
}

impl Batch {
    pub(super) fn is_full(&self) -> bool {
        self.changes.len() >= MOST || self.facts.len() >= MOST_FACTS
    }

    /// Where facts go that [`Self::add`] adds next.
    pub(super) fn facts(&mut self) -> &mut Vec<u8> {
        &mut self.facts
    }

    /// Adds a key, whose facts are those that were written since the last one.
    pub(super) fn add(&mut self, id: CredentialId, bits: Bits, hash: KeyHash, consumer: u32) {
        let begin = self.changes.last().map_or(0, |before| before.facts.end);
        self.changes.push(Change {
            id,
            bits,
            slot: Some(Slot::new(id, hash, consumer)),
            facts: begin..self.facts.len(),
        });
    }

    /// Takes a key out.
    pub(super) fn remove(&mut self, id: CredentialId, bits: Bits) {
        let end = self.facts.len();
        self.changes.push(Change {
            id,
            bits,
            slot: None,
            facts: end..end,
        });
    }

    /// The numbers of changes below what they are ordered by.
    fn order(&self, by: impl Fn(&Change) -> Option<u64>) -> Vec<u64> {
        let numbered = (0_u64..).zip(&self.changes);
        let mut order: Vec<u64> = numbered
            .filter_map(|(number, change)| Some(by(change)? << NUMBER | number))
            .collect();
        order.sort_unstable();
        order
    }
}

fn number(ordered: u64) -> usize {
    usize::try_from(ordered & ((1 << NUMBER) - 1)).unwrap_or_default()
}

impl Keys {
    /// Makes changes; of several of one credential, and of several credentials of one key, the last one counts. Returns
    /// the numbers of consumers, once for each key that they have no more. `length` says how long facts are.
    pub(super) fn enter(&mut self, mut batch: Batch, length: impl Fn(&[u8]) -> usize) -> Vec<u32> {
        let mut lost = Vec::new();
        let by_id = batch.order(|change| Some((change.bits.0 as u64) << u32::BITS | u64::from(change.bits.1)));
        let part = |ordered: u64| ordered >> (NUMBER + u32::BITS);
        for of_part in by_id.chunk_by(|one, other| part(*one) == part(*other)) {
            self.enter_ways(&mut batch, of_part, &length, &mut lost);
        }
        let by_hash = batch.order(|change| change.slot.as_ref().map(|slot| part_of(slot.head()) as u64));
        for of_part in by_hash.chunk_by(|one, other| one >> NUMBER == other >> NUMBER) {
            self.enter_slots(&batch, of_part, &length, &mut lost);
        }
        lost
    }

    /// Takes out what changes replace, and notes the way to what they add.
    fn enter_ways(
        &mut self,
        batch: &mut Batch,
        of_part: &[u64],
        length: &impl Fn(&[u8]) -> usize,
        lost: &mut Vec<u32>,
    ) {
        let mut ways = Vec::with_capacity(of_part.len());
        for (at, ordered) in of_part.iter().enumerate() {
            let Change { id, bits, .. } = batch.changes[number(*ordered)];
            lost.extend(self.remove(id, bits, length));
            let same_bits = |later: &&u64| *later >> NUMBER == ordered >> NUMBER;
            let mut later = of_part[at + 1..].iter().take_while(same_bits);
            let is_replaced = later.any(|later| batch.changes[number(*later)].id == id);
            let slot = &mut batch.changes[number(*ordered)].slot;
            if is_replaced {
                lost.extend(slot.take().map(|slot| slot.consumer));
            }
            ways.extend(slot.as_ref().map(|slot| (bits, slot.head())));
        }
        self.add_ways(&ways);
    }

    fn enter_slots(&mut self, batch: &Batch, of_part: &[u64], length: &impl Fn(&[u8]) -> usize, lost: &mut Vec<u32>) {
        let changes = || of_part.iter().map(|ordered| &batch.changes[number(*ordered)]);
        let facts = changes().map(|change| change.facts.len()).sum();
        self.reserve(
            usize::try_from(of_part[0] >> NUMBER).unwrap_or_default(),
            of_part.len(),
            facts,
        );
        for change in changes() {
            let Some(slot) = change.slot else { continue };
            if let Some((other, bits)) = self.holder(&slot) {
                lost.extend(self.remove(other, bits, length));
            }
            if let Err(error) = self.insert(slot, &batch.facts[change.facts.clone()]) {
                tracing::error!(credential = %change.id, error, "a credential cannot be used");
                self.remove_way(change.bits, slot.head());
                lost.push(slot.consumer);
            }
        }
    }
}
