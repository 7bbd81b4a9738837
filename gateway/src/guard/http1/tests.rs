use proptest::prelude::*;

use super::*;

/// What became of bytes: the whole requests in them, what was left in the last one, and the rule that was broken.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    requests: Vec<Request>,
    passed: usize,
    broken: Option<Rule>,
}

/// Reads bytes as they come, in pieces of these sizes.
fn read(bytes: &[u8], mut sizes: impl Iterator<Item = usize>) -> Verdict {
    let (mut framing, mut kept, mut rest) = (Framing::default(), Vec::new(), bytes);
    let mut verdict = Verdict {
        requests: Vec::new(),
        passed: 0,
        broken: None,
    };
    loop {
        match framing.pass(&kept) {
            Ok(0) if framing.is_over() => {
                verdict.requests.push(*framing.request().expect("a head passed"));
                framing.next();
                continue;
            }
            Ok(0) if rest.is_empty() => return verdict,
            Ok(0) => {
                let size = sizes.next().expect("endless").clamp(1, rest.len());
                kept.extend_from_slice(&rest[..size]);
                rest = &rest[size..];
            }
            Ok(count) => {
                verdict.passed += count;
                kept.drain(..count);
            }
            Err(rule) => {
                verdict.broken = Some(rule);
                return verdict;
            }
        }
    }
}

fn whole(bytes: &[u8]) -> Verdict {
    read(bytes, std::iter::repeat(usize::MAX))
}

fn broken(text: &str) -> Option<Rule> {
    let at_once = whole(text.as_bytes());
    let byte_by_byte = read(text.as_bytes(), std::iter::repeat(1));
    assert_eq!(at_once, byte_by_byte, "{text:?}");
    at_once.broken
}

#[test]
fn what_clients_send_passes() {
    for (text, body, upgrade) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Body::None, false),
        ("GET / HTTP/1.0\r\n\r\n", Body::None, false),
        ("OPTIONS * HTTP/1.1\r\nhost:a.example:80\r\n\r\n", Body::None, false),
        (
            "GET HTTP://a.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n",
            Body::None,
            false,
        ),
        (
            "GET /?q={\"a\":[1|2]}^` HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
            Body::None,
            false,
        ),
        ("GET /a;b=c/%20?x#\r\n", Body::None, false),
        ("PROPFIND / HTTP/1.1\r\nHost: a\r\nDepth: 1\r\n\r\n", Body::None, false),
        (
            "m-search / HTTP/1.1\r\nHost: a\r\nX: \tb\u{fc}\t \r\nEmpty:\r\n\r\n",
            Body::None,
            false,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
            Body::Length(3),
            false,
        ),
        (
            "DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length:0\r\n\r\n",
            Body::None,
            false,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n00A\r\n0123456789\r\n0\r\n\r\n",
            Body::Chunked,
            false,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:Chunked\r\n\r\n0\r\nX-Sum: 1\r\n\r\n",
            Body::Chunked,
            false,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n",
            Body::None,
            true,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\n\r\n",
            Body::None,
            false,
        ),
    ] {
        if text.contains('#') {
            assert_eq!(broken(text), Some(Rule::RequestLine), "{text:?}");
            continue;
        }
        assert_eq!(broken(text), None, "{text:?}");
        let requests = whole(text.as_bytes()).requests;
        assert_eq!(requests.len(), 1, "{text:?}");
        assert_eq!((requests[0].body, requests[0].upgrade), (body, upgrade), "{text:?}");
    }
}

