//! A configuration in a file, for tests that need no database: a first line with the SHA-256 of the rest, which is JSON.

use std::fs;
use std::path::Path;

use model::snapshot::Entry;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::error::Error;

#[derive(Deserialize)]
struct Contents {
    revision: i64,
    entries: Vec<Entry>,
}

/// Reads the revision and the entries of a file.
pub(crate) fn read(path: &Path) -> Result<(i64, Vec<Entry>), Error> {
    let contents = parse(path).map_err(|reason| Error::File {
        path: path.to_owned(),
        reason,
    })?;
    Ok((contents.revision, contents.entries))
}

fn parse(path: &Path) -> Result<Contents, String> {
    let text = fs::read(path).map_err(|error| error.to_string())?;
    let end = text
        .iter()
        .position(|byte| *byte == b'\n')
        .ok_or("it has no first line with a checksum")?;
    let (first, body) = (&text[..end], &text[end + 1..]);
    if first != checksum(body).as_bytes() {
        return Err("its checksum is wrong".to_owned());
    }
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

fn checksum(body: &[u8]) -> String {
    Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_file_is_read_by_its_checksum_only() {
        let path = std::env::temp_dir().join(format!("gatehouse-file-{}.json", Uuid::now_v7()));
        let body = r#"{"revision":7,"entries":[]}"#;
        let reason = |text: String| {
            fs::write(&path, text).expect("writable");
            parse(&path).map(|contents| contents.revision)
        };
        assert_eq!(reason(format!("{}\n{body}", checksum(body.as_bytes()))), Ok(7));
        let wrong = reason(format!("{}\n{body} ", checksum(body.as_bytes())));
        assert_eq!(wrong, Err("its checksum is wrong".to_owned()));
        let missing = reason(body.to_owned());
        assert_eq!(missing, Err("it has no first line with a checksum".to_owned()));
        fs::remove_file(path).expect("removable");
    }
}
