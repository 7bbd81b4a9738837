//! Reads PEM (RFC 7468) and says in plain words what is wrong with it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

/// Bytes of one PEM text.
const MAX_BYTES: usize = 256 * 1024;
/// Certificates of one chain.
const MAX_CHAIN: usize = 10;
/// Characters of a line of base64.
const LINE: usize = 64;

/// The certificates of a text, in their order; the error is a sentence for people.
pub fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    bounded(text)?;
    if text.contains("PRIVATE KEY-----") {
        return Err("holds a private key, which belongs to `key`; only certificates stand here".to_owned());
    }
    if !text.contains("-----BEGIN CERTIFICATE-----") {
        return Err("is not PEM: a certificate begins with `-----BEGIN CERTIFICATE-----`".to_owned());
    }
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match read {
        Ok(chain) if chain.len() > MAX_CHAIN => Err(format!("has more than {MAX_CHAIN} certificates")),
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err("is damaged PEM: copy it again, with all lines from `BEGIN` to `END`".to_owned()),
    }
}

/// The revocation list of a text.
pub fn revocation_list(text: &str) -> Result<CertificateRevocationListDer<'static>, String> {
    bounded(text)?;
    CertificateRevocationListDer::from_pem_slice(text.as_bytes())
        .map_err(|_| "is not PEM: a revocation list begins with `-----BEGIN X509 CRL-----`".to_owned())
}

/// The private key of a text.
pub fn private_key(text: &str) -> Result<PrivateKeyDer<'static>, String> {
    bounded(text)?;
    if text.contains("ENCRYPTED") {
        return Err("is encrypted: take its passphrase away first, Gatehouse seals it itself".to_owned());
    }
    if !text.contains("PRIVATE KEY-----") {
        let words = if text.contains("-----BEGIN CERTIFICATE-----") {
            "holds a certificate, which belongs to `cert`; the private key stands here"
        } else {
            "is not PEM: a private key begins with `-----BEGIN PRIVATE KEY-----`"
        };
        return Err(words.to_owned());
    }
    PrivateKeyDer::from_pem_slice(text.as_bytes())
        .map_err(|_| "is damaged PEM: copy it again, with all lines from `BEGIN` to `END`".to_owned())
}

fn bounded(text: &str) -> Result<(), String> {
    if text.len() > MAX_BYTES {
        return Err(format!("is longer than {} KiB", MAX_BYTES / 1024));
    }
    Ok(())
}

/// The one form in which PEM is kept, whatever stood around it.
pub(crate) fn write<'a>(label: &str, ders: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut text = String::new();
    for der in ders {
        text.extend(["-----BEGIN ", label, "-----\n"]);
        let encoded = STANDARD.encode(der);
        let mut rest = encoded.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(LINE));
            text.push_str(line);
            text.push('\n');
            rest = after;
        }
        text.extend(["-----END ", label, "-----\n"]);
    }
    text
}

/// The one form in which a private key is kept.
pub(crate) fn write_key(key: &PrivateKeyDer<'_>) -> String {
    let label = match key {
        PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
        PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
        _ => "PRIVATE KEY",
    };
    write(label, [key.secret_der()])
}
