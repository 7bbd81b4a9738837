//! A body in chunks (RFC 9112, section 7.1), without extensions.

use super::super::rule::Rule;
use super::line::{is_token_byte, is_value_byte};

/// Digits of a chunk's size.
const DIGITS: u8 = 8;
/// Bytes of all trailers.
const TRAILERS: usize = 8 * 1024;

/// Where in the body the next byte is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Chunks {
    place: Place,
    trailers: usize,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    /// In the size, after so many digits.
    Size { digits: u8, size: u64 },
    /// After the carriage return of the size.
    SizeEnd { size: u64 },
    /// In the bytes, with so many to come.
    Bytes(u64),
    /// After them.
    BytesEnd,
    /// After the carriage return that follows them.
    BytesEndLine,
    /// At the beginning of a trailer, or of the last line.
    Trailer,
    /// In a trailer's name.
    Name,
    /// In a trailer's value.
    Value,
    /// After the carriage return of a trailer.
    ValueEnd,
    /// After the carriage return of the last line.
    LastEnd,
    /// After everything.
    Over,
}

impl Default for Place {
    fn default() -> Self {
        Self::Size { digits: 0, size: 0 }
    }
}

impl Chunks {
    /// How many of these bytes are part of the body, and whether it ends after them. An error means that the first byte is
    /// not allowed; bytes before a forbidden one pass first.
    pub(super) fn examine(&mut self, bytes: &[u8]) -> Result<(usize, bool), Rule> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if let Place::Bytes(left) = self.place {
                let count = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len() - at);
                at += count;
                let left = left - u64::try_from(count).unwrap_or(left);
                self.place = if left == 0 { Place::BytesEnd } else { Place::Bytes(left) };
                continue;
            }
            match self.step(*byte) {
                Ok(place) => self.place = place,
                Err(_) if at > 0 => break,
                Err(rule) => return Err(rule),
            }
            at += 1;
            if matches!(self.place, Place::Over) {
                return Ok((at, true));
            }
        }
        Ok((at, false))
    }

    /// The place after this byte.
    fn step(&mut self, byte: u8) -> Result<Place, Rule> {
        match (self.place, byte) {
            (Place::Size { digits, size }, _) if byte.is_ascii_hexdigit() && digits < DIGITS => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                Ok(Place::Size {
                    digits: digits + 1,
                    size: size * 16 + u64::from(digit),
                })
            }
            (Place::Size { digits: 1.., size }, b'\r') => Ok(Place::SizeEnd { size }),
            (Place::SizeEnd { size: 0 }, b'\n') => Ok(Place::Trailer),
            (Place::SizeEnd { size }, b'\n') => Ok(Place::Bytes(size)),
            (Place::BytesEnd, b'\r') => Ok(Place::BytesEndLine),
            (Place::BytesEndLine, b'\n') => Ok(Place::default()),
            (Place::Trailer | Place::Name | Place::Value | Place::ValueEnd | Place::LastEnd, _) => self.trailer(byte),
            _ => Err(Rule::Chunk),
        }
    }

    fn trailer(&mut self, byte: u8) -> Result<Place, Rule> {
        let place = match (self.place, byte) {
            (Place::Trailer, b'\r') => Place::LastEnd,
            (Place::LastEnd, b'\n') => Place::Over,
            (Place::Name, b':') => Place::Value,
            (Place::Trailer | Place::Name, _) if is_token_byte(byte) => Place::Name,
            (Place::Value, b'\r') => Place::ValueEnd,
            (Place::ValueEnd, b'\n') => Place::Trailer,
            (Place::Value, _) if is_value_byte(byte) => Place::Value,
            _ => return Err(Rule::Trailer),
        };
        self.trailers += 1;
        if self.trailers > TRAILERS {
            return Err(Rule::Trailer);
        }
        Ok(place)
    }
}
