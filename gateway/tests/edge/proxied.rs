//! G-12: the PROXY header, from those who may send it.

use gateway::{Gateway, ProxyProtocol, Running};

use super::client::converse;
use super::recorder::Recorder;
use super::support::Configuration;

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

async fn start(protocol: ProxyProtocol, trusted: &str) -> (Running, Recorder) {
    let recorder = Recorder::start().await;
    let mut config = Configuration::new()
        .service(1, &format!("http://{}", recorder.address))
        .route(2, 1, "/")
        .config();
    config.proxy_protocol = protocol;
    config.trusted_proxies = vec![trusted.parse().expect("a network")];
    (Gateway::start(config).expect("started"), recorder)
}

fn version_2(command: u8) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([command, 0x11, 0, 12, 1, 2, 3, 4, 10, 0, 0, 1, 0x13, 0x88, 1, 0xbb]);
    header
}

#[tokio::test(flavor = "multi_thread")]
async fn g_12_a_trusted_proxy_says_who_its_client_is() {
    let (gateway, recorder) = start(ProxyProtocol::Trusted, "127.0.0.0/8").await;
    for (header, client) in [
        (b"PROXY TCP4 1.2.3.4 10.0.0.1 5000 443\r\n".to_vec(), "1.2.3.4"),
        (b"PROXY TCP6 2001:db8::1 ::1 5000 443\r\n".to_vec(), "2001:db8::1"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (version_2(0x21), "1.2.3.4"),
        // A health check of the proxy's own.
        (version_2(0x20), "127.0.0.1"),
    ] {
        let bytes = [header.as_slice(), REQUEST.as_bytes()].concat();
        let conversation = converse(gateway.proxy_addresses()[0], &bytes).await;
        assert_eq!(conversation.statuses, [200], "{header:?}: {}", conversation.text);
        assert_eq!(
            recorder.seen().pop().expect("one").header("x-real-ip"),
            Some(client),
            "{header:?}"
        );
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_12_a_trusted_proxy_that_says_nothing_is_closed() {
    let (gateway, recorder) = start(ProxyProtocol::Trusted, "127.0.0.0/8").await;
    for bytes in [
        REQUEST.to_owned(),
        format!("PROXY TCP4 1.2.3.4\r\n{REQUEST}"),
        format!("PROXY TCP4 1.2.3.4 10.0.0.1 5000 443\n{REQUEST}"),
        format!("{}{REQUEST}", "a".repeat(200)),
        "PROXY TCP4 1.2.".to_owned(),
    ] {
        let conversation = converse(gateway.proxy_addresses()[0], bytes.as_bytes()).await;
        assert!(conversation.text.is_empty(), "{bytes:?}: {}", conversation.text);
    }
    assert_eq!(recorder.begun(), 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_12_a_stranger_cannot_send_a_proxy_header() {
    for (protocol, trusted) in [
        (ProxyProtocol::Off, "127.0.0.0/8"),
        (ProxyProtocol::Trusted, "10.0.0.0/8"),
    ] {
        let (gateway, recorder) = start(protocol, trusted).await;
        let text = b"PROXY TCP4 1.2.3.4 10.0.0.1 5000 443\r\n".to_vec();
        for header in [text, version_2(0x21)] {
            let bytes = [header.as_slice(), REQUEST.as_bytes()].concat();
            let conversation = converse(gateway.proxy_addresses()[0], &bytes).await;
            assert_eq!(conversation.statuses, [400], "{header:?}: {}", conversation.text);
        }
        let conversation = converse(gateway.proxy_addresses()[0], REQUEST.as_bytes()).await;
        assert_eq!(conversation.statuses, [200], "{}", conversation.text);
        assert_eq!(recorder.seen().len(), 1);
        gateway.stop().await;
    }
}
