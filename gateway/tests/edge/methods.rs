//! G-25: methods that a proxy for everybody must not serve.

use http::Request;

use super::client::converse;
use super::{open_gateway, support};

#[tokio::test(flavor = "multi_thread")]
async fn g_25_trace_and_connect_are_refused_in_any_spelling() {
    let (gateway, recorder) = open_gateway().await;
    for line in [
        "TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0",
        "trace / HTTP/1.1\r\nHost: a",
        "Trace / HTTP/1.1\r\nHost: a",
        "CONNECT a:443 HTTP/1.1\r\nHost: a:443",
        "CONNECT / HTTP/1.1\r\nHost: a",
        "connect a:443 HTTP/1.1\r\nHost: a:443",
    ] {
        let conversation = converse(gateway.proxy_addresses()[0], format!("{line}\r\n\r\n").as_bytes()).await;
        assert_eq!(conversation.statuses, [405], "{line:?}: {}", conversation.text);
        assert!(conversation.text.contains("\r\nAllow: "), "{}", conversation.text);
    }
    assert_eq!(recorder.begun(), 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_25_trace_and_connect_are_refused_over_http_2_too() {
    let (gateway, recorder) = open_gateway().await;
    let mut client = support::http2::Client::connect(gateway.proxy_addresses()[0]).await;
    for (method, url) in [
        ("TRACE", "http://a.example/"),
        ("trace", "http://a.example/"),
        ("CONNECT", "a.example:443"),
        ("connect", "http://a.example/"),
    ] {
        let request = Request::builder().method(method).uri(url);
        let (response, _) = client.begin(request.body(()).expect("a request"), true).await;
        let response = response.await.expect("an answer");
        assert_eq!(response.status(), 405, "{method}");
        assert!(response.headers().contains_key("allow"), "{response:?}");
    }
    assert_eq!(recorder.begun(), 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_25_other_methods_are_the_services_matter() {
    let (gateway, recorder) = open_gateway().await;
    for method in ["PROPFIND", "M-SEARCH", "PURGE", "OPTIONS"] {
        let request = format!("{method} / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\nConnection: close\r\n\r\n");
        let conversation = converse(gateway.proxy_addresses()[0], request.as_bytes()).await;
        assert_eq!(conversation.statuses, [200], "{method}: {}", conversation.text);
        assert_eq!(recorder.seen().last().expect("one").method, method);
    }
    for method in ["G(T", "GET\t", "", "A-METHOD-THAT-IS-MUCH-TOO-LONG-FOR-ONE"] {
        let request = format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n");
        let conversation = converse(gateway.proxy_addresses()[0], request.as_bytes()).await;
        assert_eq!(conversation.statuses, [400], "{method:?}: {}", conversation.text);
    }
    gateway.stop().await;
}
