//! Sealing of private keys: they lie encrypted wherever the configuration lies, and only gateways open them.
//!
//! AES-256-GCM under a key that HKDF-SHA-256 derives from the deployment's secret. The place that a key belongs to is
//! authenticated with it, so that a sealed key which is copied elsewhere cannot be opened there.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::noun::Kind;

/// What the derived key is for.
const CONTEXT: &[u8] = b"gatehouse private keys v1";
/// What a sealed key begins with.
const MARK: &str = "sealed:v1:";

/// A private key: as PEM on the way in, sealed wherever it is kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PrivateKey(String);

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

impl PrivateKey {
    /// Takes over what was sent or stored.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: a secret unless it is sealed.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether nobody without the deployment's secret can read it.
    pub fn is_sealed(&self) -> bool {
        self.0.starts_with(MARK)
    }

    /// Whether nothing is there.
    pub fn is_blank(&self) -> bool {
        self.0.trim().is_empty()
    }
}

/// The place that a sealed key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// What kind of object it is part of.
    pub kind: Kind,
    /// Which one.
    pub id: Uuid,
    /// In which member.
    pub member: &'static str,
}

impl Place {
    fn label(&self) -> String {
        format!("{}/{}/{}", self.kind.as_str(), self.id, self.member)
    }
}

/// Seals and opens under one deployment's secret.
pub struct Sealer(LessSafeKey);

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(…)")
    }
}

impl Sealer {
    /// Derives the key from the secret of the deployment.
    #[expect(clippy::expect_used, reason = "32 bytes are a length that HKDF-SHA-256 gives")]
    pub fn new(secret: &[u8; 32]) -> Self {
        let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(secret);
        let context = [CONTEXT];
        let material = extracted.expand(&context, &AES_256_GCM).expect("32 bytes");
        Self(LessSafeKey::new(UnboundKey::from(material)))
    }

    /// Seals a key for a place; `nonce` is random and never used twice.
    #[expect(clippy::expect_used, reason = "keys are far below 64 GiB")]
    pub fn seal(&self, place: Place, key: &str, nonce: [u8; NONCE_LEN]) -> PrivateKey {
        let mut text = key.as_bytes().to_vec();
        let label = place.label();
        let aad = Aad::from(label.as_bytes());
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut text)
            .expect("short enough");
        let sealed = [nonce.as_slice(), &text].concat();
        PrivateKey(format!("{MARK}{}", STANDARD_NO_PAD.encode(sealed)))
    }

    /// Opens a key in its place; `None` when it was not sealed for it, or not by this deployment.
    pub fn open(&self, place: Place, key: &PrivateKey) -> Option<String> {
        let sealed = STANDARD_NO_PAD.decode(key.0.strip_prefix(MARK)?).ok()?;
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut text = text.to_vec();
        let label = place.label();
        let aad = Aad::from(label.as_bytes());
        let open = self
            .0
            .open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut text)
            .ok()?;
        String::from_utf8(open.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(id: u128, member: &'static str) -> Place {
        Place {
            kind: Kind::Certificate,
            id: Uuid::from_u128(id),
            member,
        }
    }

    #[test]
    fn a_sealed_key_opens_in_its_place_and_deployment_only() {
        let sealer = Sealer::new(&[1; 32]);
        let sealed = sealer.seal(place(1, "key"), "a private key", [9; NONCE_LEN]);
        assert!(sealed.is_sealed() && !sealed.expose().contains("private"));
        assert_eq!(sealer.open(place(1, "key"), &sealed).as_deref(), Some("a private key"));
        assert_eq!(sealer.open(place(1, "key_alt"), &sealed), None);
        assert_eq!(sealer.open(place(2, "key"), &sealed), None);
        assert_eq!(Sealer::new(&[2; 32]).open(place(1, "key"), &sealed), None);
        for wrong in ["sealed:v1:", "sealed:v1:%%", "sealed:v1:AAAA", "a private key"] {
            assert_eq!(sealer.open(place(1, "key"), &PrivateKey::new(wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn a_key_is_not_shown_by_debug() {
        assert_eq!(format!("{:?}", PrivateKey::new("secret")), "PrivateKey(…)");
    }
}
