//! Which certificate a client gets, by the name that it asks for and the signatures that it knows.

use model::Kind;
use rcgen::KeyPair;
use rustls::{HandshakeKind, SignatureScheme};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::support::{Client, Connection, Front, Pair, RSA, certificate, gone, self_signed, sni};

fn pair(name: &str) -> Pair {
    self_signed(name, &KeyPair::generate().expect("a key"))
}

#[tokio::test]
async fn the_nearest_name_decides() {
    let front = Front::open(vec![
        certificate(1, "exact", &pair("exact"), None),
        certificate(2, "wild", &pair("wild"), None),
        certificate(3, "deep", &pair("deep"), None),
        certificate(4, "off", &pair("off"), None),
        sni(1, "api.example.com", 1, json!({})),
        sni(2, "*.example.com", 2, json!({})),
        sni(3, "*.eu.example.com", 3, json!({})),
        sni(4, "off.example.org", 4, json!({"enabled": false})),
    ])
    .await;
    let fallback = "CN=Gatehouse default certificate";
    for (name, subject) in [
        ("api.example.com", "CN=exact"),
        ("API.Example.com", "CN=exact"),
        ("shop.example.com", "CN=wild"),
        ("a.eu.example.com", "CN=deep"),
        ("a.us.example.com", "CN=wild"),
        ("example.com", fallback),
        ("off.example.org", fallback),
        ("127.0.0.1", fallback),
    ] {
        assert_eq!(front.subject(name).await, subject, "{name}");
    }
    assert_eq!(front.builder.problems(), []);
}

#[tokio::test]
async fn the_certificate_named_default_answers_everybody_else() {
    let mut front = Front::open(vec![certificate(1, "default", &pair("mine"), None)]).await;
    assert_eq!(front.subject("unknown.example").await, "CN=mine");
    front.apply(vec![gone(Kind::Certificate, 1)]);
    assert_eq!(
        front.subject("unknown.example").await,
        "CN=Gatehouse default certificate"
    );
}

#[tokio::test]
async fn the_client_s_signatures_decide_between_rsa_and_ecdsa() {
    let rsa = self_signed("both", &KeyPair::from_pem(RSA).expect("a key"));
    let entries = vec![
        certificate(1, "both", &rsa, Some(&pair("both"))),
        sni(1, "both.example", 1, json!({})),
    ];
    let front = Front::open(entries).await;
    let only_rsa = vec![SignatureScheme::RSA_PSS_SHA256, SignatureScheme::RSA_PKCS1_SHA256];
    let old = Client {
        schemes: only_rsa,
        ..Client::default()
    };
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        for (client, key_type) in [(Client::default(), "ECDSA P-256"), (old.clone(), "RSA 2048")] {
            let client = Client {
                versions: vec![version],
                ..client
            };
            let connection = client
                .connect(front.address, "both.example")
                .await
                .expect("a connection");
            assert_eq!(connection.key_type(), key_type);
        }
    }
}

#[tokio::test]
async fn a_new_certificate_is_shown_at_once_and_open_connections_go_on() {
    let entries = vec![
        certificate(1, "a", &pair("old"), None),
        sni(1, "a.example", 1, json!({})),
    ];
    let mut front = Front::open(entries).await;
    let mut open = Client::default()
        .connect(front.address, "a.example")
        .await
        .expect("a connection");
    assert_eq!(open.subject(), "CN=old");
    front.apply(vec![certificate(1, "a", &pair("new"), None)]);
    assert_eq!(front.subject("a.example").await, "CN=new");
    open.echoes().await.expect("still open");
    front.apply(vec![gone(Kind::Sni, 1)]);
    open.echoes().await.expect("still open");
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_told_and_keeps_its_last_good_form() {
    let entries = vec![
        certificate(1, "a", &pair("a"), None),
        certificate(2, "b", &pair("b"), None),
        sni(1, "a.example", 1, json!({})),
        sni(2, "b.example", 2, json!({})),
    ];
    let mut front = Front::open(entries).await;
    let mut broken = certificate(1, "a", &pair("next"), None);
    // Sealed for another place.
    broken.body.as_mut().expect("a body")["key"] =
        certificate(3, "c", &pair("c"), None).body.expect("a body")["key"].clone();
    front.apply(vec![broken.clone()]);
    let problems: Vec<String> = front.builder.problems().iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("sealed under another secret"), "{problems:?}");
    assert_eq!(front.subject("a.example").await, "CN=a");
    assert_eq!(front.subject("b.example").await, "CN=b");
    let fresh = Front::open(vec![broken, sni(1, "a.example", 1, json!({}))]).await;
    assert_eq!(fresh.subject("a.example").await, "CN=Gatehouse default certificate");
    assert_eq!(fresh.builder.problems().len(), 2, "certificate and name");
}

#[tokio::test]
async fn sessions_are_resumed_and_both_protocols_offered() {
    let entries = vec![
        certificate(1, "a", &pair("a"), None),
        certificate(2, "b", &pair("b"), None),
        sni(1, "a.example", 1, json!({})),
    ];
    let mut front = Front::open(entries).await;
    let config = Client::default().config();
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let connection = Connection::open(config.clone(), front.address, "a.example")
            .await
            .expect("open");
        assert_eq!(connection.0.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
        kinds.push(connection.0.get_ref().1.handshake_kind());
    }
    assert_eq!(kinds, [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)]);
    // A change elsewhere does not end sessions.
    front.apply(vec![certificate(2, "b", &pair("c"), None)]);
    let connection = Connection::open(config, front.address, "a.example")
        .await
        .expect("open");
    assert_eq!(connection.0.get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed));
}

#[tokio::test]
async fn old_versions_are_refused() {
    let entries = vec![
        certificate(1, "a", &pair("a"), None),
        sni(1, "new.example", 1, json!({"min_tls": "1.3"})),
        sni(2, "old.example", 1, json!({})),
    ];
    let front = Front::open(entries).await;
    let tls12 = Client {
        versions: vec![&rustls::version::TLS12],
        ..Client::default()
    };
    assert!(tls12.connect(front.address, "old.example").await.is_ok());
    assert!(tls12.connect(front.address, "new.example").await.is_err());
    let mut stream = TcpStream::connect(front.address).await.expect("open");
    stream.write_all(&hello_of_tls11()).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    // A fatal alert: the version of the protocol is refused (RFC 5246, section 7.2).
    assert_eq!((answer.first(), &answer[5..]), (Some(&0x15), [2, 70].as_slice()));
}

/// A `ClientHello` that speaks TLS 1.1 at best, with one cipher suite and the signatures that it knows.
fn hello_of_tls11() -> Vec<u8> {
    let signatures = [0x00, 0x0d, 0x00, 0x06, 0x00, 0x04, 0x04, 0x03, 0x04, 0x01];
    let mut body = vec![0x03, 0x02];
    body.extend([0x5a; 32]);
    body.extend([0, 0, 2, 0xc0, 0x13, 1, 0]);
    body.extend([0, 10]);
    body.extend(signatures);
    let length = u8::try_from(body.len()).expect("short");
    let mut record = vec![0x16, 0x03, 0x01, 0, length + 4, 1, 0, 0, length];
    record.extend(body);
    record
}
