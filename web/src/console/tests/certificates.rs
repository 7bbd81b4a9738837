//! Certificates, their names and authorities: what people read of them, and that no key is ever shown.

use model::ca_certificate::CaCertificateSpec;
use model::certificate::CertificateSpec;
use model::sni::SniSpec;
use serde_json::json;

use super::make;
use crate::house::House;
use crate::untouched;

const CERT: &str = include_str!("../../../../admin/src/api/certificates/example.pem");
const KEY: &str = include_str!("../../../../admin/src/api/certificates/example.key");
const AUTHORITY: &str = include_str!("../../../../admin/src/api/certificates/authority.pem");

/// The lines of the key that nothing else has.
fn hides_the_key(body: &str) {
    assert!(!body.contains("sealed:v1:"), "{body}");
    for line in KEY.lines().filter(|line| !line.starts_with("-----")) {
        assert!(!body.contains(line), "{line}");
    }
}

#[actix_web::test]
async fn a_pasted_pair_is_explained_on_its_page() {
    let house = House::new().await;
    let fields = [("name", "api"), ("cert", CERT), ("key", KEY)];
    let answer = house.post("/console/certificates/new", &fields).await;
    assert_eq!(
        (answer.status, answer.location.as_str()),
        (303, "/console/certificates/api")
    );
    make::<SniSpec>(&house, json!({"name": "other.example", "certificate": "api"})).await;
    let page = house.get("/console/certificates/api").await;
    page.shows(&[
        "CN=api.example.com",
        "ECDSA P-256",
        "other.example",
        "clients will refuse it",
    ]);
    hides_the_key(&page.body);
    house
        .get("/console/certificates")
        .await
        .shows(&["api.example.com", "Ends"]);
    for path in ["/console/certificates/api/edit", "/console/revisions/1"] {
        hides_the_key(&house.get(path).await.body);
    }
}

#[actix_web::test]
async fn mistakes_stand_at_their_field_and_the_key_is_not_repeated() {
    let house = House::new().await;
    let fields = [("name", "api"), ("cert", AUTHORITY), ("key", KEY)];
    let answer = house.post("/console/certificates/new", &fields).await;
    assert_eq!(answer.status, 422);
    answer.shows(&["id=\"f-key-e\"", "does not match the certificate"]);
    hides_the_key(&answer.body);
    let fields = [("name", "api"), ("cert", KEY), ("key", "")];
    let answer = house.post("/console/certificates/new", &fields).await;
    answer.shows(&["id=\"f-cert-e\"", "holds a private key"]);
}

#[actix_web::test]
async fn forms_that_nobody_touched_change_nothing() {
    let house = House::new().await;
    make::<CertificateSpec>(&house, json!({"name": "api", "cert": CERT, "key": KEY})).await;
    make::<CaCertificateSpec>(&house, json!({"name": "ca", "cert": AUTHORITY})).await;
    let asking = json!({
        "name": "a.example", "certificate": "api", "client_auth": "optional", "ca_certificates": ["ca"], "min_tls": "1.3"
    });
    make::<SniSpec>(&house, asking).await;
    let before = control::revisions::head(&house.control).await.expect("a revision");
    for path in ["certificates/api", "ca-certificates/ca", "snis/a.example"] {
        let page = house.get(&format!("/console/{path}/edit")).await;
        let mut actions = page.body.split("<form method=\"post\" action=\"").skip(1);
        let action = actions.find_map(|rest| rest.split('"').next().filter(|action| action.ends_with("/edit")));
        let action = action.expect("a form");
        let fields = untouched::form(&page.body, action);
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let answer = house.post(action, &fields).await;
        assert_eq!(answer.status, 303, "{path}: {}", answer.body);
    }
    let after = control::revisions::head(&house.control).await.expect("a revision");
    assert_eq!(after, before);
}
