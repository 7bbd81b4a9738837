//! The gateway's own copy of the configuration: with it a gateway restarts while the database is down.
//!
//! The file has a first line with the SHA-256 of the rest, and is replaced as a whole. The copy before it stays
//! beside it, in case the newest one is damaged.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use model::snapshot::Entry;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::Error;

/// The newest copy.
const NEWEST: &str = "gateway-config.json";
/// The one before it.
const BEFORE: &str = "gateway-config.before.json";

#[derive(Deserialize)]
struct Contents {
    revision: i64,
    entries: Vec<Entry>,
}

#[derive(Serialize)]
struct ContentsRef<'a> {
    revision: i64,
    entries: Vec<&'a Entry>,
}

/// A copy in a directory.
#[derive(Debug)]
pub(crate) struct Copy {
    directory: PathBuf,
    written: Option<i64>,
}

impl Copy {
    pub(crate) fn in_directory(directory: PathBuf) -> Self {
        Self {
            directory,
            written: None,
        }
    }

    /// The newest copy that is not damaged.
    pub(crate) fn read(&self) -> Option<(i64, Vec<Entry>)> {
        [NEWEST, BEFORE].iter().find_map(|name| {
            let path = self.directory.join(name);
            match read(&path) {
                Ok(contents) => Some((contents.revision, contents.entries)),
                Err(reason) => {
                    if path.exists() {
                        tracing::warn!(path = %path.display(), reason, "a copy of the configuration cannot be used");
                    }
                    None
                }
            }
        })
    }

    /// Replaces the copy; a failure is told and changes nothing for requests.
    pub(crate) fn write<'a>(&mut self, revision: i64, entries: impl Iterator<Item = &'a Entry>) {
        if self.written == Some(revision) {
            return;
        }
        match self.replace(&ContentsRef {
            revision,
            entries: entries.collect(),
        }) {
            Ok(()) => self.written = Some(revision),
            Err(error) => {
                tracing::error!(directory = %self.directory.display(), %error, "the configuration cannot be kept");
            }
        }
    }

    fn replace(&self, contents: &ContentsRef<'_>) -> io::Result<()> {
        let body = serde_json::to_vec(contents)?;
        let (newest, before) = (self.directory.join(NEWEST), self.directory.join(BEFORE));
        let fresh = self.directory.join(format!("{NEWEST}.new"));
        // It holds hashes of keys and names of consumers, which are nobody else's business.
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        writeln!(file, "{}", checksum(&body))?;
        file.write_all(&body)?;
        file.sync_all()?;
        if newest.exists() {
            fs::rename(&newest, before)?;
        }
        fs::rename(fresh, newest)
    }
}

/// Reads a configuration file that people or automation made or kept.
pub(crate) fn read_file(path: &Path) -> Result<(i64, Vec<Entry>), Error> {
    let contents = read(path).map_err(|reason| Error::File {
        path: path.to_owned(),
        reason,
    })?;
    Ok((contents.revision, contents.entries))
}

fn read(path: &Path) -> Result<Contents, String> {
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
    use model::Kind;
    use serde_json::json;
    use uuid::Uuid;

    fn entry(revision: i64) -> Entry {
        Entry {
            kind: Kind::Service,
            id: Uuid::nil(),
            revision,
            body: Some(json!({"a": 1})),
        }
    }

    #[test]
    fn a_damaged_copy_gives_way_to_the_one_before() {
        let directory = std::env::temp_dir().join(format!("gatehouse-copy-{}", Uuid::now_v7()));
        fs::create_dir_all(&directory).expect("writable");
        let mut copy = Copy::in_directory(directory.clone());
        assert_eq!(copy.read(), None);
        for revision in [1, 2] {
            copy.write(revision, [entry(revision)].iter());
        }
        assert_eq!(copy.read(), Some((2, vec![entry(2)])));
        let newest = directory.join(NEWEST);
        let text = fs::read_to_string(&newest)
            .expect("there")
            .replace("\"a\":1", "\"a\":2");
        fs::write(&newest, text).expect("writable");
        assert_eq!(copy.read(), Some((1, vec![entry(1)])));
        fs::remove_dir_all(directory).expect("removable");
    }
}