#[test]
fn request_lines_have_one_form() {
    for (line, rule) in [
        ("", Rule::RequestLine),
        ("GET", Rule::RequestLine),
        ("GET /", Rule::RequestLine),
        (" GET / HTTP/1.1", Rule::RequestLine),
        ("GET  / HTTP/1.1", Rule::RequestLine),
        ("GET /  HTTP/1.1", Rule::RequestLine),
        ("GET / HTTP/1.1 ", Rule::RequestLine),
        ("GET\t/\tHTTP/1.1", Rule::RequestLine),
        ("GET / HTTP/1.2", Rule::Version),
        ("GET / HTTP/0.9", Rule::Version),
        ("GET / HTTP/2.0", Rule::Version),
        ("GET / http/1.1", Rule::Version),
        ("GET / HTTP/1.1x", Rule::Version),
        ("GET / HTTP/01.1", Rule::Version),
        ("GE(T / HTTP/1.1", Rule::Method),
        ("TRACE / HTTP/1.1", Rule::MethodRefused),
        ("trace / HTTP/1.1", Rule::MethodRefused),
        ("CONNECT a:443 HTTP/1.1", Rule::MethodRefused),
        ("PRI * HTTP/2.0", Rule::Version),
        ("GET * HTTP/1.1", Rule::Target),
        ("GET a HTTP/1.1", Rule::Target),
        ("GET a/b HTTP/1.1", Rule::Target),
        ("GET ?a HTTP/1.1", Rule::Target),
        ("GET http://a HTTP/1.1", Rule::Target),
        ("GET http:///x HTTP/1.1", Rule::Target),
        ("GET http:/a/x HTTP/1.1", Rule::Target),
        ("GET ftp://a/x HTTP/1.1", Rule::Target),
        ("GET http://u@a/x HTTP/1.1", Rule::Target),
        ("GET http://b/x HTTP/1.1", Rule::HostMismatch),
        ("GET http://a:80/x HTTP/1.1", Rule::HostMismatch),
        ("GET http://A/x HTTP/1.1", Rule::HostMismatch),
        ("GET /a#b HTTP/1.1", Rule::TargetByte),
        ("GET /a\\b HTTP/1.1", Rule::TargetByte),
        ("GET /a\"b HTTP/1.1", Rule::TargetByte),
        ("GET /a<b HTTP/1.1", Rule::TargetByte),
        ("GET /a{b} HTTP/1.1", Rule::TargetByte),
        ("GET /?a<b HTTP/1.1", Rule::TargetByte),
        ("GET /a\x7fb HTTP/1.1", Rule::TargetByte),
        ("GET /a\u{e9} HTTP/1.1", Rule::TargetByte),
        ("GET /a\0 HTTP/1.1", Rule::TargetByte),
        ("GET /a\r HTTP/1.1", Rule::TargetByte),
    ] {
        let text = format!("{line}\r\nHost: a\r\n\r\n");
        assert_eq!(broken(&text), Some(rule), "{text:?}");
    }
}

