//! G-26, G-27: answers that come before the request is over leave nothing behind.

use tokio::io::AsyncWriteExt as _;

use super::client::{connect, conversation, converse, read_until};
use super::open_gateway;

#[tokio::test(flavor = "multi_thread")]
async fn g_26_the_rest_of_a_body_is_never_a_request() {
    let (gateway, recorder) = open_gateway().await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut stream = connect(gateway.proxy_addresses()[0]).await;
    let head = format!(
        "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
        smuggled.len()
    );
    stream.write_all(head.as_bytes()).await.expect("written");
    let answer = read_until(&mut stream, "early").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let rest = format!("{smuggled}GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    // The gateway may have closed by now.
    let _ = stream.write_all(rest.as_bytes()).await;
    let conversation = conversation(&mut stream).await;
    assert!(conversation.statuses.len() <= 1, "{}", conversation.text);
    let smuggled = recorder.seen().iter().any(|seen| seen.target == "/smuggled");
    assert!(
        !smuggled && recorder.faults().is_empty(),
        "{:?} {:?}",
        recorder.seen(),
        recorder.faults()
    );
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_27_a_client_that_waits_for_leave_gets_it_and_goes_on() {
    let (gateway, recorder) = open_gateway().await;
    for round in 1..=3 {
        let mut stream = connect(gateway.proxy_addresses()[0]).await;
        let head = "POST /expects HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
        stream.write_all(head.as_bytes()).await.expect("written");
        let leave = read_until(&mut stream, "\r\n\r\n").await;
        assert!(leave.starts_with("HTTP/1.1 100"), "{leave}");
        stream.write_all(b"hello").await.expect("written");
        let answer = read_until(&mut stream, "ok").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let seen = recorder.seen();
        let seen: Vec<_> = seen.iter().filter(|seen| seen.target == "/expects").collect();
        assert_eq!(
            (seen.len(), seen[round - 1].body.as_slice()),
            (round, b"hello".as_slice())
        );
        // The next one is served, unless the connection ends with this one.
        let next = "GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let _ = stream.write_all(next.as_bytes()).await;
        let rest = conversation(&mut stream).await;
        assert!(matches!(rest.statuses.as_slice(), [] | [200]), "{}", rest.text);
        assert!(recorder.faults().is_empty(), "{:?}", recorder.faults());
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_27_a_client_that_does_not_wait_for_leave_is_served_too() {
    let (gateway, recorder) = open_gateway().await;
    let request = "POST /expects HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello";
    let next = "GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let conversation = converse(gateway.proxy_addresses()[0], format!("{request}{next}").as_bytes()).await;
    assert_eq!(conversation.statuses, [200, 200], "{}", conversation.text);
    let targets: Vec<_> = recorder.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(targets, ["/expects", "/next"]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_27_a_refusal_before_the_body_ends_the_connection() {
    let (gateway, recorder) = open_gateway().await;
    for expect in ["", "Expect: 100-continue\r\n"] {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{expect}Content-Length: 99999999\r\n\r\n");
        let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
        let conversation = converse(gateway.proxy_addresses()[0], format!("{head}{smuggled}").as_bytes()).await;
        assert_eq!(conversation.statuses, [413], "{}", conversation.text);
    }
    assert_eq!(recorder.begun(), 0);
    gateway.stop().await;
}
