//! Who is known: consumers and credentials of a snapshot.

mod batch;
mod facts;
mod keys;
mod roll;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, Mac};
use model::credential::KeySecret;
use model::id::CredentialId;
use plugins::KeyMatch;
use plugins::directory::{Consumer, Directory};
use sha2::Sha256;

use super::forest::{Forest, PARTS};
use super::sharded::Sharded;
use keys::{KeyHash, Keys, Slot};
pub(super) use roll::Roll;

/// Consumers and credentials; clones share everything that did not change.
#[derive(Clone)]
pub struct Known {
    keyed: Hmac<Sha256>,
    keys: Keys,
    /// Consumers by number, spread over parts by the rest of it.
    consumers: Forest<Vec<Option<Arc<Consumer>>>>,
    names: Sharded<Box<str>, u32>,
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Known(…)")
    }
}

/// The part of a consumer's number, and its place there.
fn place(number: u32) -> (usize, usize) {
    (number as usize % PARTS, number as usize / PARTS)
}

impl Known {
    /// Nobody, under a deployment's secret.
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    fn nobody(secret: &[u8; 32]) -> Self {
        Self {
            keyed: <Hmac<Sha256> as Mac>::new_from_slice(secret).expect("HMAC takes keys of any length"),
            keys: Keys::default(),
            consumers: Forest::default(),
            names: Sharded::default(),
        }
    }

    /// A credential by its id, with whose it is.
    pub fn credential(&self, id: CredentialId) -> Option<KeyMatch> {
        let (slot, facts) = self.keys.find_id(id)?;
        self.found(id, slot, facts)
    }

    fn consumer(&self, number: u32) -> Option<&Arc<Consumer>> {
        let (part, at) = place(number);
        self.consumers.part(part).get(at)?.as_ref()
    }

    fn found(&self, id: CredentialId, slot: &Slot, facts: &[u8]) -> Option<KeyMatch> {
        let consumer = self.consumer(slot.consumer)?.clone();
        let (credential, _) = facts::read(facts)?;
        Some(KeyMatch {
            id,
            credential,
            consumer,
        })
    }

    fn hash(&self, key: &KeySecret) -> KeyHash {
        let mut mac = self.keyed.clone();
        mac.update(key.expose().as_bytes());
        mac.finalize().into_bytes().into()
    }
}

impl Directory for Known {
    fn find_key(&self, key: &KeySecret) -> Option<KeyMatch> {
        let (id, slot, facts) = self.keys.find(&self.hash(key))?;
        self.found(id, slot, facts)
    }

    fn find_consumer(&self, name: &str) -> Option<Arc<Consumer>> {
        self.consumer(*self.names.get(name)?).cloned()
    }
}