#[test]
fn headers_have_one_form() {
    for (header, rule) in [
        ("X : a", Rule::Field),
        ("X\t: a", Rule::Field),
        (": a", Rule::Field),
        ("X", Rule::Field),
        ("X\0: a", Rule::Field),
        ("X(: a", Rule::Field),
        ("X\u{e9}: a", Rule::Field),
        (" X: a", Rule::Folded),
        ("\tX: a", Rule::Folded),
        ("X: a\r\n b", Rule::Folded),
        ("X: a\0", Rule::FieldByte),
        ("X: a\rb", Rule::FieldByte),
        ("X: a\r", Rule::FieldByte),
        ("X: \x7f", Rule::FieldByte),
        ("X: a\nY: b", Rule::LineEnd),
        ("Host: a", Rule::Host),
        ("Host: b", Rule::Host),
        ("Expect: 200-ok", Rule::Expectation),
        ("Expect: 100-continue, x", Rule::Expectation),
        ("Content-Length: +5", Rule::ContentLength),
        ("Content-Length: -5", Rule::ContentLength),
        ("Content-Length:  5", Rule::ContentLength),
        ("Content-Length: 5 ", Rule::ContentLength),
        ("Content-Length:\t5", Rule::ContentLength),
        ("Content-Length: 05", Rule::ContentLength),
        ("Content-Length: 5,5", Rule::ContentLength),
        ("Content-Length: 5, 5", Rule::ContentLength),
        ("Content-Length: 0x5", Rule::ContentLength),
        ("Content-Length: 5_0", Rule::ContentLength),
        ("Content-Length: 5.0", Rule::ContentLength),
        ("Content-Length: 5e0", Rule::ContentLength),
        ("Content-Length:", Rule::ContentLength),
        ("Content-Length: ", Rule::ContentLength),
        ("Content-Length: 9223372036854775808", Rule::ContentLength),
        ("Content-Length: 18446744073709551616", Rule::ContentLength),
        ("Content-Length: 00000000000000000005", Rule::ContentLength),
        ("Content-Length: \u{ff15}", Rule::ContentLength),
        ("Content-Length: 5\r\nContent-Length: 5", Rule::ContentLength),
        ("Content-Length: 5\r\ncontent-length: 6", Rule::ContentLength),
        ("Transfer-Encoding: gzip, chunked", Rule::TransferEncoding),
        ("Transfer-Encoding: identity", Rule::TransferEncoding),
        ("Transfer-Encoding: chunked, chunked", Rule::TransferEncoding),
        ("Transfer-Encoding: chunked,", Rule::TransferEncoding),
        ("Transfer-Encoding: \"chunked\"", Rule::TransferEncoding),
        ("Transfer-Encoding:  chunked", Rule::TransferEncoding),
        ("Transfer-Encoding: chunked ", Rule::TransferEncoding),
        ("Transfer-Encoding: \tchunked", Rule::TransferEncoding),
        ("Transfer-Encoding: chunked;q=1", Rule::TransferEncoding),
        ("Transfer-Encoding: xchunked", Rule::TransferEncoding),
        ("Transfer-Encoding:", Rule::TransferEncoding),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            Rule::TransferEncoding,
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
            Rule::TransferEncoding,
        ),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", Rule::BothLengths),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", Rule::BothLengths),
        ("Content-Length: 0\r\nTransfer-Encoding: chunked", Rule::BothLengths),
    ] {
        let text = format!("POST / HTTP/1.1\r\nHost: a\r\n{header}\r\n\r\n0\r\n\r\n");
        assert_eq!(broken(&text), Some(rule), "{text:?}");
    }
    for text in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
    ] {
        assert_eq!(broken(text), Some(Rule::Host), "{text:?}");
    }
    let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(broken(old), Some(Rule::TransferEncoding));
    assert_eq!(broken("GET / HTTP/1.1\nHost: a\n\n"), Some(Rule::LineEnd));
}

#[test]
fn chunks_have_one_form() {
    for (body, rule) in [
        ("\r\n", Rule::Chunk),
        (" 5\r\nhello\r\n0\r\n\r\n", Rule::Chunk),
        ("5 \r\nhello\r\n0\r\n\r\n", Rule::Chunk),
        ("5;a=b\r\nhello\r\n0\r\n\r\n", Rule::Chunk),
        ("5\nhello\r\n0\r\n\r\n", Rule::Chunk),
        ("5\r\nhello\n0\r\n\r\n", Rule::Chunk),
        ("5\r\nhellox\r\n0\r\n\r\n", Rule::Chunk),
        ("5\r\nhello0\r\n\r\n", Rule::Chunk),
        ("0x5\r\nhello\r\n0\r\n\r\n", Rule::Chunk),
        ("+5\r\nhello\r\n0\r\n\r\n", Rule::Chunk),
        ("-5\r\nhello\r\n0\r\n\r\n", Rule::Chunk),
        ("000000005\r\nhello\r\n0\r\n\r\n", Rule::Chunk),
        ("g\r\nhello\r\n0\r\n\r\n", Rule::Chunk),
        ("5\r\rhello\r\n0\r\n\r\n", Rule::Chunk),
        ("0;a\r\n\r\n", Rule::Chunk),
        ("0\r\n X: a\r\n\r\n", Rule::Trailer),
        ("0\r\nX : a\r\n\r\n", Rule::Trailer),
        ("0\r\nX\r\n\r\n", Rule::Trailer),
        ("0\r\nX: a\n\r\n", Rule::Trailer),
        ("0\r\n\rX", Rule::Trailer),
    ] {
        let text = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        assert_eq!(broken(&text), Some(rule), "{text:?}");
    }
    let long = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: {}\r\n\r\n",
        "a".repeat(9_000)
    );
    assert_eq!(broken(&long), Some(Rule::Trailer));
}

