//! Chunked bodies.

use super::words::{CHUNKS, ENDS};
use super::{Corpus, head, pairs};

const CHUNKED: &str = "Transfer-Encoding: chunked";

/// What is known to have gone wrong, alone and after a chunk that is good.
pub(super) fn listed(corpus: &mut Corpus) {
    for before in ["", "3\r\nabc\r\n"] {
        for chunk in CHUNKS {
            let head = head("POST", corpus.number(), CHUNKED, 1);
            corpus.broken(format!("{head}{before}{chunk}0\r\n\r\n"));
        }
        for end in ENDS {
            let head = head("POST", corpus.number(), CHUNKED, 1);
            corpus.broken(format!("{head}{before}{end}"));
        }
    }
}

/// The spellings of a chunk's size, of the last one's, and of trailers, each with whether it is a good one.
const SIZES: &[(&str, bool)] = &[
    ("5", true),
    ("05", true),
    ("00000005", true),
    ("000000005", false),
    ("+5", false),
    ("0x5", false),
    (" 5", false),
    ("5h", false),
];
const LASTS: &[(&str, bool)] = &[
    ("0", true),
    ("00000000", true),
    ("000000000", false),
    ("-0", false),
    ("0;a", false),
    ("0x0", false),
];
const TRAILERS: &[(&str, bool)] = &[
    ("", true),
    ("X-Sum: 1\r\n", true),
    ("X-Sum: 1\r\nX-B:\r\n", true),
    ("X-Sum : 1\r\n", false),
    (" X-Sum: 1\r\n", false),
    ("X-Sum: 1\n", false),
    ("X-Sum\r\n", false),
    ("X-Sum: \0\r\n", false),
];

/// A chunk and the end, each part in every spelling, two at most that are not the plain one.
pub(super) fn made(corpus: &mut Corpus) {
    let extensions = [
        ("", true),
        (" ", false),
        ("\t", false),
        (";", false),
        (";a=b", false),
        (" ;a=\"b\"", false),
    ];
    let ends = [
        ("\r\n", true),
        ("\n", false),
        ("\r", false),
        ("\r\r\n", false),
        ("\n\r", false),
        ("", false),
    ];
    let data = [("hello", true), ("hel", false), ("hello!", false), ("", false)];
    let last_ends = [("\r\n", true), ("\n", false), ("\r\r\n", false)];
    for (parts, is_good) in pairs(&[
        SIZES,
        &extensions,
        &ends,
        &data,
        &ends,
        LASTS,
        &ends,
        TRAILERS,
        &last_ends,
    ]) {
        let head = head("POST", corpus.number(), CHUNKED, 1);
        corpus.judged(format!("{head}{}", parts.concat()), is_good, ("POST", "hello"));
        corpus.begun();
    }
}
