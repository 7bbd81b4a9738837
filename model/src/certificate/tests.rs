use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, RevokedCertParams, SerialNumber,
};
use serde_json::{Value, json};
use time::macros::datetime;

use super::*;
use crate::ca_certificate::{CaCertificateDraft, CaCertificateSpec};
use crate::draft::Draft as _;

const RSA: &str = include_str!("../../../tests/certificates/rsa.key");
const WEAK: &str = include_str!("../../../tests/certificates/weak.pem");
const NOW: Timestamp = datetime!(2026-11-23 12:00 UTC);

struct Made {
    cert: String,
    key: String,
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = datetime!(2026-01-01 00:00 UTC);
    params.not_after = datetime!(2027-06-01 00:00 UTC);
    params
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn made(params: &CertificateParams, key: &KeyPair) -> Made {
    Made {
        cert: params.self_signed(key).expect("signed").pem(),
        key: key.serialize_pem(),
    }
}

fn simple(name: &str) -> Made {
    made(&params(name), &KeyPair::generate().expect("a key"))
}

fn read(body: Value) -> (Option<CertificateSpec>, Errors) {
    let submission = CertificateDraft::read(&body);
    let mut errors = submission.errors;
    let spec = CertificateSpec::validate(&submission.draft, &mut errors);
    (spec.filter(|_| errors.is_empty()), errors)
}

fn valid(body: Value) -> CertificateSpec {
    let (spec, errors) = read(body);
    spec.unwrap_or_else(|| panic!("{errors}"))
}

fn refused(body: Value, path: &str) -> String {
    let (_, errors) = read(body);
    let error = errors.at(path).unwrap_or_else(|| panic!("nothing at {path}: {errors}"));
    error.message.clone()
}

#[test]
fn a_certificate_says_what_people_want_to_know_of_it() {
    let pair = simple("api.example.com");
    let spec = valid(json!({"name": "api", "cert": pair.cert, "key": pair.key}));
    let details = &spec.info.as_ref().expect("read").certificate;
    assert_eq!(details.subject, "CN=api.example.com");
    assert_eq!(details.names, ["api.example.com"]);
    assert_eq!((details.key_type.as_str(), details.authority), ("ECDSA P-256", false));
    assert_eq!(details.not_after, datetime!(2027-06-01 00:00 UTC));
    assert_eq!((details.fingerprint.len(), details.serial.is_empty()), (64, false));
    assert_eq!(spec.info.as_ref().expect("read").expires_at, details.not_after);
}

#[test]
fn every_usual_kind_of_key_is_read() {
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).expect("a key");
    let ed25519 = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
    let rsa = KeyPair::from_pem(RSA).expect("a key");
    for (key, kind) in [(p384, "ECDSA P-384"), (ed25519, "Ed25519"), (rsa, "RSA 2048")] {
        let pair = made(&params("a.example"), &key);
        let spec = valid(json!({"name": "a", "cert": pair.cert, "key": pair.key}));
        assert_eq!(spec.info.expect("read").certificate.key_type, kind);
    }
}

#[test]
fn what_is_wrong_with_a_pair_is_said_at_its_field() {
    let (pair, other) = (simple("a.example"), simple("b.example"));
    let broken = pair.cert.replacen("MII", "MIX", 1);
    let encrypted = pair.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let odd = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
    let cut: String = pair.cert.chars().take(200).collect();
    let both = format!("{}{}", pair.cert, pair.key);
    for (cert, key, path, words) in [
        ("", pair.key.as_str(), "cert", "is required"),
        ("hello", &pair.key, "cert", "is not PEM"),
        (&cut, &pair.key, "cert", "is damaged PEM"),
        (&broken, &pair.key, "cert", "no X.509 certificate"),
        (&both, &pair.key, "cert", "belongs to `key`"),
        (WEAK, &pair.key, "cert", "too small (RSA 1024)"),
        (&pair.cert, "hello", "key", "is not PEM"),
        (&pair.cert, &encrypted, "key", "is encrypted"),
        (&pair.cert, odd, "key", "of a type that cannot be used"),
        (&pair.cert, &pair.cert, "key", "belongs to `cert`"),
        (&pair.cert, &other.key, "key", "does not match"),
    ] {
        let message = refused(json!({"name": "a", "cert": cert, "key": key}), path);
        assert!(message.contains(words), "{words}: {message}");
    }
}