#[test]
fn g_9_a_head_has_bounds() {
    let target = |length: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(length - 1));
    assert_eq!(broken(&target(8_192)), None);
    assert_eq!(broken(&target(8_193)), Some(Rule::TargetLength));
    assert_eq!(broken(&"a".repeat(100_000)), Some(Rule::TargetLength));
    let fields = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: a\r\n".repeat(count - 1));
    assert_eq!(broken(&fields(100)), None);
    assert_eq!(broken(&fields(101)), Some(Rule::HeaderSize));
    // The lines of the headers, with the empty one at the end.
    let size = |size: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(size - 16));
    assert_eq!(broken(&size(32 * 1024)), None);
    assert_eq!(broken(&size(32 * 1024 + 1)), Some(Rule::HeaderSize));
    let endless = format!("GET / HTTP/1.1\r\nHost: {}", "a".repeat(100_000));
    assert_eq!(broken(&endless), Some(Rule::HeaderSize));
}

/// A part of a request that may be wrong.
fn part(of: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(of)
}

prop_compose! {
    fn request()(
        method in part(&["GET", "POST", "get", "TRACE", "G T", ""]),
        target in part(&["/", "/a?b", "*", "http://a/", "a", "/\\", ""]),
        version in part(&["HTTP/1.1", "HTTP/1.0", "HTTP/1.2"]),
        end in part(&["\r\n", "\r\n", "\r\n", "\n", "\r"]),
        headers in prop::collection::vec(part(&[
            "Host: a\r\n", "Content-Length: 5\r\n", "Content-Length: +5\r\n", "Transfer-Encoding: chunked\r\n", "X: y\r\n", "X: y\n",
            " folded\r\n", "Expect: 100-continue\r\n", "Upgrade: websocket\r\nConnection: upgrade\r\n",
        ]), 0..5),
        body in part(&["", "hello", "5\r\nhello\r\n0\r\n\r\n", "5;x\r\nhello\r\n0\r\n\r\n", "0\r\nX: y\r\n\r\n"]),
    ) -> String {
        format!("{method} {target} {version}{end}{}\r\n{body}", headers.concat())
    }
}

prop_compose! {
    fn canonical()(
        method in "[A-Z]{1,10}".prop_filter("served", |method| !["TRACE", "CONNECT"].contains(&method.as_str())),
        path in "/[a-zA-Z0-9/._~%-]{0,40}",
        headers in prop::collection::vec(("[a-z-]{1,20}".prop_map(|name| format!("x-{name}")), "[ -~]{0,60}"), 0..20),
        body in prop::option::of(prop::collection::vec(any::<u8>(), 0..300)),
        chunk in 0_usize..50,
    ) -> Vec<u8> {
        let mut bytes = format!("{method} {path} HTTP/1.1\r\nHost: a.example\r\n").into_bytes();
        for (name, value) in headers {
            bytes.extend(format!("{name}: {value}\r\n").as_bytes());
        }
        match body {
            None => bytes.extend(b"\r\n"),
            Some(body) if chunk == 0 => {
                bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
                bytes.extend(body);
            }
            Some(body) => {
                bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
                for piece in body.chunks(chunk) {
                    bytes.extend(format!("{:x}\r\n", piece.len()).as_bytes());
                    bytes.extend(piece);
                    bytes.extend(b"\r\n");
                }
                bytes.extend(b"0\r\n\r\n");
            }
        }
        bytes
    }
}

proptest! {
    #[test]
    fn it_does_not_matter_how_bytes_are_cut(requests in prop::collection::vec(request(), 1..4), sizes in prop::collection::vec(1_usize..40, 1..20)) {
        let bytes = requests.concat();
        prop_assert_eq!(whole(bytes.as_bytes()), read(bytes.as_bytes(), sizes.into_iter().cycle()));
    }

    #[test]
    fn it_does_not_matter_how_any_bytes_are_cut(bytes in prop::collection::vec(any::<u8>(), 0..200), size in 1_usize..10) {
        prop_assert_eq!(whole(&bytes), read(&bytes, std::iter::repeat(size)));
    }

    #[test]
    fn requests_in_their_plain_form_pass_whole(requests in prop::collection::vec(canonical(), 1..6)) {
        let bytes = requests.concat();
        let verdict = whole(&bytes);
        prop_assert_eq!(verdict.broken, None);
        prop_assert_eq!((verdict.requests.len(), verdict.passed), (requests.len(), bytes.len()));
    }
}
