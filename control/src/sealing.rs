//! Sealing: what must be read again but must not lie open in the database (AES-256-GCM under the deployment's secret).

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};

use model::sealing::{Place, PrivateKey};

use crate::secrets::Secrets;

impl Secrets {
    /// Seals `text` for the place that `label` names; elsewhere it cannot be opened.
    #[expect(clippy::expect_used, reason = "texts are far below 64 GiB")]
    pub(crate) fn seal(&self, label: &str, text: &[u8]) -> Vec<u8> {
        let nonce = nonce();
        let mut sealed = text.to_vec();
        let aad = Aad::from(label.as_bytes());
        let key = self.sealing_key();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .expect("short enough");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Opens what was sealed for this place; `None` when it was not, or not by this deployment.
    pub(crate) fn open(&self, label: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut text = text.to_vec();
        let aad = Aad::from(label.as_bytes());
        let open = self
            .sealing_key()
            .open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut text)
            .ok()?
            .len();
        text.truncate(open);
        Some(text)
    }

    /// Seals a private key for its place in the configuration.
    pub(crate) fn seal_key(&self, place: Place, key: &str) -> PrivateKey {
        self.sealer().seal(place, key, nonce())
    }

    /// Opens a private key in its place.
    pub(crate) fn open_key(&self, place: Place, key: &PrivateKey) -> Option<String> {
        self.sealer().open(place, key)
    }

    #[expect(clippy::expect_used, reason = "the derived key has the length of the algorithm's")]
    fn sealing_key(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &self.derive("sealing")).expect("32 bytes"))
    }
}

#[expect(clippy::expect_used, reason = "without random numbers nothing here may go on")]
fn nonce() -> [u8; NONCE_LEN] {
    let mut nonce = [0; NONCE_LEN];
    SystemRandom::new()
        .fill(&mut nonce)
        .expect("the operating system gives random numbers");
    nonce
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_in_its_place_only() {
        let secrets = Secrets::new([1; 32]);
        let sealed = secrets.seal("here", b"text");
        assert!(!sealed.windows(4).any(|window| window == b"text"));
        assert_eq!(secrets.open("here", &sealed).as_deref(), Some(b"text".as_slice()));
        assert_eq!(secrets.open("there", &sealed), None);
        assert_eq!(Secrets::new([2; 32]).open("here", &sealed), None);
        assert_eq!(secrets.open("here", b"short"), None);
    }
}
