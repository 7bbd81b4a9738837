//! The secret of a deployment: given, or made once and kept in the data directory.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::settings::StateSettings;

/// The secret that these settings give, made and kept when there is none.
pub(crate) fn secret(settings: &StateSettings) -> Result<[u8; 32]> {
    if let Some(text) = &settings.secret {
        return parse(text).context("GATEHOUSE_SECRET is wrong");
    }
    let path = settings.data_dir.join("secret");
    match fs::read_to_string(&path) {
        Ok(text) => parse(&text).with_context(|| format!("{} is damaged", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => make(&path),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn make(path: &Path) -> Result<[u8; 32]> {
    let text = control::secrets::random_secret();
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    parse(&text)
}

fn parse(text: &str) -> Result<[u8; 32]> {
    let text = text.trim();
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        bail!("it must be 64 hexadecimal digits");
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        let digits = &text[index * 2..index * 2 + 2];
        *byte = u8::from_str_radix(digits, 16)
            .ok()
            .context("it must be 64 hexadecimal digits")?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_64_hexadecimal_digits() {
        assert_eq!(parse(&"0a".repeat(32)).expect("valid"), [10; 32]);
        for wrong in ["", "0a", &"0g".repeat(32), &"ä".repeat(32)] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
