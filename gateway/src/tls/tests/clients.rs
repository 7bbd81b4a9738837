//! What clients must show, and what becomes of it.

use model::Kind;
use model::snapshot::Entry;
use rcgen::{CertificateRevocationListParams, KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber};
use rustls::HandshakeKind;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use time::macros::datetime;
use uuid::Uuid;

use super::super::client_certificate;
use super::support::{
    Authority, Client, Connection, Front, Pair, authority, certificate, gone, params, self_signed, sni,
};

fn server() -> Pair {
    self_signed("server", &KeyPair::generate().expect("a key"))
}

fn asks(client_auth: &str, authorities: &[u128]) -> Value {
    let ids: Vec<String> = authorities.iter().map(|id| Uuid::from_u128(*id).to_string()).collect();
    json!({"client_auth": client_auth, "ca_certificates": ids})
}

async fn gets_in(front: &Front, name: &str, certificate: Option<&Pair>) -> bool {
    let client = certificate.map(Client::with).unwrap_or_default();
    client.connect(front.address, name).await.is_ok()
}

/// A certificate of number 7, and a list that takes it back.
fn revoked(authority: &Authority) -> (Pair, String) {
    let mut of_thief = params("thief");
    of_thief.serial_number = Some(SerialNumber::from(7_u64));
    let list = CertificateRevocationListParams {
        this_update: datetime!(2026-01-01 00:00 UTC),
        next_update: datetime!(2026-02-01 00:00 UTC),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: vec![RevokedCertParams {
            serial_number: SerialNumber::from(7_u64),
            revocation_time: datetime!(2026-01-01 00:00 UTC),
            reason_code: None,
            invalidity_date: None,
        }],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let list = list.signed_by(&authority.issuer()).expect("signed").pem().expect("PEM");
    (authority.sign(&of_thief), list)
}

/// A name that asks for certificates, in words of another version.
fn unreadable(id: u128, name: &str) -> Entry {
    let mut row = sni(id, name, 1, asks("required", &[1]));
    row.body.as_mut().expect("a body")["client_auth"] = "by_letter".into();
    row
}

#[tokio::test]
async fn a_name_whose_row_cannot_be_read_lets_nobody_in() {
    let partners = Authority::new("partners");
    let partner = partners.sign(&params("partner"));
    let mut front = Front::open(vec![
        certificate(1, "server", &server(), None),
        authority(1, &partners, ""),
        unreadable(1, "required.example"),
        sni(2, "open.example", 1, json!({})),
    ])
    .await;
    for (name, expected) in [
        ("required.example", false),
        ("open.example", true),
        ("else.example", true),
    ] {
        assert_eq!(gets_in(&front, name, None).await, expected, "{name}");
    }
    assert!(!gets_in(&front, "required.example", Some(&partner)).await);
    let misdirects = |front: &Front, verified| {
        let runtime = front.current.load_full().expect("served");
        runtime
            .tls
            .misdirects(Some("open.example"), verified, "required.example")
    };
    assert!(misdirects(&front, false) && misdirects(&front, true));
    let problems: Vec<String> = front.builder.problems().iter().map(ToString::to_string).collect();
    let told = "so nobody gets in by the name required.example";
    assert!(problems.len() == 1 && problems[0].contains(told), "{problems:?}");

    front.apply(vec![sni(1, "required.example", 1, asks("required", &[1]))]);
    assert_eq!(front.builder.problems(), []);
    // Once there is a good form, it stays.
    front.apply(vec![unreadable(1, "required.example"), unreadable(3, "new.example")]);
    assert!(gets_in(&front, "required.example", Some(&partner)).await);
    assert!(!gets_in(&front, "required.example", None).await);
    assert!(!gets_in(&front, "new.example", None).await);
    // What is gone, or off, asks for nothing.
    let mut off = unreadable(4, "off.example");
    off.body.as_mut().expect("a body")["enabled"] = false.into();
    front.apply(vec![gone(Kind::Sni, 3), off]);
    assert!(gets_in(&front, "new.example", None).await && gets_in(&front, "off.example", None).await);
}

#[tokio::test]
async fn only_clients_with_a_valid_certificate_of_the_right_authority_get_in() {
    let (partners, others) = (Authority::new("partners"), Authority::new("others"));
    let (thief, list) = revoked(&partners);
    let front = Front::open(vec![
        certificate(1, "server", &server(), None),
        authority(1, &partners, &list),
        authority(2, &others, ""),
        sni(1, "required.example", 1, asks("required", &[1])),
        sni(2, "optional.example", 1, asks("optional", &[1])),
        sni(3, "either.example", 1, asks("required", &[1, 2])),
        sni(4, "open.example", 1, json!({})),
    ])
    .await;
    let (partner, other) = (partners.sign(&params("partner")), others.sign(&params("other")));
    let ended = partners.sign_ended("ended");
    for (name, shown, admitted) in [
        ("required.example", None, false),
        ("required.example", Some(&partner), true),
        ("required.example", Some(&other), false),
        ("required.example", Some(&ended), false),
        ("required.example", Some(&thief), false),
        ("optional.example", None, true),
        ("optional.example", Some(&partner), true),
        ("optional.example", Some(&other), false),
        ("optional.example", Some(&thief), false),
        ("either.example", Some(&partner), true),
        ("either.example", Some(&other), true),
        ("either.example", Some(&thief), false),
        ("open.example", Some(&other), true),
    ] {
        let who = shown.map_or("nobody", |pair| {
            [
                ("partner", &partner),
                ("other", &other),
                ("ended", &ended),
                ("thief", &thief),
            ]
            .iter()
            .find(|(_, known)| known.cert == pair.cert)
            .map_or("?", |(who, _)| who)
        });
        assert_eq!(gets_in(&front, name, shown).await, admitted, "{who} at {name}");
    }
}

#[tokio::test]
async fn a_list_that_comes_later_counts_at_once_and_sessions_are_not_resumed() {
    let partners = Authority::new("partners");
    let (thief, list) = revoked(&partners);
    let mut front = Front::open(vec![
        certificate(1, "server", &server(), None),
        authority(1, &partners, ""),
        sni(1, "a.example", 1, asks("required", &[1])),
    ])
    .await;
    let config = Client::with(&thief).config();
    for _ in 0..2 {
        let connection = Connection::open(config.clone(), front.address, "a.example")
            .await
            .expect("open");
        assert_eq!(connection.0.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
    }
    front.apply(vec![authority(1, &partners, &list)]);
    assert!(Connection::open(config, front.address, "a.example").await.is_err());
}

#[tokio::test]
async fn a_name_whose_authorities_are_off_lets_nobody_in() {
    let partners = Authority::new("partners");
    let partner = partners.sign(&params("partner"));
    let mut off = authority(1, &partners, "");
    off.body.as_mut().expect("a body")["enabled"] = json!(false);
    let front = Front::open(vec![
        certificate(1, "server", &server(), None),
        off,
        sni(1, "a.example", 1, asks("optional", &[1])),
    ])
    .await;
    assert!(!gets_in(&front, "a.example", Some(&partner)).await);
    assert!(!gets_in(&front, "a.example", None).await);
    assert!(gets_in(&front, "b.example", None).await);
    let problems = front.builder.problems();
    assert!(problems[0].message.contains("nobody gets in"), "{problems:?}");
}

#[tokio::test]
async fn a_request_for_a_host_that_asks_for_more_is_misdirected() {
    let partners = Authority::new("partners");
    let front = Front::open(vec![
        certificate(1, "server", &server(), None),
        authority(1, &partners, ""),
        authority(2, &Authority::new("others"), ""),
        sni(1, "open.example", 1, json!({})),
        sni(2, "also-open.example", 1, json!({"min_tls": "1.3"})),
        sni(3, "partners.example", 1, asks("required", &[1])),
        sni(4, "*.partners.example", 1, asks("required", &[1])),
        sni(5, "others.example", 1, asks("required", &[2])),
        sni(6, "optional.example", 1, asks("optional", &[1])),
    ])
    .await;
    let store = front.current.load_full().expect("a snapshot").tls.clone();
    for (opened, verified, host, misdirected) in [
        (Some("open.example"), false, "open.example", false),
        (Some("open.example"), false, "also-open.example", false),
        (Some("open.example"), false, "unknown.example", false),
        (Some("open.example"), false, "partners.example", true),
        (None, false, "partners.example", true),
        (None, false, "open.example", false),
        (Some("unknown.example"), false, "a.partners.example", true),
        (Some("partners.example"), true, "partners.example", false),
        (Some("partners.example"), true, "PARTNERS.example", false),
        (Some("partners.example"), true, "a.partners.example", false),
        (Some("partners.example"), true, "others.example", true),
        (Some("partners.example"), true, "open.example", true),
        (Some("partners.example"), true, "optional.example", true),
        (Some("optional.example"), false, "optional.example", false),
        // The name asks for a certificate only since the connection is open.
        (Some("partners.example"), false, "partners.example", true),
    ] {
        let found = store.misdirects(opened, verified, host);
        assert_eq!(found, misdirected, "{host} over a connection for {opened:?}");
    }
}

#[test]
fn a_client_certificate_is_told_in_words() {
    let partner = Authority::new("partners").sign(&params("partner.example"));
    let der = CertificateDer::from_pem_slice(partner.cert.as_bytes()).expect("PEM");
    let details = client_certificate(&[der]).expect("a certificate");
    assert_eq!(
        (details.subject.as_str(), details.issuer.as_str()),
        ("CN=partner.example", "CN=partners")
    );
    assert_eq!(details.names, ["partner.example"]);
    assert_eq!(client_certificate(&[]), None);
}
