//! Keys by what stands for them, a million of them in little memory.
//!
//! Keys are spread over parts by their hash. A part has a slot for each key, one after the other without a gap, and a
//! table of places in which a slot is found by more bits of the hash: places that are taken send to the next one. Hashes
//! are HMACs, so nobody can choose them to collide. A second order, by id, leads from an id to the hash.

use std::hash::{BuildHasher as _, RandomState};

use model::id::CredentialId;
use uuid::Uuid;

use super::super::forest::{Forest, PARTS};
use super::batch::Bits;

/// What stands for a key: its HMAC-SHA-256 under the deployment's secret.
pub(super) type KeyHash = [u8; 32];

/// A place: the number of a slot, and a byte of its hash, so that other slots are seldom looked at.
type Place = [u8; 3];

/// The number of no slot, in a place that is free.
const FREE: u16 = u16::MAX;
/// How many keys a part may have.
const MOST: usize = FREE as usize;

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    hash: KeyHash,
    id: [u8; 16],
    /// The number of its consumer.
    pub(super) consumer: u32,
    /// Where its facts begin.
    facts: u32,
}

impl Slot {
    pub(super) fn new(id: CredentialId, hash: KeyHash, consumer: u32) -> Self {
        Self {
            hash,
            id: *id.0.as_bytes(),
            consumer,
            facts: 0,
        }
    }

    /// The bits of its hash that lead to its part and its place.
    pub(super) fn head(&self) -> u32 {
        head(&self.hash)
    }
}

/// The keys of one part.
#[derive(Debug, Clone, Default)]
struct Part {
    slots: Vec<Slot>,
    facts: Vec<u8>,
    places: Vec<Place>,
}

/// Where an id's key is found: bits of the hash of the id, and the head of the hash of the key.
type Way = (u32, u32);

/// All keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys {
    parts: Forest<Part>,
    ways: Forest<Vec<Way>>,
    hasher: RandomState,
    loose: Loose,
}

/// Which parts changed since they were settled.
#[derive(Debug, Clone, Default)]
struct Loose {
    parts: Vec<usize>,
    ways: Vec<usize>,
}

impl Loose {
    /// Notes a part. Of more than there are, every one counts.
    fn note(list: &mut Vec<usize>, part: usize) {
        if list.len() < PARTS {
            list.push(part);
        }
    }

    fn take(list: &mut Vec<usize>) -> Vec<usize> {
        match std::mem::take(list) {
            some if some.len() < PARTS => some,
            _ => (0..PARTS).collect(),
        }
    }
}

/// The bits of a hash that lead to its part and its place.
fn head(hash: &KeyHash) -> u32 {
    u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]])
}

pub(super) fn part_of(head: u32) -> usize {
    head as usize % PARTS
}

fn tag(hash: &KeyHash) -> u8 {
    hash[4]
}

fn slot_of([low, high, _]: Place) -> u16 {
    u16::from_le_bytes([low, high])
}

impl Part {
    /// Where the search for a head begins.
    fn start(&self, head: u32) -> usize {
        let bits = u64::from(head) / PARTS as u64;
        let all = (1_u64 << 32) / PARTS as u64;
        usize::try_from(bits * self.places.len() as u64 / all).unwrap_or_default()
    }

    /// The places that are taken from where the search for a head begins.
    fn along(&self, head: u32) -> impl Iterator<Item = Place> {
        let (before, after) = self.places.split_at(self.start(head));
        let places = after.iter().chain(before).copied();
        places.take_while(|place| slot_of(*place) != FREE)
    }

    fn find(&self, hash: &KeyHash) -> Option<&Slot> {
        let similar = self.along(head(hash)).filter(|place| place[2] == tag(hash));
        let mut slots = similar.filter_map(|place| self.slots.get(usize::from(slot_of(place))));
        slots.find(|slot| slot.hash == *hash)
    }

    /// The number of the slot of an id whose key's hash begins with a head.
    fn find_id(&self, head: u32, id: &[u8; 16]) -> Option<usize> {
        let mut numbers = self.along(head).map(|place| usize::from(slot_of(place)));
        numbers.find(|number| self.slots.get(*number).is_some_and(|slot| slot.id == *id))
    }

    /// Enters a slot in the places, which have a free one.
    fn enter(&mut self, index: usize) {
        let Ok(number) = u16::try_from(index) else { return };
        let hash = &self.slots[index].hash;
        let [low, high] = number.to_le_bytes();
        let (mut at, place) = (self.start(head(hash)), [low, high, tag(hash)]);
        while slot_of(self.places[at]) != FREE {
            at += 1;
            if at == self.places.len() {
                at = 0;
            }
        }
        self.places[at] = place;
    }

    /// Makes so many places, and enters every slot.
    fn spread(&mut self, places: usize) {
        self.places = vec![[u8::MAX; 3]; places];
        (0..self.slots.len()).for_each(|index| self.enter(index));
    }

    /// Makes room for keys and their facts.
    fn reserve(&mut self, keys: usize, facts: usize) {
        self.slots.reserve_exact(keys);
        self.facts.reserve_exact(facts);
        let all = self.slots.len() + keys;
        if all * 5 > self.places.len() * 4 {
            self.spread(all * 5 / 4 + 1);
        }
    }

    fn insert(&mut self, slot: Slot, facts: &[u8]) -> Result<(), String> {
        if self.slots.len() + 1 >= MOST {
            return Err("it is one key too many".to_owned());
        }
        let begin = u32::try_from(self.facts.len()).map_err(|_| "the facts of keys are too long")?;
        self.facts.extend_from_slice(facts);
        self.slots.push(Slot { facts: begin, ..slot });
        if self.slots.len() * 5 > self.places.len() * 4 {
            self.spread(self.slots.len() * 3 / 2 + 1);
        } else {
            self.enter(self.slots.len() - 1);
        }
        Ok(())
    }

