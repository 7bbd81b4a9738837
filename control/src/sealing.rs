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

    /// What becomes of a private key when its object is written: the `given` one is sealed, or the `known` one stays. The
    /// same key keeps its sealed form, so that nothing counts as changed.
    pub(crate) fn keep_or_seal(&self, place: Place, known: Option<&PrivateKey>, given: Option<PrivateKey>) -> Kept {
        let opened = known.and_then(|known| Some((known, self.open_key(place, known)?)));
        match (given, known, opened) {
            (Some(given), _, Some((known, open))) if open == given.expose() => Kept::Sealed(known.clone()),
            (Some(given), _, _) if !given.is_sealed() => Kept::Sealed(self.seal_key(place, given.expose())),
            (Some(given), known, _) if known != Some(&given) => Kept::Foreign,
            (_, _, Some((known, open))) => Kept::Stays {
                sealed: known.clone(),
                open: PrivateKey::new(open),
            },
            (_, Some(_), None) => Kept::Lost,
            (_, None, None) => Kept::Missing,
        }
    }

    #[expect(clippy::expect_used, reason = "the derived key has the length of the algorithm's")]
    fn sealing_key(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &self.derive("sealing")).expect("32 bytes"))
    }
}

/// What [`Secrets::keep_or_seal`] finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// The key that was given, sealed.
    Sealed(PrivateKey),
    /// The key that was there before.
    Stays { sealed: PrivateKey, open: PrivateKey },
    /// A sealed key was given that is not the one that was there before.
    Foreign,
    /// The one that was there before was sealed under another secret.
    Lost,
    /// There is and was none.
    Missing,
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
    fn a_key_is_sealed_or_stays_or_is_asked_for() {
        let secrets = Secrets::new([1; 32]);
        let place = Place {
            kind: model::Kind::Certificate,
            id: uuid::Uuid::nil(),
            member: "key",
        };
        let open = |text: &str| PrivateKey::new(text);
        let known = secrets.seal_key(place, "one");
        let kept = |given: Option<PrivateKey>| secrets.keep_or_seal(place, Some(&known), given);
        assert_eq!(kept(Some(open("one"))), Kept::Sealed(known.clone()), "the same");
        let Kept::Sealed(other) = kept(Some(open("two"))) else {
            panic!("another one is sealed")
        };
        assert_eq!(secrets.open_key(place, &other).as_deref(), Some("two"));
        let stays = Kept::Stays {
            sealed: known.clone(),
            open: open("one"),
        };
        assert_eq!(kept(None), stays);
        assert_eq!(kept(Some(known.clone())), stays, "as it was read");
        assert_eq!(kept(Some(other)), Kept::Foreign);
        let later = Secrets::new([2; 32]);
        assert_eq!(later.keep_or_seal(place, Some(&known), None), Kept::Lost);
        assert_eq!(later.keep_or_seal(place, Some(&known), Some(known.clone())), Kept::Lost);
        assert_eq!(secrets.keep_or_seal(place, None, None), Kept::Missing);
        assert_eq!(secrets.keep_or_seal(place, None, Some(known)), Kept::Foreign);
    }

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
