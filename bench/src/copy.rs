//! Writes a gateway's own copy of its configuration, with the gateway's own code for frames.

// The gateway's file also reads frames, which the rig does not.
#[expect(dead_code, reason = "the rig only writes")]
#[path = "../../gateway/src/source/copy/frames.rs"]
mod frames;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::Result;

use crate::configuration::{Entry, SECRET};

/// The file that a gateway looks for.
const NAME: &str = "gateway-config.copy";
/// Records of a frame, in bytes.
const FRAME: usize = 256 * 1024;

/// Writes entries as revision 1.
pub(crate) fn write(directory: &Path, entries: impl Iterator<Item = Entry>) -> Result<()> {
    let file = BufWriter::new(File::create(directory.join(NAME))?);
    let mut writer = frames::Writer::begin(file, &SECRET)?;
    let mut records = Vec::new();
    for entry in entries {
        push(&entry, &mut records)?;
        if records.len() >= FRAME {
            writer.frame(None, &records)?;
            records.clear();
        }
    }
    writer.frame(Some(1), &records)?;
    Ok(writer.inner().flush()?)
}

/// Adds a record: the kind's word with its length in a byte, the id, the length of the body, and the body.
fn push(entry: &Entry, records: &mut Vec<u8>) -> Result<()> {
    let body = entry.body.to_string();
    records.push(u8::try_from(entry.kind.len())?);
    records.extend_from_slice(entry.kind.as_bytes());
    records.extend_from_slice(&entry.id.to_be_bytes());
    records.extend_from_slice(&u32::try_from(body.len())?.to_le_bytes());
    records.extend_from_slice(body.as_bytes());
    Ok(())
}
