//! G-1, G-3: where one request ends and the next begins is never in doubt.

use std::collections::HashMap;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::client::converse;
use super::corpus::{Case, cases, follow};
use super::open_gateway;

/// Connections that are open at once.
const AT_ONCE: usize = 48;

/// What the service must have seen of a case.
fn expected(number: usize, case: &Case) -> Vec<(String, String, Vec<u8>)> {
    let target = format!("/case/{number}");
    let mut expected: Vec<_> = case
        .served
        .iter()
        .map(|(method, body)| ((*method).to_owned(), target.clone(), body.as_bytes().to_vec()))
        .collect();
    if !case.refused {
        expected.push(("GET".to_owned(), format!("/follow/{number}"), Vec::new()));
    }
    expected
}

#[tokio::test(flavor = "multi_thread")]
async fn g_1_what_is_forwarded_is_what_was_accepted_and_has_one_reading() {
    let (gateway, recorder) = open_gateway().await;
    let address = gateway.proxy_addresses()[0];
    let cases = cases();
    let good = cases.iter().filter(|case| !case.refused).count();
    assert!(cases.len() > 6_000 && good > 250, "{good} of {} are good", cases.len());
    let tried = stream::iter(cases.iter().enumerate()).for_each_concurrent(AT_ONCE, |(number, case)| async move {
        let conversation = converse(address, format!("{}{}", case.bytes, follow(number)).as_bytes()).await;
        let mut statuses = vec![200; case.served.len()];
        statuses.push(if case.refused { 400 } else { 200 });
        assert_eq!(conversation.statuses, statuses, "{case:?}: {}", conversation.text);
        let text = conversation.text.to_lowercase();
        assert!(!case.refused || text.contains("connection: close"), "{text}");
    });
    tried.await;
    let mut seen: HashMap<usize, Vec<_>> = HashMap::new();
    for one in recorder.seen() {
        let number = one.target.rsplit('/').next().and_then(|number| number.parse().ok());
        let requests = seen.entry(number.expect("a number")).or_default();
        requests.push((one.method, one.target, one.body));
    }
    for (number, case) in cases.iter().enumerate() {
        let seen = seen.remove(&number).unwrap_or_default();
        assert_eq!(seen, expected(number, case), "{case:?}");
    }
    assert!(recorder.faults().is_empty(), "{:?}", recorder.faults());
    gateway.stop().await;
}

/// Changes a few characters of a case, always in the same way.
fn mutated(bytes: &str, random: &mut ChaCha8Rng) -> String {
    const PIECES: [&str; 16] = [
        "\r\n",
        "\n",
        "\r",
        " ",
        "\t",
        ":",
        ",",
        ";",
        "\0",
        "chunked",
        "Content-Length: 5\r\n",
        "\r\n\r\n",
        "0",
        "Host: a\r\n",
        "Transfer-Encoding: chunked\r\n",
        "GET /inside HTTP/1.1\r\nHost: a\r\n\r\n",
    ];
    let mut bytes = bytes.to_owned();
    for _ in 0..random.random_range(1..4) {
        let starts: Vec<usize> = bytes.char_indices().map(|(at, _)| at).collect();
        let at = starts[random.random_range(0..starts.len())];
        if random.random_range(0..3) == 0 {
            bytes.remove(at);
        } else {
            bytes.insert_str(at, PIECES[random.random_range(0..PIECES.len())]);
        }
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn g_1_of_mutated_requests_as_many_are_forwarded_as_are_answered() {
    let (gateway, recorder) = open_gateway().await;
    let address = gateway.proxy_addresses()[0];
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let cases = cases();
    // All at once, for some wait for a body until their time is over.
    let tried = (0..1_500).map(|number| {
        let case = &cases[random.random_range(0..cases.len())];
        let bytes = format!("{}{}", mutated(&case.bytes, &mut random), follow(number));
        async move {
            let conversation = converse(address, bytes.as_bytes()).await;
            let known = [200, 400, 404, 405, 408, 413, 414, 417, 431];
            let odd = conversation.statuses.iter().find(|status| !known.contains(status));
            assert_eq!(odd, None, "{bytes:?}: {}", conversation.text);
            conversation.statuses.iter().filter(|status| **status == 200).count()
        }
    });
    let answered: usize = join_all(tried).await.into_iter().sum();
    assert!(answered > 200, "{answered}");
    assert_eq!(recorder.seen().len(), answered);
    assert!(recorder.faults().is_empty(), "{:?}", recorder.faults());
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