#[test]
fn a_chain_goes_from_the_server_to_its_issuer() {
    let (root_key, key) = (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
    let root_params = authority_params("Root");
    let root = root_params.self_signed(&root_key).expect("signed").pem();
    let issuer = Issuer::from_params(&root_params, &root_key);
    let leaf = params("a.example").signed_by(&key, &issuer).expect("signed").pem();
    let stranger = simple("stranger.example").cert;
    let key = key.serialize_pem();
    let right = valid(json!({"name": "a", "cert": format!("{leaf}{root}"), "key": key}));
    assert_eq!(right.cert.expect("a chain").matches("BEGIN").count(), 2);
    let upside_down = refused(
        json!({"name": "a", "cert": format!("{root}{leaf}"), "key": key}),
        "cert",
    );
    assert!(
        upside_down.contains("wrong order") && upside_down.contains("CN=Root"),
        "{upside_down}"
    );
    let mixed = refused(
        json!({"name": "a", "cert": format!("{leaf}{stranger}"), "key": key}),
        "cert",
    );
    assert!(
        mixed.contains("certificate 2 (`CN=stranger.example`) is not the issuer"),
        "{mixed}"
    );
}

#[test]
fn a_second_pair_has_a_key_of_the_other_type() {
    let (one, two) = (simple("a.example"), simple("a.example"));
    let rsa = made(&params("a.example"), &KeyPair::from_pem(RSA).expect("a key"));
    let body = |cert: &str, key: &str| json!({"name": "a", "cert": one.cert, "key": one.key, "cert_alt": cert, "key_alt": key});
    assert!(
        valid(body(&rsa.cert, &rsa.key))
            .info
            .expect("read")
            .alternative
            .is_some()
    );
    assert!(refused(body(&two.cert, &two.key), "cert_alt").contains("same type"));
    assert!(refused(body("", &rsa.key), "cert_alt").contains("is required"));
}

#[test]
fn what_is_stored_reads_back_unchanged() {
    let pair = simple("a.example");
    let mut spec = valid(json!({"name": "a", "cert": pair.cert.replace('\n', "\r\n"), "key": pair.key, "tags": ["x"]}));
    spec.key = Some(PrivateKey::new("sealed:v1:AAAA"));
    let body = serde_json::to_value(&spec).expect("JSON");
    assert_eq!(valid(body), spec);
}

#[test]
fn an_ended_certificate_is_refused_unless_it_is_stored_already() {
    let mut old = params("a.example");
    old.not_after = datetime!(2026-11-01 00:00 UTC);
    let pair = made(&old, &KeyPair::generate().expect("a key"));
    let spec = valid(json!({"name": "a", "cert": pair.cert, "key": pair.key}));
    let checked = |before: Option<&CertificateSpec>| {
        let mut errors = Errors::new();
        spec.check_time(before, NOW, &mut errors);
        errors
    };
    assert!(
        checked(None)
            .at("cert")
            .is_some_and(|error| error.message.contains("expired on 2026-11-01"))
    );
    assert!(checked(Some(&spec)).is_empty());
}

#[test]
fn the_state_follows_the_time() {
    for (day, state, words) in [
        (
            datetime!(2025-12-31 00:00 UTC),
            Validity::NotYetValid,
            "valid only from 2026-01-01",
        ),
        (datetime!(2026-11-23 12:00 UTC), Validity::Valid, ""),
        (
            datetime!(2027-05-20 00:00 UTC),
            Validity::Expiring,
            "Expires in 12 days, on 2027-06-01.",
        ),
        (
            datetime!(2027-06-02 00:00 UTC),
            Validity::Expired,
            "Expired on 2027-06-01.",
        ),
    ] {
        let pair = simple("a.example");
        let mut info = valid(json!({"name": "a", "cert": pair.cert, "key": pair.key}))
            .info
            .expect("read");
        info.look(day);
        assert_eq!(info.state, Some(state));
        assert!(info.problems.join(" ").contains(words), "{:?}", info.problems);
        assert_eq!(info.problems.is_empty(), words.is_empty());
    }
}

#[test]
fn a_star_stands_for_one_label() {
    let pair = simple("*.example.com");
    let details = valid(json!({"name": "a", "cert": pair.cert, "key": pair.key}))
        .info
        .expect("read")
        .certificate;
    for (name, covered) in [
        ("api.example.com", true),
        ("API.example.com", true),
        ("*.example.com", true),
        ("example.com", false),
        ("a.b.example.com", false),
        ("*.other.com", false),
    ] {
        assert_eq!(details.covers(name), covered, "{name}");
    }
}

fn read_authority(body: Value) -> Result<CaCertificateSpec, Errors> {
    let submission = CaCertificateDraft::read(&body);
    let mut errors = submission.errors;
    let spec = CaCertificateSpec::validate(&submission.draft, &mut errors);
    errors.into_result(spec)
}

fn revocation_list(params: &CertificateParams, key: &KeyPair) -> String {
    let list = CertificateRevocationListParams {
        this_update: datetime!(2026-11-01 00:00 UTC),
        next_update: datetime!(2026-12-01 00:00 UTC),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: vec![RevokedCertParams {
            serial_number: SerialNumber::from(7_u64),
            revocation_time: datetime!(2026-10-01 00:00 UTC),
            reason_code: None,
            invalidity_date: None,
        }],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    list.signed_by(&Issuer::from_params(params, key))
        .expect("signed")
        .pem()
        .expect("PEM")
}

#[test]
fn an_authority_may_sign_and_has_a_list_of_its_own() {
    let (key, other_key) = (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
    let (authority, other) = (authority_params("Root"), authority_params("Other"));
    let cert = authority.self_signed(&key).expect("signed").pem();
    let crl = revocation_list(&authority, &key);
    let spec = read_authority(json!({"name": "root", "cert": cert, "crl": crl})).expect("valid");
    assert_eq!(spec.info.revocations.as_ref().map(|list| list.count), Some(1));
    let body = serde_json::to_value(&spec).expect("JSON");
    assert_eq!(read_authority(body).expect("valid"), spec);
    let mut info = spec.info;
    info.look(datetime!(2026-12-02 00:00 UTC));
    assert_eq!(info.problems, ["Its revocation list was to be replaced on 2026-12-01."]);
    let of_other = revocation_list(&other, &other_key);
    for (cert, crl, path, words) in [
        (simple("a.example").cert, String::new(), "cert", "is no authority's"),
        (format!("{cert}{cert}"), String::new(), "cert", "holds 2 certificates"),
        (cert.clone(), "hello".to_owned(), "crl", "is not PEM"),
        (cert, of_other, "crl", "another authority"),
    ] {
        let errors = read_authority(json!({"name": "root", "cert": cert, "crl": crl})).expect_err(words);
        assert!(
            errors.at(path).is_some_and(|error| error.message.contains(words)),
            "{errors}"
        );
    }
}

#[test]
fn an_automatic_certificate_needs_no_chain_and_keeps_the_one_it_has() {
    let account = "0198c1d2-0000-7000-8000-000000000000";
    let body = json!({"name": "shop", "acme": {"account": account, "domains": ["Shop.example."]}});
    let mut fresh = valid(body.clone());
    assert_eq!((fresh.cert.as_ref(), fresh.info.as_ref()), (None, None));
    let acme = serde_json::to_value(&fresh.acme).expect("JSON");
    assert_eq!(
        acme,
        json!({"account": account, "domains": ["shop.example"], "challenge": "http-01", "key_type": "ecdsa_p256"})
    );
    let pair = simple("shop.example");
    let mut with_chain = body.clone();
    with_chain["cert"] = pair.cert.clone().into();
    with_chain["key"] = pair.key.clone().into();
    let got = valid(with_chain.clone());
    fresh.keep_chain(Some(&got));
    assert_eq!((&fresh.cert, &fresh.info), (&got.cert, &got.info));
    let other = simple("b.example");
    let mut pasted = valid(json!({"name": "shop", "cert": other.cert, "key": other.key}));
    pasted.keep_chain(Some(&got));
    assert_ne!(pasted.cert, got.cert, "one that is pasted is what was sent");
    let rsa = made(&params("shop.example"), &KeyPair::from_pem(RSA).expect("a key"));
    (with_chain["cert_alt"], with_chain["key_alt"]) = (rsa.cert.into(), rsa.key.into());
    assert!(refused(with_chain, "cert_alt").contains("must be empty"));
    let mut body = body;
    body["key"] = pair.key.into();
    assert!(refused(body, "cert").contains("the key belongs to"));
    assert!(
        refused(
            json!({"name": "shop", "acme": {"domains": ["*.shop.example"]}}),
            "acme.domains.0"
        )
        .contains("`*`")
    );
    assert!(refused(json!({"name": "shop", "acme": {"domain": ["a"]}}), "acme.domain").contains("unknown field"));
}

#[test]
fn that_an_automatic_certificate_ends_soon_is_a_problem_only_while_it_fails() {
    let pair = simple("shop.example");
    let mut spec = valid(json!({"name": "shop", "cert": pair.cert, "key": pair.key}));
    let ends = spec.info.as_ref().expect("read").expires_at;
    let soon = ends - time::Duration::days(3);
    let day = time::Duration::DAY;
    for (state, next_attempt_at, problems) in [
        (IssuanceState::Issued, soon + day, 0),
        // Nobody does it: its account is off, or control does not run.
        (IssuanceState::Issued, soon - day, 1),
        (IssuanceState::Failing, soon + day, 1),
    ] {
        spec.issuance = Some(Issuance {
            state,
            failures: 0,
            last_error: None,
            attempted_at: None,
            issued_at: None,
            next_attempt_at,
        });
        spec.look(soon);
        let info = spec.info.as_ref().expect("read");
        assert_eq!((info.state, info.problems.len()), (Some(Validity::Expiring), problems));
        spec.look(ends + time::Duration::days(1));
        assert_eq!(
            spec.info.as_ref().map(|info| info.problems.len()),
            Some(1),
            "ended is ended"
        );
    }
}
