//! The canonical path: computed once, then matched, authorised, limited, logged and forwarded.
//!
//! What different servers read differently is refused instead of guessed: control characters, backslashes, dot
//! segments and double encodings of these, whether plain or percent-encoded (RFC 3986, section 6.2.2).

use std::borrow::Cow;

/// A path in its canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalPath<'a> {
    /// With repeated slashes as they came.
    pub plain: Cow<'a, str>,
    /// With repeated slashes as one; absent when there are none.
    pub merged: Option<String>,
    /// Whether it has a `%2F`, which is never decoded.
    pub encoded_slash: bool,
}

impl CanonicalPath<'_> {
    /// The form that a route sees which does or does not merge slashes.
    pub fn seen(&self, merge_slashes: bool) -> &str {
        match &self.merged {
            Some(merged) if merge_slashes => merged,
            _ => &self.plain,
        }
    }
}

/// Brings a path to its canonical form; the error is a sentence for the client.
pub fn canonical(raw: &str) -> Result<CanonicalPath<'_>, &'static str> {
    if !raw.starts_with('/') {
        return Err("The path must begin with a slash.");
    }
    let plain = if raw.bytes().all(is_plain) {
        Cow::Borrowed(raw)
    } else {
        Cow::Owned(normalise(raw)?)
    };
    if has_dot_segment(&plain) {
        return Err("The path has a dot segment.");
    }
    let encoded_slash = plain.contains("%2F");
    let merged = plain.contains("//").then(|| merge(&plain));
    Ok(CanonicalPath {
        plain,
        merged,
        encoded_slash,
    })
}

/// Whether a server could read a step up or in place out of a canonical path. A kept `%2F` counts as a slash: the
/// service may decode it.
pub(crate) fn has_dot_segment(path: &str) -> bool {
    path.split('/').flat_map(|part| part.split("%2F")).any(is_dot_segment)
}

/// Brings the text of a pattern to the form that paths have, so that both can be compared.
pub(crate) fn canonical_pattern(text: &str) -> String {
    normalise(text).unwrap_or_else(|_| text.to_owned())
}

/// Joins the path of a service and what is left of a request's.
pub fn join(base: &str, rest: &str) -> String {
    if rest.is_empty() {
        return if base.is_empty() {
            "/".to_owned()
        } else {
            base.to_owned()
        };
    }
    let separator = if rest.starts_with('/') { "" } else { "/" };
    format!("{}{separator}{rest}", base.trim_end_matches('/'))
}

/// Characters that stay as they are and mean nothing special.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'%' | b'\\')
}

/// Also with parameters, as in `..;x=1`, which some servers cut off before they look.
fn is_dot_segment(segment: &str) -> bool {
    matches!(segment.split(';').next(), Some("." | ".."))
}

fn merge(path: &str) -> String {
    let mut merged = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !merged.ends_with('/') {
            merged.push(character);
        }
    }
    merged
}

fn normalise(raw: &str) -> Result<String, &'static str> {
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
            b'%' if encoded && hides_something(&bytes[at..]) => return Err("The path is encoded twice."),
            _ if encoded && !is_unreserved(byte) => push_encoded(&mut path, byte),
            _ if byte.is_ascii_graphic() => path.push(char::from(byte)),
            _ => push_encoded(&mut path, byte),
        }
    }
    if std::str::from_utf8(&decoded).is_err() {
        return Err("The path is not UTF-8.");
    }
    Ok(path)
}

/// Whether what follows an encoded `%` would decode to a dot, a slash, a backslash, a percent sign or a control.
fn hides_something(rest: &[u8]) -> bool {
    hex_pair(rest).is_some_and(|byte| matches!(byte, b'.' | b'/' | b'\\' | b'%' | 0..=0x1f | 0x7f))
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(raw: &str) -> String {
        canonical(raw)
            .unwrap_or_else(|error| panic!("{raw}: {error}"))
            .plain
            .into_owned()
    }

    #[test]
    fn encodings_are_brought_to_one_form() {
        for (raw, expected) in [
            ("/a/b", "/a/b"),
            ("/%61%2d%7e", "/a-~"),
            ("/a%20b", "/a%20b"),
            ("/%c3%a4", "/%C3%A4"),
            ("/ä", "/%C3%A4"),
            ("/a%2fb", "/a%2Fb"),
            ("/a%25b", "/a%25b"),
            ("/%3f%23", "/%3F%23"),
            ("/a;v=1", "/a;v=1"),
            ("/...", "/..."),
        ] {
            assert_eq!(plain(raw), expected, "{raw}");
        }
    }

    #[test]
    fn what_servers_read_differently_is_refused() {
        for raw in [
            "",
            "a",
            "*",
            "/..",
            "/a/../b",
            "/./a",
            "/%2e%2E/a",
            "/a/.%2e",
            "/a/..%2f..%2fb",
            "/a%2f.;x",
            "/..;x/a",
            "/%2e;/a",
            "/a\\b",
            "/a%5cb",
            "/a%00b",
            "/a%0d%0ab",
            "/a%7f",
            "/a%252e%252e/",
            "/a%252fb",
            "/a%255c",
            "/a%2500",
            "/a%2525",
            "/a%",
            "/a%2",
            "/a%zz",
            "/%ff",
            "/%c3",
        ] {
            assert!(canonical(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn slashes_are_merged_beside_and_encoded_ones_are_told() {
        let path = canonical("//a///b%2fc/").expect("valid");
        assert_eq!((path.seen(false), path.seen(true)), ("//a///b%2Fc/", "/a/b%2Fc/"));
        assert!(path.encoded_slash);
        assert_eq!(canonical("/a/b").expect("valid").merged, None);
    }

    #[test]
    fn joining_keeps_the_clients_trailing_slash_and_never_doubles_one() {
        for (base, rest, joined) in [
            ("", "", "/"),
            ("", "/a", "/a"),
            ("", "a", "/a"),
            ("/s", "", "/s"),
            ("/s", "/", "/s/"),
            ("/s/", "/a", "/s/a"),
            ("/s/", "", "/s/"),
            ("/s", "a/", "/s/a/"),
        ] {
            assert_eq!(join(base, rest), joined, "{base} + {rest}");
        }
    }

    proptest! {
        #[test]
        fn a_canonical_path_is_its_own_canonical_form(raw in "/[a-zA-Z0-9%./;ä~ -]{0,40}") {
            if let Ok(path) = canonical(&raw) {
                let again = canonical(&path.plain).expect("still valid");
                prop_assert_eq!(&again.plain, &path.plain);
                prop_assert!(path.plain.is_ascii());
                prop_assert!(!path.seen(true).contains("//"));
            }
        }
    }
}