    /// Takes a slot out; `length` says how long facts are.
    fn remove(&mut self, index: usize, length: impl Fn(&[u8]) -> usize) {
        let before = std::mem::take(self);
        self.slots = Vec::with_capacity(before.slots.len());
        self.facts = Vec::with_capacity(before.facts.len());
        let others = before.slots.iter().enumerate().filter(|(other, _)| *other != index);
        for (_, slot) in others {
            let facts = before.facts_of(slot);
            let begin = u32::try_from(self.facts.len()).unwrap_or_default();
            self.facts.extend_from_slice(&facts[..length(facts)]);
            self.slots.push(Slot { facts: begin, ..*slot });
        }
        self.spread(self.slots.len() * 5 / 4 + 1);
    }

    fn facts_of(&self, slot: &Slot) -> &[u8] {
        self.facts.get(slot.facts as usize..).unwrap_or_default()
    }

    fn is_settled(&self) -> bool {
        self.slots.capacity() == self.slots.len()
            && self.facts.capacity() == self.facts.len()
            && self.places.len() == self.slots.len() * 5 / 4 + 1
    }

    /// Gives back what it has too much of.
    fn settle(&mut self) {
        self.slots.shrink_to_fit();
        self.facts.shrink_to_fit();
        self.spread(self.slots.len() * 5 / 4 + 1);
    }
}

impl Keys {
    /// A key by its hash, with its facts and what follows them.
    pub(super) fn find(&self, hash: &KeyHash) -> Option<(CredentialId, &Slot, &[u8])> {
        let part = self.parts.part(part_of(head(hash)));
        let slot = part.find(hash)?;
        Some((Uuid::from_bytes(slot.id).into(), slot, part.facts_of(slot)))
    }

    /// A key by its id.
    pub(super) fn find_id(&self, id: CredentialId) -> Option<(&Slot, &[u8])> {
        let (head, index) = self.way(id, self.bits(id))?;
        let part = self.parts.part(part_of(head));
        let slot = &part.slots[index];
        Some((slot, part.facts_of(slot)))
    }

    /// Where the way of an id is kept.
    pub(super) fn bits(&self, id: CredentialId) -> Bits {
        let hash = self.hasher.hash_one(id.0.as_u128());
        let (high, low) = (hash >> 32, hash & u64::from(u32::MAX));
        (
            usize::try_from(high).unwrap_or_default() % PARTS,
            u32::try_from(low).unwrap_or_default(),
        )
    }

    /// The head of the hash of an id's key, and its index in the part of that.
    fn way(&self, id: CredentialId, (part, bits): Bits) -> Option<(u32, usize)> {
        let ways = self.ways.part(part);
        let first = ways.partition_point(|(known, _)| *known < bits);
        let mut ways = ways[first..].iter().take_while(|(known, _)| *known == bits);
        ways.find_map(|(_, head)| {
            let index = self.parts.part(part_of(*head)).find_id(*head, id.0.as_bytes())?;
            Some((*head, index))
        })
    }

    /// Notes ways of one part.
    pub(super) fn add_ways(&mut self, added: &[(Bits, u32)]) {
        let Some(((part, _), _)) = added.first() else { return };
        Loose::note(&mut self.loose.ways, *part);
        let ways = self.ways.part_mut(*part);
        ways.reserve_exact(added.len());
        ways.extend(added.iter().map(|((_, bits), head)| (*bits, *head)));
        ways.sort_unstable();
    }

    /// Forgets a way.
    pub(super) fn remove_way(&mut self, (part, bits): Bits, head: u32) {
        Loose::note(&mut self.loose.ways, part);
        let ways = self.ways.part_mut(part);
        if let Ok(at) = ways.binary_search(&(bits, head)) {
            ways.remove(at);
        }
    }

    /// Makes room in a part for keys and their facts.
    pub(super) fn reserve(&mut self, part: usize, keys: usize, facts: usize) {
        Loose::note(&mut self.loose.parts, part);
        self.parts.part_mut(part).reserve(keys, facts);
    }

    /// Whose key it is that has the hash of a slot.
    pub(super) fn holder(&self, slot: &Slot) -> Option<(CredentialId, Bits)> {
        let (id, ..) = self.find(&slot.hash)?;
        Some((id, self.bits(id)))
    }

    /// Adds a key whose id and hash are not there, and whose way is.
    pub(super) fn insert(&mut self, slot: Slot, facts: &[u8]) -> Result<(), String> {
        self.parts.part_mut(part_of(slot.head())).insert(slot, facts)
    }

    /// Takes a key out; the number of its consumer. `length` says how long facts are.
    pub(super) fn remove(&mut self, id: CredentialId, bits: Bits, length: impl Fn(&[u8]) -> usize) -> Option<u32> {
        let (head, index) = self.way(id, bits)?;
        Loose::note(&mut self.loose.parts, part_of(head));
        let part = self.parts.part_mut(part_of(head));
        let consumer = part.slots[index].consumer;
        part.remove(index, length);
        self.remove_way(bits, head);
        Some(consumer)
    }

    /// Gives back what parts that changed have too much of.
    pub(super) fn settle(&mut self) {
        for number in Loose::take(&mut self.loose.parts) {
            if !self.parts.part(number).is_settled() {
                self.parts.part_mut(number).settle();
            }
        }
        for number in Loose::take(&mut self.loose.ways) {
            let ways = self.ways.part(number);
            if ways.capacity() > ways.len() {
                self.ways.part_mut(number).shrink_to_fit();
            }
        }
    }
}
