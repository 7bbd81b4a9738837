//! The one form in which the texts of paths are compared, for requests and for patterns.
//!
//! What different servers read differently is refused instead of guessed: control characters, backslashes and double
//! encodings, whether plain or percent-encoded (RFC 3986, section 6.2.2).

use std::borrow::Cow;

/// Brings the text of a path to its canonical form; the error is a sentence for the client.
pub fn normalise(raw: &str) -> Result<Cow<'_, str>, &'static str> {
    if raw.bytes().all(|byte| PLAIN[usize::from(byte)]) {
        return Ok(Cow::Borrowed(raw));
    }
    let bytes = raw.as_bytes();
    let mut path = String::with_capacity(bytes.len());
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let encoded = bytes[at] == b'%';
        let byte = if encoded {
            hex_pair(&bytes[at + 1..]).ok_or("The path has a broken percent-encoding.")?
        } else {
            bytes[at]
        };
        at += if encoded { 3 } else { 1 };
        decoded.push(byte);
        match byte {
            0..=0x1f | 0x7f => return Err("The path has a control character."),
            b'\\' => return Err("The path has a backslash."),
            b'#' if !encoded => return Err("The path has a `#`, which servers never see."),
            b'%' if encoded && hides_something(&bytes[at..]) => return Err("The path is encoded twice."),
            _ if encoded && !is_unreserved(byte) => push_encoded(&mut path, byte),
            _ if is_allowed(byte) => path.push(char::from(byte)),
            _ => push_encoded(&mut path, byte),
        }
    }
    let decoded = std::str::from_utf8(&decoded).map_err(|_| "The path is not UTF-8.")?;
    if !decoded.is_ascii() && hides_in_look_alikes(decoded) {
        return Err("The path has characters that some servers take for dots, slashes or percent signs.");
    }
    Ok(Cow::Owned(path))
}

/// Whether a server could read a step up or in place out of a canonical path. A kept `%2F` counts as a slash: the
/// service may decode it.
pub fn has_dot_segment(path: &str) -> bool {
    // Most paths have nothing that such a segment is made of.
    path.bytes().any(|byte| matches!(byte, b'.' | b';' | b'%'))
        && path.split('/').flat_map(|part| part.split("%2F")).any(is_dot_segment)
}

/// Which characters stay as they are and mean nothing special. It is looked at for every byte of every path.
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        plain[byte as usize] = is_allowed(byte) && !matches!(byte, b'%' | b'\\' | b'#');
        byte += 1;
    }
    plain
};

/// Whether a byte may stand in a path as it is; some that no path may have are seen in the wild and are encoded.
const fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}')
}

/// Also with parameters, as in `..;x=1` or `/;x/`, which some servers cut off before they look.
fn is_dot_segment(segment: &str) -> bool {
    let name = segment.split(';').next().unwrap_or(segment);
    let name = name.split("%3B").next().unwrap_or(name);
    matches!(name, "." | "..") || (name.is_empty() && !segment.is_empty())
}

/// Whether compatibility normalisation (Unicode, NFKC), which some servers apply, would make a separator or a dot
/// segment out of characters that look like one.
fn hides_in_look_alikes(decoded: &str) -> bool {
    if decoded.contains(['\u{ff0f}', '\u{ff3c}', '\u{fe68}', '\u{ff05}', '\u{fe6a}']) {
        return true;
    }
    let dots = |character: char| match character {
        '.' | '\u{ff0e}' | '\u{fe52}' | '\u{2024}' => Some(1),
        '\u{2025}' => Some(2),
        _ => None,
    };
    decoded.split('/').any(|segment| {
        let name = segment
            .split([';', '\u{ff1b}', '\u{fe54}', '\u{37e}'])
            .next()
            .unwrap_or(segment);
        let count = name.chars().map(dots).sum::<Option<usize>>();
        matches!(count, Some(1 | 2))
    })
}

/// Whether what follows an encoded `%` would decode to something that changes what a path means, or to a byte that
/// begins an overlong form of it.
fn hides_something(rest: &[u8]) -> bool {
    hex_pair(rest).is_some_and(|byte| matches!(byte, b'.' | b'/' | b'\\' | b'%' | b';' | 0..=0x1f | 0x7f | 0xc0 | 0xc1))
}

fn hex_pair(bytes: &[u8]) -> Option<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let value = digit(bytes.first()?)? * 16 + digit(bytes.get(1)?)?;
    u8::try_from(value).ok()
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn push_encoded(path: &mut String, byte: u8) {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    path.extend(['%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
}
