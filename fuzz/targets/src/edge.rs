//! What comes before Pingora: framing, frames, PROXY headers.

use std::time::Instant;

use gateway::guard::Rule;
use gateway::guard::http1::{Body, Framing};
use gateway::guard::http2::Flow;
use gateway::listener::proxy_protocol::{Header, parse};

/// What became of bytes.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    /// Where each request's head ended and where the request did, and how its body is framed.
    requests: Vec<(usize, usize, Body)>,
    passed: usize,
    broken: Option<Rule>,
}

/// Reads bytes that come in pieces of these sizes.
fn read(bytes: &[u8], mut size: impl FnMut() -> usize) -> Verdict {
    let (mut framing, mut passed, mut arrived) = (Framing::default(), 0, 0);
    let (mut requests, mut head_end) = (Vec::new(), None);
    loop {
        let count = match framing.examine(&bytes[passed..arrived]) {
            Ok(count) => count,
            Err(rule) => {
                return Verdict {
                    requests,
                    passed,
                    broken: Some(rule),
                };
            }
        };
        passed += count;
        assert!(passed <= arrived, "more passed than came");
        if let Some(request) = framing.request() {
            let head = *head_end.get_or_insert(passed);
            if framing.is_over() {
                requests.push((head, passed, request.body));
                head_end = None;
                framing.next();
                continue;
            }
        }
        if count == 0 && arrived == bytes.len() {
            return Verdict {
                requests,
                passed,
                broken: None,
            };
        }
        if count == 0 {
            arrived = bytes.len().min(arrived.saturating_add(size().max(1)));
        }
    }
}

/// Pieces whose sizes the first bytes say.
fn sizes(data: &[u8]) -> (impl FnMut() -> usize, &[u8]) {
    let (plan, rest) = data.split_at(data.len().min(4));
    let mut next = plan
        .iter()
        .map(|byte| usize::from(*byte))
        .collect::<Vec<_>>()
        .into_iter()
        .cycle();
    (move || next.next().unwrap_or(1), rest)
}

/// The verdict on requests does not depend on how they are cut, and a head that passes is one for other parsers too, with
/// the same end.
pub fn guard(data: &[u8]) {
    let (pieces, bytes) = sizes(data);
    let verdict = read(bytes, || usize::MAX);
    assert_eq!(verdict, read(bytes, pieces), "it depends on the pieces");
    let mut start = 0;
    for (head, end, _) in &verdict.requests {
        let mut headers = [httparse::EMPTY_HEADER; 128];
        let mut request = httparse::Request::new(&mut headers);
        let parsed = request.parse(&bytes[start..]);
        assert_eq!(
            parsed,
            Ok(httparse::Status::Complete(head - start)),
            "another parser sees another head"
        );
        start = *end;
    }
}

/// A chunked body that passes has one reading, and ends where a simple decoder says.
pub fn chunks(data: &[u8]) {
    let (pieces, body) = sizes(data);
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let bytes = [head, body].concat();
    let verdict = read(&bytes, || usize::MAX);
    assert_eq!(verdict, read(&bytes, pieces), "it depends on the pieces");
    if let Some((_, end, _)) = verdict.requests.first() {
        assert_eq!(decode(body), Some(end - head.len()), "the body ends elsewhere");
    }
}

/// The next line, without its end.
fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let line = &rest[..end];
    *rest = &rest[end + 2..];
    Some(line)
}

/// Where a chunked body ends, if it is one.
fn decode(mut rest: &[u8]) -> Option<usize> {
    let length = rest.len();
    loop {
        let size = usize::from_str_radix(std::str::from_utf8(line(&mut rest)?).ok()?, 16).ok()?;
        if size == 0 {
            while !line(&mut rest)?.is_empty() {}
            return Some(length - rest.len());
        }
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

/// Frames are counted alike however the bytes are cut, and the last word never comes in the midst of a frame.
pub fn frames(data: &[u8]) {
    let (mut pieces, bytes) = sizes(data);
    let now = Instant::now();
    let whole = Flow::default().received(bytes, now.into());
    let (mut flow, mut rest, mut cut) = (Flow::default(), bytes, Ok(()));
    while !rest.is_empty() && cut.is_ok() {
        let (piece, left) = rest.split_at(rest.len().min(pieces().max(1)));
        cut = flow.received(piece, now.into());
        rest = left;
    }
    assert_eq!(whole, cut, "it depends on the pieces");
    let mut answers = Flow::default();
    answers.sent(bytes);
    let _ = answers.goaway();
}

/// A PROXY header is whole, partial or junk once and for all.
pub fn proxy_header(data: &[u8]) {
    let whole = parse(data);
    let Header::Whole { length, .. } = whole else { return };
    assert!(length <= data.len(), "longer than what came");
    for end in 0..length {
        assert_eq!(parse(&data[..end]), Header::Partial, "it ends before it ends");
    }
    assert_eq!(parse(&data[..length]), whole, "what follows it changes it");
}
