//! Keeps who is known between changes.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use model::id::{ConsumerId, CredentialId};
use model::snapshot::{ConsumerRow, CredentialRef};
use plugins::directory::Consumer;

use super::batch::Batch;
use super::keys::KeyHash;
use super::{Known, facts, place};

/// Who is known, and what only changes need.
pub(in crate::runtime) struct Roll {
    known: Known,
    numbers: HashMap<ConsumerId, Numbered>,
    /// Who has which number.
    owners: Vec<ConsumerId>,
    /// Numbers that nobody has any more.
    free: Vec<u32>,
    /// Credentials that changed.
    batch: Batch,
}

/// A consumer that is there, or that a credential speaks of, be it one that still waits.
struct Numbered {
    number: u32,
    credentials: u32,
}

impl fmt::Debug for Roll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Roll(…)")
    }
}

impl Roll {
    /// Nobody, under a deployment's secret.
    pub(in crate::runtime) fn nobody(secret: &[u8; 32]) -> Self {
        Self {
            known: Known::nobody(secret),
            numbers: HashMap::new(),
            owners: Vec::new(),
            free: Vec::new(),
            batch: Batch::default(),
        }
    }

    /// Who is known now.
    pub(in crate::runtime) fn known(&mut self) -> Known {
        self.enter();
        self.known.keys.settle();
        self.known.clone()
    }

    /// Sets or removes a consumer.
    pub(in crate::runtime) fn set_consumer(&mut self, id: ConsumerId, row: Option<ConsumerRow>) {
        let number = self.number(id);
        let before = self.slot(number).take();
        // The name may be somebody else's by now.
        if let Some(name) = before.as_ref().map(|before| before.row.name.as_str())
            && self.known.names.get(name) == Some(&number)
        {
            self.known.names.remove(name);
        }
        match row {
            Some(row) => {
                self.known.names.insert(row.name.as_str().into(), number);
                *self.slot(number) = Some(Arc::new(Consumer { id, row }));
            }
            None => self.release(id),
        }
    }

    /// Sets or removes a credential; the error says why it cannot be used.
    pub(in crate::runtime) fn set_credential(
        &mut self,
        id: CredentialId,
        row: Option<&CredentialRef<'_>>,
    ) -> Result<(), String> {
        if self.batch.is_full() {
            self.enter();
        }
        let bits = self.known.keys.bits(id);
        let Some(row) = row else {
            self.batch.remove(id, bits);
            return Ok(());
        };
        let hash = match self.read(row) {
            Ok(hash) => hash,
            Err(error) => {
                self.batch.remove(id, bits);
                return Err(error);
            }
        };
        let number = self.number(row.consumer);
        if let Some(numbered) = self.numbers.get_mut(&row.consumer) {
            numbered.credentials += 1;
        }
        self.batch.add(id, bits, hash, number);
        Ok(())
    }

    /// The hash of a credential, whose facts go to the batch.
    fn read(&mut self, row: &CredentialRef<'_>) -> Result<KeyHash, String> {
        let hash = parse_hash(&row.hash).ok_or("its hash is not 64 hexadecimal digits")?;
        facts::push(row, self.batch.facts())?;
        Ok(hash)
    }

    /// Makes the changes of credentials that wait.
    fn enter(&mut self) {
        let length = |facts: &[u8]| facts::read(facts).map_or(0, |(_, length)| length);
        let batch = std::mem::take(&mut self.batch);
        for number in self.known.keys.enter(batch, length) {
            let Some(owner) = self.owners.get(number as usize).copied() else {
                continue;
            };
            if let Some(numbered) = self.numbers.get_mut(&owner) {
                numbered.credentials -= 1;
            }
            self.release(owner);
        }
    }

    /// The number of a consumer, which gets one if it has none.
    fn number(&mut self, id: ConsumerId) -> u32 {
        let (free, owners) = (&mut self.free, &mut self.owners);
        let numbered = self.numbers.entry(id).or_insert_with(|| {
            let number = free.pop().unwrap_or_else(|| {
                owners.push(id);
                u32::try_from(owners.len() - 1).unwrap_or(u32::MAX)
            });
            owners[number as usize] = id;
            Numbered { number, credentials: 0 }
        });
        numbered.number
    }

    /// Takes the number of a consumer back that is gone and that no credential speaks of.
    fn release(&mut self, id: ConsumerId) {
        let Some(numbered) = self.numbers.get(&id) else { return };
        if numbered.credentials == 0 && self.known.consumer(numbered.number).is_none() {
            self.free.push(numbered.number);
            self.numbers.remove(&id);
        }
    }

    /// Where the consumer of a number stands.
    fn slot(&mut self, number: u32) -> &mut Option<Arc<Consumer>> {
        let (part, at) = place(number);
        let part = self.known.consumers.part_mut(part);
        if part.len() <= at {
            part.reserve_exact(at + 1 - part.len());
            part.resize(at + 1, None);
        }
        &mut part[at]
    }
}

fn parse_hash(text: &str) -> Option<KeyHash> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut hash = [0; 32];
    if pairs.len() != hash.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(hash)
}
