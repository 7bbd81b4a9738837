//! G-11: whom a request is for has one reading.

use serde_json::json;

use super::client::converse;
use super::recorder::Recorder;
use super::support::Configuration;

#[tokio::test(flavor = "multi_thread")]
async fn g_11_a_request_never_reaches_another_tenant() {
    let (one, two) = (Recorder::start().await, Recorder::start().await);
    let gateway = Configuration::new()
        .service(1, &format!("http://{}", one.address))
        .service(2, &format!("http://{}", two.address))
        .route_with(11, 1, json!({"hosts": ["one.example"]}))
        .route_with(12, 2, json!({"hosts": ["two.example"]}))
        .start();
    for (head, status) in [
        ("GET / HTTP/1.1\r\nHost: one.example", 200),
        ("GET / HTTP/1.1\r\nHost: ONE.example.", 200),
        ("GET / HTTP/1.1\r\nHost: one.example:8000", 200),
        ("GET http://one.example/ HTTP/1.1\r\nHost: one.example", 200),
        ("GET http://ONE.EXAMPLE/ HTTP/1.1\r\nHost: ONE.EXAMPLE", 200),
        ("GET http://ONE.EXAMPLE/ HTTP/1.1\r\nHost: one.example", 400),
        (
            "GET / HTTP/1.1\r\nHost: one.example\r\nX-Forwarded-Host: two.example\r\nForwarded: host=two.example",
            200,
        ),
        ("GET / HTTP/1.1", 400),
        ("GET / HTTP/1.1\r\nHost:", 400),
        ("GET / HTTP/1.1\r\nHost: one.example\r\nHost: two.example", 400),
        ("GET / HTTP/1.1\r\nHost: one.example\r\nhost: one.example", 400),
        ("GET / HTTP/1.1\r\nHost: one.example, two.example", 400),
        ("GET / HTTP/1.1\r\nHost: one.example two.example", 400),
        ("GET / HTTP/1.1\r\nHost: one.example\r\n two.example", 400),
        ("GET / HTTP/1.1\r\nHost: two.example@one.example", 400),
        ("GET / HTTP/1.1\r\nHost: one.example:80:90", 400),
        ("GET / HTTP/1.1\r\nHost: one.example:x", 400),
        ("GET / HTTP/1.1\r\nHost: one.example:99999", 400),
        ("GET / HTTP/1.1\r\nHost: one.example/two.example", 400),
        ("GET / HTTP/1.1\r\nHost: one.example#two.example", 400),
        ("GET / HTTP/1.1\r\nHost: one%2eexample", 400),
        ("GET / HTTP/1.1\r\nHost: \"one.example\"", 400),
        ("GET / HTTP/1.1\r\nHost : one.example", 400),
        ("GET http://two.example/ HTTP/1.1\r\nHost: one.example", 400),
        ("GET http://one.example:80/ HTTP/1.1\r\nHost: one.example", 400),
        ("GET http://two.example@one.example/ HTTP/1.1\r\nHost: one.example", 400),
        ("GET http://one.example HTTP/1.1\r\nHost: one.example", 400),
        ("GET one.example/ HTTP/1.1\r\nHost: one.example", 400),
        ("GET //two.example/ HTTP/1.1\r\nHost: one.example", 200),
        ("GET / HTTP/1.1\r\nHost: three.example", 404),
    ] {
        let request = format!("{head}\r\nConnection: close\r\n\r\n");
        let conversation = converse(gateway.proxy_addresses()[0], request.as_bytes()).await;
        assert_eq!(conversation.statuses, [status], "{head:?}: {}", conversation.text);
    }
    assert_eq!(two.begun(), 0);
    assert!(one.faults().is_empty(), "{:?}", one.faults());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_11_many_hosts_are_found_in_any_case() {
    let recorder = Recorder::start().await;
    let mut configuration = Configuration::new().service(1, &format!("http://{}", recorder.address));
    for number in 0..150 {
        configuration = configuration.route_with(
            100 + number,
            1,
            json!({"hosts": [format!("tenant-{number}.example")], "paths": [format!("/of/{number}")], "strip_path": false}),
        );
    }
    let gateway = configuration.start();
    for number in (0..150).step_by(7) {
        for host in [
            format!("Tenant-{number}.EXAMPLE"),
            format!("TENANT-{number}.example.:80"),
        ] {
            let own = format!("GET /of/{number} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let other = format!(
                "GET /of/{} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n",
                number + 1
            );
            assert_eq!(
                converse(gateway.proxy_addresses()[0], own.as_bytes()).await.statuses,
                [200],
                "{own:?}"
            );
            assert_eq!(
                converse(gateway.proxy_addresses()[0], other.as_bytes()).await.statuses,
                [404],
                "{other:?}"
            );
        }
    }
    gateway.stop().await;
}
