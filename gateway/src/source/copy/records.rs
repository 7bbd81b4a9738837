//! Rows one after the other in bytes.
//!
//! A record is the kind's word with its length in a byte, the id, the length of the body, and the body as it came.

use model::Kind;
use uuid::Uuid;

use crate::runtime::Row;

/// The length that stands for no body.
const GONE: u32 = u32::MAX;

/// Adds a record.
pub(super) fn push(row: Row<'_>, records: &mut Vec<u8>) {
    let kind = row.kind.as_str().as_bytes();
    records.push(u8::try_from(kind.len()).unwrap_or(u8::MAX));
    records.extend_from_slice(kind);
    records.extend_from_slice(row.id.as_bytes());
    let length = row.body.map_or(GONE, |body| u32::try_from(body.len()).unwrap_or(GONE));
    records.extend_from_slice(&length.to_le_bytes());
    if length != GONE {
        records.extend_from_slice(row.body.unwrap_or_default());
    }
}

/// The rows of records. Those of kinds that this program does not know are left out; what is no record is an error.
pub(super) struct Records<'a>(pub(super) &'a [u8]);

impl<'a> Records<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next record, with the word of its kind.
    fn next_record(&mut self) -> Option<(&'a str, Uuid, Option<&'a [u8]>)> {
        let length = usize::from(self.take(1)?[0]);
        let kind = std::str::from_utf8(self.take(length)?).ok()?;
        let id = Uuid::from_slice(self.take(16)?).ok()?;
        let length = u32::from_le_bytes(self.take(4)?.try_into().ok()?);
        let body = if length == GONE {
            None
        } else {
            Some(self.take(usize::try_from(length).ok()?)?)
        };
        Some((kind, id, body))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Row<'a>, &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.0.is_empty() {
            let Some((kind, id, body)) = self.next_record() else {
                self.0 = &[];
                return Some(Err("it has a record that cannot be read"));
            };
            if let Some(kind) = Kind::parse(kind) {
                return Some(Ok(Row { kind, id, body }));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were_and_unknown_kinds_are_left_out() {
        let row = |kind, number, body| Row {
            kind,
            id: Uuid::from_u128(number),
            body,
        };
        let rows = [
            row(Kind::CaCertificate, 1, Some(&b"{}"[..])),
            row(Kind::Route, u128::MAX, None),
            row(Kind::Plugin, 0, Some(&b""[..])),
        ];
        let mut records = Vec::new();
        push(rows[0], &mut records);
        records.extend_from_slice(b"\x04moon");
        records.extend_from_slice(&[7; 16]);
        records.extend_from_slice(&[1, 0, 0, 0, b'x']);
        push(rows[1], &mut records);
        push(rows[2], &mut records);
        let read: Result<Vec<_>, _> = Records(&records).collect();
        assert_eq!(read, Ok(rows.to_vec()));
        assert!(Records(&records[..records.len() - 1]).any(|row| row.is_err()));
    }
}
