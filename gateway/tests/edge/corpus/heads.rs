//! Heads: how lengths and codings are written, request lines, ends of lines.

use super::words::{BODIES, BOTH, CODINGS, LENGTHS};
use super::{Corpus, Part, head, product};

const SEPARATORS: [Part; 6] = [
    (": ", true),
    (":", true),
    (":  ", false),
    (":\t", false),
    (" : ", false),
    (": \t", false),
];
const LINE_ENDS: [Part; 4] = [("\r\n", true), ("\n", false), ("\r", false), ("\r\r\n", false)];

/// What is known to have gone wrong, before every body and in every place.
pub(super) fn listed(corpus: &mut Corpus) {
    for header in LENGTHS.iter().chain(&CODINGS).chain(&BOTH) {
        for body in BODIES {
            for method in ["POST", "GET"] {
                for place in 1..4 {
                    let head = head(method, corpus.number(), header, place);
                    corpus.refused(format!("{head}{body}"));
                }
            }
        }
    }
}

/// A header with these names and values, in every way to write it, before this body.
fn spelled(corpus: &mut Corpus, names: &[Part], values: &[Part], bodies: [&'static str; 2]) {
    for (parts, is_good) in product(&[names, &SEPARATORS, values, &LINE_ENDS]) {
        let [name, separator, value, end] = parts[..] else {
            unreachable!("one of each")
        };
        let head = format!(
            "POST /case/{} HTTP/1.1\r\nHost: a\r\n{name}{separator}{value}{end}X-A: b\r\n\r\n",
            corpus.number()
        );
        let [sent, received] = if value == "0" { [""; 2] } else { bodies };
        corpus.judged(format!("{head}{sent}"), is_good, ("POST", received));
    }
}

pub(super) fn lengths(corpus: &mut Corpus) {
    let names = [
        ("Content-Length", true),
        ("content-length", true),
        ("CONTENT-LENGTH", true),
        ("\u{b}Content-Length", false),
        ("Content-Length\u{b}", false),
        ("Content-Length:", false),
        ("Content Length", false),
    ];
    let values = [
        ("5", true),
        ("0", true),
        ("05", false),
        ("+5", false),
        ("5,5", false),
        ("5 ", false),
    ];
    spelled(corpus, &names, &values, ["hello", "hello"]);
}

pub(super) fn codings(corpus: &mut Corpus) {
    let names = [
        ("Transfer-Encoding", true),
        ("transfer-encoding", true),
        ("TRANSFER-ENCODING", true),
        ("\u{b}Transfer-Encoding", false),
        ("Transfer-Encoding\u{b}", false),
        ("Transfer-Encoding:", false),
        ("Transfer Encoding", false),
    ];
    let values = [
        ("chunked", true),
        ("Chunked", true),
        ("CHUNKED", true),
        ("chunked, identity", false),
        ("\u{212a}chunked", false),
        ("chun\u{212a}ed", false),
    ];
    spelled(corpus, &names, &values, ["5\r\nhello\r\n0\r\n\r\n", "hello"]);
}

/// Two framings that are good alone, in both orders, with other headers between them or not.
pub(super) fn both(corpus: &mut Corpus) {
    let framings = [
        "Content-Length: 5",
        "content-length:0",
        "Content-Length: 15",
        "Transfer-Encoding: chunked",
        "transfer-encoding:Chunked",
    ];
    for first in framings {
        for second in framings {
            for between in ["", "X-A: b\r\n", "X-A: b\r\nX-C: d\r\n"] {
                for body in BODIES {
                    let number = corpus.number();
                    corpus.refused(format!(
                        "POST /case/{number} HTTP/1.1\r\nHost: a\r\n{first}\r\n{between}{second}\r\n\r\n{body}"
                    ));
                }
            }
        }
    }
}

pub(super) fn request_lines(corpus: &mut Corpus) {
    let methods = [
        ("POST", true),
        ("PATCH", true),
        ("M-SEARCH", true),
        ("PO\tST", false),
        ("P(ST", false),
    ];
    let blanks = [(" ", true), ("  ", false), ("\t", false), (" \t", false)];
    let targets = [
        ("/case/", true),
        ("http://a/case/", true),
        ("HTTP://a/case/", true),
        ("case/", false),
        ("http://b/case/", false),
        ("/case\\", false),
    ];
    let versions = [
        ("HTTP/1.1", true),
        ("HTTP/1.2", false),
        ("http/1.1", false),
        ("HTTP/1.1 ", false),
        ("HTTP/01.1", false),
    ];
    for (parts, is_good) in super::pairs(&[&methods, &blanks, &targets, &blanks, &versions, &LINE_ENDS]) {
        let [method, before, target, after, version, end] = parts[..] else {
            unreachable!("one of each")
        };
        let number = corpus.number();
        let line = format!("{method}{before}{target}{number}{after}{version}{end}");
        corpus.judged(
            format!("{line}Host: a\r\nContent-Length: 5\r\n\r\nhello"),
            is_good,
            (method, "hello"),
        );
    }
}

/// Ends of lines that are none: of all lines, of the first, of one in the middle; and a framing that HTTP/1.0 has not.
pub(super) fn line_ends(corpus: &mut Corpus) {
    for line_end in ["\n", "\r", "\r\r\n", "\n\r"] {
        let plain = |corpus: &Corpus| head("GET", corpus.number(), "X-E: f", 1);
        corpus.refused(plain(corpus).replace("\r\n", line_end));
        corpus.refused(plain(corpus).replacen("\r\n", line_end, 1));
        corpus.refused(plain(corpus).replacen("f\r\n", &format!("f{line_end}"), 1));
    }
    let old = head("POST", corpus.number(), "Transfer-Encoding: chunked", 1).replace("HTTP/1.1", "HTTP/1.0");
    corpus.refused(format!("{old}5\r\nhello\r\n0\r\n\r\n"));
}
