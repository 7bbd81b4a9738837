//! A certificate chain and the key that belongs to it.

use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;

use super::details::{Details, parse};
use super::pem;

/// The smallest RSA key that is good enough.
const MIN_RSA: &str = "RSA 2048";

/// A chain that was read and checked, in the form in which it is kept.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chain {
    pub(super) text: String,
    pub(super) leaf: Details,
}

/// Reads a chain whose first certificate is the server's; the error is a sentence for people.
pub(super) fn chain(text: &str) -> Result<Chain, String> {
    let ders = pem::certificates(text)?;
    check_order(&ders)?;
    let leaf = Details::of(&ders[0])?;
    check_strength(&leaf.key_type)?;
    Ok(Chain {
        text: pem::write("CERTIFICATE", ders.iter().map(AsRef::as_ref)),
        leaf,
    })
}

fn check_order(ders: &[CertificateDer<'_>]) -> Result<(), String> {
    let mut chain = Vec::with_capacity(ders.len());
    for (index, der) in ders.iter().enumerate() {
        chain.push(parse(der).map_err(|message| format!("has a certificate, number {}, that {message}", index + 1))?);
    }
    if chain.len() > 1 && chain[0].is_ca() && chain.iter().any(|certificate| !certificate.is_ca()) {
        return Err(format!(
            "is in the wrong order: its first certificate (`{}`) is an authority's; the server's comes first, then each one's issuer",
            chain[0].subject()
        ));
    }
    for (index, pair) in chain.windows(2).enumerate() {
        if pair[0].issuer().as_raw() != pair[1].subject().as_raw() {
            return Err(format!(
                "is in the wrong order: certificate {} (`{}`) is not the issuer of certificate {} (`{}`), which is `{}`",
                index + 2,
                pair[1].subject(),
                index + 1,
                pair[0].subject(),
                pair[0].issuer()
            ));
        }
    }
    Ok(())
}

pub(crate) fn check_strength(key_type: &str) -> Result<(), String> {
    let bits = |text: &str| text.rsplit(' ').next().and_then(|bits| bits.parse::<usize>().ok());
    if key_type.starts_with("RSA ") && bits(key_type) < bits(MIN_RSA) {
        return Err(format!(
            "has a key that is too small ({key_type}): RSA needs 2048 bits or more"
        ));
    }
    Ok(())
}

/// Checks that a key belongs to the first certificate of a chain, and gives the form in which it is kept.
pub fn check_key(chain: &str, key: &str) -> Result<String, String> {
    let der = pem::private_key(key)?;
    let signing = any_supported_type(&der).map_err(|_| {
        "is of a type that cannot be used: RSA from 2048 to 8192 bits, ECDSA on P-256 or P-384, or Ed25519".to_owned()
    })?;
    let pair = CertifiedKey::new(pem::certificates(chain)?, signing);
    match pair.keys_match() {
        Ok(()) => Ok(pem::write_key(&der)),
        Err(_) => Err("does not match the certificate: it is the key of another one".to_owned()),
    }
}
