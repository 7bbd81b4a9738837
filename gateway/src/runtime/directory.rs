//! Who is known: consumers and credentials of a snapshot.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, Mac};
use model::credential::KeySecret;
use model::id::{ConsumerId, CredentialId};
use model::snapshot::{ConsumerRow, CredentialRow};
use plugins::KeyMatch;
use plugins::directory::{Consumer, Directory};
use sha2::Sha256;

use super::shards::Sharded;

/// What stands for a key: its HMAC-SHA-256 under the deployment's secret.
type KeyHash = [u8; 32];

/// Consumers and credentials; clones share everything that did not change.
#[derive(Clone)]
pub struct Known {
    keyed: Hmac<Sha256>,
    credentials: Sharded<KeyHash, (CredentialId, Arc<CredentialRow>)>,
    hashes: Sharded<CredentialId, KeyHash>,
    consumers: Sharded<ConsumerId, Arc<Consumer>>,
    names: Sharded<String, ConsumerId>,
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Known(…)")
    }
}

impl Known {
    /// Nobody, under a deployment's secret.
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    pub fn nobody(secret: &[u8; 32]) -> Self {
        Self {
            keyed: <Hmac<Sha256> as Mac>::new_from_slice(secret).expect("HMAC takes keys of any length"),
            credentials: Sharded::default(),
            hashes: Sharded::default(),
            consumers: Sharded::default(),
            names: Sharded::default(),
        }
    }

    /// Sets or removes a consumer.
    pub fn set_consumer(&mut self, id: ConsumerId, row: Option<ConsumerRow>) {
        if let Some(before) = self.consumers.get(&id).cloned() {
            self.names.remove(&before.row.name);
            self.consumers.remove(&id);
        }
        if let Some(row) = row {
            self.names.insert(row.name.clone(), id);
            self.consumers.insert(id, Arc::new(Consumer { id, row }));
        }
    }

    /// Sets or removes a credential; the error says why it cannot be used.
    pub fn set_credential(&mut self, id: CredentialId, row: Option<CredentialRow>) -> Result<(), String> {
        if let Some(before) = self.hashes.get(&id).copied() {
            self.credentials.remove(&before);
            self.hashes.remove(&id);
        }
        let Some(row) = row else { return Ok(()) };
        let hash = parse_hash(&row.hash).ok_or("its hash is not 64 hexadecimal digits")?;
        self.hashes.insert(id, hash);
        self.credentials.insert(hash, (id, Arc::new(row)));
        Ok(())
    }

    /// A credential by its id, with whose it is.
    pub fn credential(&self, id: CredentialId) -> Option<KeyMatch> {
        self.hashes.get(&id).and_then(|hash| self.by_hash(hash))
    }

    fn by_hash(&self, hash: &KeyHash) -> Option<KeyMatch> {
        let (id, credential) = self.credentials.get(hash)?.clone();
        let consumer = self.consumers.get(&credential.consumer)?.clone();
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
        self.by_hash(&self.hash(key))
    }

    fn find_consumer(&self, name: &str) -> Option<Arc<Consumer>> {
        self.names.get(name).and_then(|id| self.consumers.get(id)).cloned()
    }
}

fn parse_hash(text: &str) -> Option<KeyHash> {
    let mut hash = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()?;
    }
    Some(hash)
}
