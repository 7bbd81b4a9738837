//! Secrets of the deployment, and everything that is hashed or drawn at random.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use model::credential::{BASE62, KeySecret, SECRET_LENGTH};
use model::sealing::Sealer;
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};

/// Keys of this deployment, all derived from one pepper.
#[derive(Clone)]
pub struct Secrets {
    pepper: [u8; 32],
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(…)")
    }
}

impl Secrets {
    /// Works with this pepper; without it no stored key can be verified again.
    pub fn new(pepper: [u8; 32]) -> Self {
        Self { pepper }
    }

    /// What is stored of an API key: HMAC-SHA-256 under the pepper, in lower-case hexadecimal.
    pub fn key_hash(&self, key: &KeySecret) -> String {
        hexadecimal(&self.mac(b"", key.expose().as_bytes()))
    }

    /// A signature over `text` that only this deployment can make, for values that leave it and come back.
    pub fn sign(&self, purpose: &str, text: &str) -> String {
        URL_SAFE_NO_PAD.encode(&self.mac(purpose.as_bytes(), text.as_bytes())[..16])
    }

    /// What seals private keys, for control and gateways alike.
    pub(crate) fn sealer(&self) -> Sealer {
        Sealer::new(&self.pepper)
    }

    /// A key of 32 bytes for one purpose.
    pub(crate) fn derive(&self, purpose: &str) -> [u8; 32] {
        self.mac(b"derive", purpose.as_bytes())
    }

    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    fn mac(&self, purpose: &[u8], text: &[u8]) -> [u8; 32] {
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&self.pepper).expect("HMAC takes keys of any length");
        if !purpose.is_empty() {
            mac.update(purpose);
            mac.update(&[0]);
        }
        mac.update(text);
        mac.finalize().into_bytes().into()
    }
}

/// A new secret for a deployment, as 64 hexadecimal digits.
pub fn random_secret() -> String {
    hexadecimal(&random_bytes::<32>())
}

/// 256 random bits as URL-safe text: for sessions, one-time links and API tokens.
pub fn random_token() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes::<32>())
}

/// What is stored of a random token: such a token has full entropy, so a plain fast hash is enough.
pub fn token_hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

/// The random part of a generated key.
pub fn random_base62() -> String {
    let mut text = String::with_capacity(SECRET_LENGTH);
    while text.len() < SECRET_LENGTH {
        // Only multiples of 62 below 256 count, else the first digits would be likelier than the rest.
        let fair = random_bytes::<64>().into_iter().filter(|byte| *byte < 248);
        text.extend(
            fair.map(|byte| char::from(BASE62[usize::from(byte % 62)]))
                .take(SECRET_LENGTH - text.len()),
        );
    }
    text
}

#[expect(clippy::expect_used, reason = "without random numbers nothing here may go on")]
fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    OsRng
        .try_fill_bytes(&mut bytes)
        .expect("the operating system gives random numbers");
    bytes
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_parts_have_their_length_and_differ() {
        assert_eq!(random_base62().len(), SECRET_LENGTH);
        assert_ne!(random_base62(), random_base62());
    }

    #[test]
    fn the_pepper_and_the_purpose_decide_the_hash() {
        let key = KeySecret::presented("gh_live_x");
        let (one, two) = (Secrets::new([1; 32]), Secrets::new([2; 32]));
        assert_ne!(one.key_hash(&key), two.key_hash(&key));
        assert_ne!(one.sign("cursor", "x"), one.sign("other", "x"));
    }
}
