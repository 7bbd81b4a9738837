//! Checks of targets over TLS: whom they believe, and what they show.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::clients::{Api, Pair};
use crate::eventually;
use crate::stack::Plan;

/// A private authority.
struct Authority {
    params: CertificateParams,
    key: KeyPair,
    cert: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, "Internal");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key");
        let cert = params.self_signed(&key).expect("signed").pem();
        Self { params, key, cert }
    }

    fn sign(&self, name: &str) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let signed = params.signed_by(&key, &Issuer::from_params(&self.params, &self.key));
        Pair {
            cert: signed.expect("signed").pem(),
            key: key.serialize_pem(),
        }
    }

    /// A service that proves this name, and answers only those to whom this authority gave a certificate.
    async fn serve(&self, name: &str) -> SocketAddr {
        let pair = self.sign(name);
        let mut roots = RootCertStore::empty();
        let own = CertificateDer::from_pem_slice(self.cert.as_bytes()).expect("PEM");
        roots.add(own).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let known = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(known.build().expect("a verifier"))
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(pair.cert.as_bytes()).expect("PEM")],
                PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("PEM"),
            )
            .expect("a configuration");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let mut request = [0; 1_024];
                    let _ = stream.read(&mut request).await;
                    let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        address
    }
}

/// Waits until the only target of an upstream is so, with an error that says this.
async fn until(api: &Api, upstream: &str, health: &str, error: &str) {
    let path = format!("/upstreams/{upstream}/health");
    eventually(&format!("{upstream}: {health}, `{error}`"), async || {
        let body = api.get(&path).await.expect(200).body;
        let target = &body["gateways"][0]["targets"][0];
        let told = target["last_error"].as_str().unwrap_or_default().contains(error);
        (target["health"] == health && (told || error.is_empty())).then_some(())
    })
    .await;
}

async fn checked(api: &Api, name: &str, address: SocketAddr, checks: Value) {
    let mut active = json!({"kind": "https", "interval_ms": 100, "healthy_threshold": 1, "unhealthy_threshold": 1});
    for (member, value) in checks.as_object().into_iter().flatten() {
        active[member] = value.clone();
    }
    api.make("/upstreams", json!({"name": name, "health": {"active": active}}))
        .await;
    let target = json!({"upstream": name, "address": address.to_string()});
    api.make("/targets", target).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_over_tls_believe_given_authorities_and_prove_who_asks() {
    let (stack, internal) = (Plan::one().start().await, Authority::new());
    let (api, address) = (stack.api(), internal.serve("orders.internal").await);
    let pair = internal.sign("gateway");
    api.make("/ca-certificates", json!({"name": "internal", "cert": internal.cert}))
        .await;
    let body = json!({"name": "gateway", "cert": pair.cert, "key": pair.key});
    api.make("/certificates", body).await;
    let trust = json!({"tls_server_name": "orders.internal", "ca_certificates": ["internal"],
                       "client_certificate": "gateway"});

    checked(&api, "orders", address, trust.clone()).await;
    // A target that no service uses is not told of.
    let plain = json!({"name": "orders", "upstream": "orders", "protocol": "http"});
    api.make("/services", plain).await;
    until(&api, "orders", "healthy", "").await;
    let wrong = json!({"health": {"active": {"tls_server_name": "billing.internal"}}});
    api.patch("/upstreams/orders", &wrong).await.expect(200);
    until(&api, "orders", "unhealthy", "not valid for name").await;
    let nobody = json!({"health": {"active": {"tls_server_name": "orders.internal", "client_certificate": null}}});
    api.patch("/upstreams/orders", &nobody).await.expect(200);
    until(&api, "orders", "unhealthy", "the connection broke").await;
    let right = json!({"health": {"active": {"client_certificate": "gateway"}}});
    api.patch("/upstreams/orders", &right).await.expect(200);
    until(&api, "orders", "healthy", "").await;
    let unknown = json!({"health": {"active": {"ca_certificates": ["internal", "external"]}}});
    let refused = api.patch("/upstreams/orders", &unknown).await.expect(422);
    assert_eq!(refused.paths(), ["health.active.ca_certificates.1"]);
    for path in ["/ca-certificates/internal", "/certificates/gateway"] {
        let conflict = api.delete(path).await.expect(409).body;
        assert_eq!(conflict["dependants"][0]["name"], "orders", "{conflict}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_over_tls_trust_as_the_services_do_when_they_say_nothing_themselves() {
    let (stack, internal) = (Plan::one().start().await, Authority::new());
    let (api, address) = (stack.api(), internal.serve("orders.internal").await);
    let pair = internal.sign("gateway");
    api.make("/ca-certificates", json!({"name": "internal", "cert": internal.cert}))
        .await;
    let body = json!({"name": "gateway", "cert": pair.cert, "key": pair.key});
    api.make("/certificates", body).await;
    checked(&api, "orders", address, json!({})).await;
    let service = |name: &str, server_name: &str| {
        json!({"name": name, "upstream": "orders", "protocol": "https", "tls_server_name": server_name,
               "ca_certificates": ["internal"], "client_certificate": "gateway"})
    };
    api.make("/services", service("one", "orders.internal")).await;
    until(&api, "orders", "healthy", "").await;
    // Two that do not agree: the system's authorities count, who know nothing of this one.
    api.make("/services", service("two", "other.internal")).await;
    until(&api, "orders", "unhealthy", "UnknownIssuer").await;
    api.delete("/services/two").await.expect(204);
    until(&api, "orders", "healthy", "").await;
    // Without the certificate no check can be made, and no target is to blame.
    api.patch("/ca-certificates/internal", &json!({"enabled": false}))
        .await
        .expect(200);
    until(&api, "orders", "healthy", "is missing or off").await;
}
