//! The context of a trace, as W3C Trace Context has it (<https://www.w3.org/TR/trace-context/>): read strictly, because
//! what is wrong would break traces apart far away.

use std::num::{NonZeroU64, NonZeroU128};

/// Members of a `tracestate`.
const MAX_MEMBERS: usize = 32;
/// Bytes of a key or a value.
const MAX_PART: usize = 256;

/// What a caller says of its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// The trace.
    pub trace: NonZeroU128,
    /// The caller's span.
    pub span: NonZeroU64,
    /// Whether the caller records it.
    pub sampled: bool,
}

/// Reads a `traceparent`; none when it is not exactly what the standard says.
pub fn parent(value: &[u8]) -> Option<Parent> {
    let (head, rest) = value.split_at_checked(55)?;
    let version = hex(&head[..2])?;
    let separated = [2, 35, 52].iter().all(|at| head[*at] == b'-');
    let complete = rest.is_empty() || (version > 0 && rest[0] == b'-');
    if version == 0xff || !separated || !complete {
        return None;
    }
    Some(Parent {
        trace: NonZeroU128::new(hex(&head[3..35])?)?,
        span: NonZeroU64::new(u64::try_from(hex(&head[36..52])?).ok()?)?,
        sampled: hex(&head[53..])? & 1 == 1,
    })
}

/// Reads lower-case hexadecimal digits.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

/// Writes a `traceparent`.
pub fn format_parent(parent: Parent) -> [u8; 55] {
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
    write_hex(&mut text[3..35], parent.trace.get());
    write_hex(&mut text[36..52], u128::from(parent.span.get()));
    text[54] = b'0' + u8::from(parent.sampled);
    text
}

/// Writes a number as hexadecimal digits that fill `place`.
pub(super) fn write_hex(place: &mut [u8], mut number: u128) {
    for digit in place.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}

/// Whether these are the values of a valid `tracestate`, all of one request.
pub fn is_state<'a>(values: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut keys: [&[u8]; MAX_MEMBERS] = [&[]; MAX_MEMBERS];
    let mut count = 0;
    for member in values.flat_map(|value| value.split(|byte| *byte == b',')) {
        let member = member.trim_ascii();
        if member.is_empty() {
            continue;
        }
        let Some(at) = member.iter().position(|byte| *byte == b'=') else {
            return false;
        };
        let (key, value) = (&member[..at], &member[at + 1..]);
        if !is_key(key) || !is_value(value) || keys[..count].contains(&key) || count == MAX_MEMBERS {
            return false;
        }
        keys[count] = key;
        count += 1;
    }
    true
}

fn is_key(key: &[u8]) -> bool {
    let begins = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let fits = |byte: &u8| begins(byte) || b"_-*/@".contains(byte);
    key.len() <= MAX_PART && key.first().is_some_and(begins) && key.iter().all(fits)
}

fn is_value(value: &[u8]) -> bool {
    let fits = |byte: &u8| matches!(byte, 0x20..=0x7e) && *byte != b'=';
    (1..=MAX_PART).contains(&value.len()) && value.iter().all(fits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_parent_is_read_as_the_standard_writes_it() {
        let read = parent(GOOD.as_bytes()).expect("valid");
        assert_eq!(read.trace.get(), 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!((read.span.get(), read.sampled), (0x00f0_67aa_0ba9_02b7, true));
        assert!(!parent(GOOD.replace("-01", "-02").as_bytes()).expect("valid").sampled);
        let later = format!("cc{}-what-comes-later", &GOOD[2..]);
        assert_eq!(parent(later.as_bytes()), Some(read));
    }

    #[test]
    fn garbage_is_no_parent() {
        for wrong in [
            String::new(),
            GOOD.to_uppercase(),
            GOOD.replace("00-4", "ff-4"),
            GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)),
            GOOD.replace('-', "_"),
            GOOD.replace("-01", "-0g"),
            format!("{GOOD} "),
            format!(" {GOOD}"),
            format!("{GOOD}-more"),
            format!("cc{}.more", &GOOD[2..]),
            GOOD[..54].to_owned(),
            format!("{GOOD},{GOOD}"),
        ] {
            assert_eq!(parent(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn a_state_has_few_members_with_plain_keys() {
        let valid = |values: &[&str]| is_state(values.iter().map(|value| value.as_bytes()));
        assert!(valid(&["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "a@b=1 , ,z=2"]) && valid(&[""]));
        let many: Vec<String> = (0..33).map(|number| format!("k{number}=1")).collect();
        assert!(valid(&[&many[1..].join(",")]) && !valid(&[&many.join(",")]));
        for wrong in ["a", "A=1", "a=", "=1", "a=1,a=2", "a=b=c", "a=\u{7f}", "_a=1", "a=ü"] {
            assert!(!valid(&[wrong]), "{wrong}");
        }
        assert!(!valid(&["a=1", "a=2"]) && !valid(&[&format!("a={}", "x".repeat(257))]));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(trace in 1..u128::MAX, span in 1..u64::MAX, sampled: bool) {
            let written = Parent { trace: trace.try_into().expect("not zero"), span: span.try_into().expect("not zero"), sampled };
            prop_assert_eq!(parent(&format_parent(written)), Some(written));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = parent(&bytes);
            let _ = is_state(std::iter::once(bytes.as_slice()));
        }
    }
}
