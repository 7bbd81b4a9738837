//! G-1, G-3: where one request ends and the next begins is never in doubt.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;

use super::client::converse;
use super::open_gateway;

/// Lengths that are none.
const LENGTHS: [&str; 30] = [
    "Content-Length: +5",
    "Content-Length: -5",
    "Content-Length:  5",
    "Content-Length: 5 ",
    "Content-Length:\t5",
    "Content-Length: 5\t",
    "Content-Length: 05",
    "Content-Length: 5,5",
    "Content-Length: 5, 5",
    "Content-Length: 5;5",
    "Content-Length: 0x5",
    "Content-Length: 5_0",
    "Content-Length: 5.0",
    "Content-Length: 5e0",
    "Content-Length: five",
    "Content-Length:",
    "Content-Length: ",
    "Content-Length: \"5\"",
    "Content-Length: 9223372036854775808",
    "Content-Length: 18446744073709551621",
    "Content-Length: 00000000000000000005",
    "Content-Length : 5",
    "Content-Length\t: 5",
    " Content-Length: 5",
    "Content-Length: 5\r\nContent-Length: 5",
    "Content-Length: 5\r\nContent-Length: 0",
    "Content-Length: 0\r\nCONTENT-LENGTH: 5",
    "Content-Length: 5\0",
    "Content-Length\0: 5",
    "Content-Length: 5\r",
];

/// Codings that are none.
const CODINGS: [&str; 40] = [
    "Transfer-Encoding: gzip",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: identity, chunked",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: chunked,",
    "Transfer-Encoding: ,chunked",
    "Transfer-Encoding: chunked;q=1",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunkedx",
    "Transfer-Encoding: chunk",
    "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding: 'chunked'",
    "Transfer-Encoding:  chunked",
    "Transfer-Encoding: chunked ",
    "Transfer-Encoding:\tchunked",
    "Transfer-Encoding: chunked\t",
    "Transfer-Encoding: \u{b}chunked",
    "Transfer-Encoding: \u{c}chunked",
    "Transfer-Encoding: chunked\0",
    "Transfer-Encoding: \x7fchunked",
    "Transfer-Encoding: \u{ff}chunked",
    "Transfer-Encoding:",
    "Transfer-Encoding: ",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding\t: chunked",
    " Transfer-Encoding: chunked",
    "\tTransfer-Encoding: chunked",
    "Transfer-Encoding\0: chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding:\r\n chunked",
    "Transfer-Encoding: x\r\n\tchunked",
    "X: y\r\n Transfer-Encoding: chunked",
    "X: y\nTransfer-Encoding: chunked",
    "X: y\rTransfer-Encoding: chunked",
    "Transfer-Encoding\r\n: chunked",
    "X: y\r\n\rTransfer-Encoding: chunked",
];

/// Two framings, of which either alone would do.
const BOTH: [&str; 8] = [
    "Content-Length: 5\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 5",
    "Content-Length: 0\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 0",
    "content-length: 5\r\ntransfer-encoding: Chunked",
    "Transfer-Encoding: chunked\r\nX: y\r\nContent-Length: 5",
    "Content-Length:5\r\nTransfer-Encoding:chunked",
    "Content-Length: 500\r\nTransfer-Encoding: chunked",
];

/// What may follow the head: as long as one framing says, or as the other does.
const BODIES: [&str; 4] = ["", "hello", "5\r\nhello\r\n0\r\n\r\n", "0\r\n\r\n"];

/// Chunks that are none.
const CHUNKS: [&str; 26] = [
    "\r\n",
    " 5\r\nhello\r\n",
    "5 \r\nhello\r\n",
    "5\t\r\nhello\r\n",
    "5;x\r\nhello\r\n",
    "5;x=y\r\nhello\r\n",
    "5;\r\nhello\r\n",
    "5;x=\"\r\n\"\r\nhello\r\n",
    "5\nhello\r\n",
    "5\rhello\r\n",
    "5\r\nhello\n",
    "5\r\nhello",
    "5\r\nhellox\r\n",
    "5\r\nhell\r\n",
    "0x5\r\nhello\r\n",
    "+5\r\nhello\r\n",
    "-5\r\nhello\r\n",
    "5h\r\nhello\r\n",
    "000000005\r\nhello\r\n",
    "100000005\r\nhello\r\n",
    "fffffffffffffffb\r\nhello\r\n",
    "g\r\nhello\r\n",
    "\0\r\nhello\r\n",
    "5\r\r\nhello\r\n",
    "5,5\r\nhello\r\n",
    "0 \r\n\r\n",
];

/// Ends of a chunked body that are none.
const ENDS: [&str; 10] = [
    "0\n\r\n",
    "0\r\n\n",
    "0\r\r\n",
    "0;x\r\n\r\n",
    "0\r\n X: y\r\n\r\n",
    "0\r\nX : y\r\n\r\n",
    "0\r\nX\r\n\r\n",
    "0\r\nX: y\n\r\n",
    "0\r\nX: \0\r\n\r\n",
    "0x0\r\n\r\n",
];

/// The next request on the same connection, with a head that is longer than any body here.
fn follow(number: usize) -> String {
    format!(
        "GET /follow/{number} HTTP/1.1\r\nHost: a\r\nX-Padding: {}\r\nConnection: close\r\n\r\n",
        "p".repeat(600)
    )
}

