//! HTTPS at the gateway: certificates by the API, names, clients that prove themselves, and keys that stay secret.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde_json::json;

use crate::clients::{Api, Pair, Secure};
use crate::stack::{Plan, Stack};
use crate::upstream::Upstream;

const HOST: &str = "shop.example";

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn certificate(name: &str) -> Pair {
    let key = KeyPair::generate().expect("a key");
    Pair {
        cert: params(name).self_signed(&key).expect("signed").pem(),
        key: key.serialize_pem(),
    }
}

/// An authority, and a client certificate that it signed.
fn authority() -> (String, Pair) {
    let mut authority = params("Partners");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().expect("a key");
    let cert = authority.self_signed(&key).expect("signed").pem();
    let own = KeyPair::generate().expect("a key");
    let issuer = Issuer::from_params(&authority, &key);
    let partner = Pair {
        cert: params("partner").signed_by(&own, &issuer).expect("signed").pem(),
        key: own.serialize_pem(),
    };
    (cert, partner)
}

/// A shop behind `HOST` that shows `pair`.
async fn open(api: &Api, shop: &Upstream, pair: &Pair) {
    api.service("shop", &shop.url()).await;
    api.route("shop", "shop", json!({"hosts": [HOST]})).await;
    let body = json!({"name": "shop", "cert": pair.cert, "key": pair.key});
    let made = api.make("/certificates", body).await;
    assert_eq!(made["info"]["certificate"]["names"], json!([HOST]));
    assert_eq!(made["info"]["state"], "valid");
    assert!(made.get("key").is_none(), "{made}");
    api.make("/snis", json!({"name": HOST, "certificate": "shop"})).await;
}

fn over_tls<'a>(stack: &Stack, believes: &'a str) -> Secure<'a> {
    let address: SocketAddr = stack.gateway(0).address("Over TLS");
    Secure {
        address,
        believes,
        shows: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_serves_its_name_from_its_making_to_its_replacement() {
    let (stack, shop) = (Plan::one().start().await, Upstream::start("shop"));
    let (first, next, api) = (certificate(HOST), certificate(HOST), stack.api());
    open(&api, &shop, &first).await;
    let answer = over_tls(&stack, &first.cert)
        .get(HOST, "/orders")
        .await
        .expect("an answer");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("\"service\":\"shop\""),
        "{answer}"
    );
    let changed = json!({"cert": next.cert, "key": next.key});
    api.patch("/certificates/shop", &changed).await.expect(200);
    assert!(
        over_tls(&stack, &first.cert).get(HOST, "/orders").await.is_err(),
        "the old one is gone"
    );
    let answer = over_tls(&stack, &next.cert)
        .get(HOST, "/orders")
        .await
        .expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let wrong = json!({"cert": first.cert});
    let refused = api.patch("/certificates/shop", &wrong).await.expect(422).body;
    assert_eq!(refused["errors"][0]["path"], "key", "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_asks_for_certificates_lets_only_its_partners_in() {
    let (stack, shop) = (Plan::one().start().await, Upstream::start("shop"));
    let (pair, api) = (certificate(HOST), stack.api());
    let (partners, partner) = authority();
    open(&api, &shop, &pair).await;
    api.make("/ca-certificates", json!({"name": "partners", "cert": partners}))
        .await;
    let rule = json!({"client_auth": "required", "ca_certificates": ["partners"]});
    api.patch(&format!("/snis/{HOST}"), &rule).await.expect(200);
    let stranger = over_tls(&stack, &pair.cert);
    assert!(stranger.get(HOST, "/").await.is_err(), "nobody without a certificate");
    let known = Secure {
        shows: Some(&partner),
        ..stranger
    };
    let answer = known.get(HOST, "/").await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let conflict = api.delete("/ca-certificates/partners").await.expect(409).body;
    assert_eq!(conflict["dependants"][0]["name"], HOST, "{conflict}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_keeps_keys_sealed_on_disk_and_serves_them_without_control() {
    let (mut stack, shop) = (Plan::apart(1).start().await, Upstream::start("shop"));
    let pair = certificate(HOST);
    open(&stack.api(), &shop, &pair).await;
    stack.people.stop().await;
    stack.gateways[0].stop().await;
    let kept = everything_below(&stack.gateways[0].home);
    assert!(kept.contains("Gatehouse copy 1"), "there is a copy");
    assert!(!kept.contains("sealed:v1:"), "the copy is sealed as a whole");
    let secrets: Vec<&str> = pair.key.lines().filter(|line| !line.starts_with("-----")).collect();
    for line in &secrets {
        assert!(!kept.contains(line), "a key lies open on disk");
    }
    stack.gateways[0].start().await;
    let answer = over_tls(&stack, &pair.cert).get(HOST, "/").await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let logged = stack.gateways[0].program().logged();
    assert!(!secrets.iter().any(|line| logged.contains(line)), "a key is in the log");
}

/// The text of every file in a directory.
fn everything_below(directory: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all.push_str(&everything_below(&path));
        } else if path.is_file() {
            all.push_str(&String::from_utf8_lossy(&fs::read(&path).expect("a file")));
        }
    }
    all
}
