//! Connections to a target that changes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{Client, Dial, Tls, TlsSettings, Version};

/// A target over TLS that speaks HTTP/1.1 until it is changed.
struct Target {
    address: SocketAddr,
    http2: Arc<AtomicBool>,
    connections: Arc<AtomicUsize>,
}

fn acceptor(protocol: &[u8]) -> TlsAcceptor {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["target.example".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("a configuration");
    config.alpn_protocols = vec![protocol.to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

impl Target {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let target = Self {
            address: listener.local_addr().expect("an address"),
            http2: Arc::default(),
            connections: Arc::default(),
        };
        let (old, new) = (acceptor(b"http/1.1"), acceptor(b"h2"));
        let (http2, connections) = (target.http2.clone(), target.connections.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let http2 = http2.load(Ordering::SeqCst);
                let stream = if http2 { &new } else { &old }.accept(stream).await.expect("TLS");
                tokio::spawn(async move {
                    if !http2 {
                        return std::future::pending().await;
                    }
                    let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
                    while connection.accept().await.is_some() {}
                });
            }
        });
        target
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_target_that_speaks_http_2_after_a_change_shares_one_connection() {
    let (client, target) = (Client::default(), Target::start().await);
    let tls = Tls::new(&TlsSettings {
        name: "target.example",
        protocols: Version::Negotiated.protocols(),
        ..TlsSettings::default()
    });
    let tls = tls.expect("usable settings");
    let dial = Dial {
        address: target.address,
        tls: Some(&tls),
        version: Version::Negotiated,
        timeout: Duration::from_secs(10),
        preamble: None,
    };
    let mut leases = Vec::new();
    for _ in 0..2 {
        leases.push(client.lease(&dial, false).await.expect("a connection"));
    }
    assert_eq!(target.connections(), 2, "each request has a connection of its own");
    target.http2.store(true, Ordering::SeqCst);
    for _ in 0..5 {
        leases.push(client.lease(&dial, false).await.expect("a connection"));
    }
    let reused: Vec<bool> = leases.iter().map(|lease| lease.reused).collect();
    assert_eq!(reused, [false, false, false, true, true, true, true]);
    assert_eq!(target.connections(), 3);
}