/// A head with a header in one of three places.
fn head(method: &str, number: usize, header: &str, place: usize) -> String {
    let mut lines = vec!["Host: a", "X-A: b", "X-C: d"];
    lines.insert(place, header);
    format!("{method} /case/{number} HTTP/1.1\r\n{}\r\n\r\n", lines.join("\r\n"))
}

/// Every case: what is sent before the request that follows.
fn cases() -> Vec<String> {
    let mut cases = Vec::new();
    for header in LENGTHS.iter().chain(&CODINGS).chain(&BOTH) {
        for body in BODIES {
            for method in ["POST", "GET"] {
                for place in 1..4 {
                    cases.push(format!("{}{body}", head(method, cases.len(), header, place)));
                }
            }
        }
    }
    let chunked = "Transfer-Encoding: chunked";
    for chunk in CHUNKS {
        for before in ["", "3\r\nabc\r\n"] {
            cases.push(format!(
                "{}{before}{chunk}0\r\n\r\n",
                head("POST", cases.len(), chunked, 1)
            ));
        }
    }
    for end in ENDS {
        for before in ["", "3\r\nabc\r\n"] {
            cases.push(format!("{}{before}{end}", head("POST", cases.len(), chunked, 1)));
        }
    }
    for line_end in ["\n", "\r", "\r\r\n", "\n\r"] {
        cases.push(head("GET", cases.len(), "X-E: f", 1).replace("\r\n", line_end));
        cases.push(head("GET", cases.len(), "X-E: f", 1).replacen("\r\n", line_end, 1));
        cases.push(head("GET", cases.len(), "X-E: f", 1).replacen("f\r\n", &format!("f{line_end}"), 1));
    }
    let old = head("POST", cases.len(), chunked, 1).replace("HTTP/1.1", "HTTP/1.0");
    cases.push(format!("{old}5\r\nhello\r\n0\r\n\r\n"));
    cases
}

#[tokio::test(flavor = "multi_thread")]
async fn g_1_no_request_with_two_readings_is_forwarded_nor_is_what_follows_it() {
    let (gateway, recorder) = open_gateway().await;
    let address = gateway.proxy_addresses()[0];
    let cases: Vec<(usize, String)> = cases().into_iter().enumerate().collect();
    assert!(cases.len() > 1_900, "{}", cases.len());
    let recorder = Arc::new(recorder);
    let tried = stream::iter(cases).for_each_concurrent(16, |(number, case)| async move {
        let conversation = converse(address, format!("{case}{}", follow(number)).as_bytes()).await;
        let refused = matches!(conversation.statuses.as_slice(), [400]);
        assert!(refused, "{case:?}: {}", conversation.text);
        assert!(
            conversation.text.to_lowercase().contains("connection: close"),
            "{}",
            conversation.text
        );
    });
    tried.await;
    assert!(recorder.seen().is_empty(), "{:?}", recorder.seen().first());
    assert!(recorder.faults().is_empty(), "{:?}", recorder.faults());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_1_requests_with_one_reading_are_forwarded_one_for_one() {
    let (gateway, recorder) = open_gateway().await;
    let address = gateway.proxy_addresses()[0];
    let bodies = [
        ("", ""),
        ("Content-Length: 0", ""),
        ("Content-Length:5", "hello"),
        ("content-length: 5", "hello"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"),
        ("transfer-encoding:Chunked", "1\r\nh\r\n0004\r\nello\r\n000\r\n\r\n"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"),
    ];
    let mut expected = 0;
    for (header, body) in bodies {
        for method in ["POST", "GET", "DELETE", "PATCH"] {
            let header = if header.is_empty() { "X-No: body" } else { header };
            let request = format!("{}{body}", head(method, expected, header, 1));
            // The same in one piece, pipelined twice, and byte by byte.
            let twice = format!("{request}{request}{}", follow(expected));
            let conversation = converse(address, twice.as_bytes()).await;
            assert_eq!(
                conversation.statuses,
                [200, 200, 200],
                "{request:?}: {}",
                conversation.text
            );
            expected += 3;
        }
    }
    assert_eq!(recorder.seen().len(), expected);
    let whole = recorder
        .seen()
        .iter()
        .all(|seen| seen.body.is_empty() || seen.body == b"hello");
    assert!(whole && recorder.faults().is_empty(), "{:?}", recorder.faults());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_1_a_refused_request_does_not_touch_those_before_it() {
    let (gateway, recorder) = open_gateway().await;
    let good = "POST /good HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    let bad = "POST /bad HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let bytes = format!("{good}{good}{bad}{good}");
    let conversation = converse(gateway.proxy_addresses()[0], bytes.as_bytes()).await;
    assert_eq!(conversation.statuses, [200, 200, 400], "{}", conversation.text);
    let targets: Vec<_> = recorder.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(targets, ["/good", "/good"]);
    super::refused_by(&gateway, "both_lengths").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_3_a_length_that_is_no_number_is_refused_with_a_reason() {
    let (gateway, recorder) = open_gateway().await;
    for length in ["+5", " 5", "5,5", "0x5", "5_0", "9223372036854775808"] {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\nhello");
        let conversation = converse(gateway.proxy_addresses()[0], request.as_bytes()).await;
        assert_eq!(conversation.statuses, [400], "{length:?}: {}", conversation.text);
        assert!(
            conversation.text.contains("\"reason\":\"bad_request\""),
            "{}",
            conversation.text
        );
        assert!(
            conversation.text.contains("Content-Length, in digits"),
            "{}",
            conversation.text
        );
    }
    assert_eq!(recorder.begun(), 0);
    gateway.stop().await;
}
