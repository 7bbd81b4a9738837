//! Reads a copy row by row.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use super::frames::{Place, Reader, SALT};
use super::keeper::{BEFORE, NEWEST};
use super::records::Records;
use crate::runtime::Row;
use crate::source::Point;

/// What comes out of a copy.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    /// A row; a later one of the same object replaces it.
    Row(Row<'a>),
    /// What came so far counts for nothing: the file is damaged, and another one follows.
    Again,
}

/// A copy that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// The last revision that is complete.
    pub(super) point: Point,
    /// Whether it is the one before the newest.
    pub(super) is_before: bool,
    /// Where its first revision ends.
    pub(super) base: Place,
    /// Where its last one does.
    pub(super) end: Place,
    /// The number that its key is derived from.
    pub(super) salt: [u8; SALT],
}

/// The newest copy in a directory that has a complete revision.
pub(super) fn find(directory: &Path, secret: &[u8; 32], mut take: impl FnMut(Step<'_>)) -> Option<Found> {
    for name in [NEWEST, BEFORE] {
        let path = directory.join(name);
        if !path.exists() {
            continue;
        }
        match read(&path, secret, &mut take) {
            Ok(found) => {
                return Some(Found {
                    is_before: name == BEFORE,
                    ..found
                });
            }
            Err(reason) => {
                tracing::warn!(path = %path.display(), reason, "a copy of the configuration cannot be used");
                take(Step::Again);
            }
        }
    }
    None
}

fn read(path: &Path, secret: &[u8; 32], take: &mut impl FnMut(Step<'_>)) -> Result<Found, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut reader = Reader::begin(BufReader::with_capacity(1 << 16, file), secret)?;
    let salt = reader.salt();
    let mut known: Option<Found> = None;
    // Frames of a revision that is not complete yet; those of the first one are taken as they come, for they are many.
    let mut held: Vec<Vec<u8>> = Vec::new();
    loop {
        let frame = match reader.next() {
            Ok(Some(frame)) => frame,
            Ok(None) => break,
            Err(reason) if known.is_some() => {
                tracing::warn!(path = %path.display(), reason, "the end of the copy of the configuration is lost");
                break;
            }
            Err(reason) => return Err(reason.to_owned()),
        };
        let Some(point) = frame.ends else {
            match known {
                None => give(frame.records, take)?,
                Some(_) => held.push(frame.records.to_vec()),
            }
            continue;
        };
        for records in held.drain(..) {
            give(&records, take)?;
        }
        give(frame.records, take)?;
        let end = reader.place();
        known = Some(Found {
            point,
            is_before: false,
            base: known.map_or(end, |known| known.base),
            end,
            salt,
        });
    }
    known.ok_or_else(|| "it has no complete revision".to_owned())
}

fn give(records: &[u8], take: &mut impl FnMut(Step<'_>)) -> Result<(), String> {
    for row in Records(records) {
        take(Step::Row(row?));
    }
    Ok(())
}
