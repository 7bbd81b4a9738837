//! G-7: a client that stalls gets no more than its time.

use std::time::Duration;

use http::Request;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{sleep, timeout};

use super::client::{connect, conversation};
use super::recorder::Recorder;
use super::support::Configuration;
use super::support::http2::{Client, whole, write};
use super::{open_gateway, refused_by, support};

#[tokio::test(flavor = "multi_thread")]
async fn g_7_stalled_heads_and_bodies_end_while_others_are_served() {
    let recorder = Recorder::start().await;
    let mut configuration = Configuration::new()
        .service(1, &format!("http://{}", recorder.address))
        .route(2, 1, "/");
    let service = configuration.0[0].body.as_mut().expect("a service");
    // Longer than any client may take.
    service["response_timeout_ms"] = json!(60_000);
    let gateway = configuration.start();
    let address = gateway.proxy_addresses()[0];
    let stalled = [
        ("", vec![]),
        ("G", vec![408]),
        ("GET / HTTP/1.1\r\nHost: a\r\nX-A: ", vec![408]),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell", vec![408]),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nh",
            vec![408],
        ),
    ];
    let waiting = stalled.map(|(sent, statuses)| {
        tokio::spawn(async move {
            let mut stream = connect(address).await;
            stream.write_all(sent.as_bytes()).await.expect("written");
            let conversation = conversation(&mut stream).await;
            assert_eq!(conversation.statuses, statuses, "{sent:?}: {}", conversation.text);
        })
    });
    assert_eq!(support::get(address, "/", &[]).await.status, 200);
    for waited in waiting {
        waited.await.expect("as it should end");
    }
    refused_by(&gateway, "head_time").await;
    refused_by(&gateway, "body_time").await;
    assert_eq!(recorder.seen().len(), 1);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_7_a_body_that_stalls_on_a_stream_ends_long_before_silence_does() {
    let recorder = Recorder::start().await;
    let gateway = Configuration::new()
        .service_with(
            1,
            &format!("http://{}", recorder.address),
            json!({"response_timeout_ms": 600_000, "idle_timeout_ms": 600_000}),
        )
        .route(2, 1, "/")
        .start();
    let mut client = Client::connect(gateway.proxy_addresses()[0]).await;
    let request = Request::post("http://a/").header("content-length", "5");
    let (response, mut send) = client.begin(request.body(()).expect("a request"), false).await;
    write(&mut send, "hell".into()).await;
    let response = timeout(Duration::from_secs(60), response).await.expect("in time");
    let response = response.expect("an answer");
    assert_eq!(response.status(), 408);
    let body = whole(&mut response.into_body()).await.expect("a body");
    assert!(String::from_utf8_lossy(&body).contains("request_timeout"), "{body:?}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes half a minute"]
async fn g_7_a_client_that_does_not_read_is_left() {
    let (gateway, _recorder) = open_gateway().await;
    let mut stream = connect(gateway.proxy_addresses()[0]).await;
    let request = b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n";
    stream.write_all(request).await.expect("written");
    let counted = async {
        loop {
            let metrics = support::get(gateway.status_address(), "/metrics", &[]).await.body;
            if metrics.contains("gatehouse_edge_refusals_total{rule=\"answer_time\"} 1") {
                return;
            }
            sleep(Duration::from_secs(1)).await;
        }
    };
    let limit = Duration::from_secs(90);
    timeout(limit, counted).await.expect("the client is left");
    drop(stream);
    gateway.stop().await;
}
