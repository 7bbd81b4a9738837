//! Certificates that Gatehouse gets and renews by itself, from a real authority that speaks ACME.

use std::net::SocketAddr;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};

use crate::clients::{Api, Secure};
use crate::console::Office;
use crate::eventually;
use crate::pebble::{BINDING, Looks, Pebble};
use crate::stack::{ADMIN, PASSWORD, Plan, Stack};
use crate::upstream::Upstream;

const HOST: &str = "shop.example";
/// A port at which nobody listens.
const NOWHERE: u16 = 1;

/// An authority that looks for names at the gateway of this number.
async fn looking_at(stack: &Stack, gateway: usize) -> Pebble {
    let port = |label: &str| stack.gateway(gateway).address(label).port();
    Pebble::start(Looks {
        http: port("Gateway"),
        tls: port("Over TLS"),
        bound: false,
    })
    .await
}

/// Makes an account with an authority of one's own.
async fn account(api: &Api, pebble: &Pebble) {
    let vouches = json!({"name": "directory", "cert": pebble.vouched_for_by});
    api.make("/ca-certificates", vouches).await;
    let account = json!({
        "name": "internal", "directory": pebble.directory(), "email": "operations@shop.example",
        "terms_agreed": true, "ca_certificate": "directory"
    });
    let made = api.make("/acme-accounts", account).await;
    assert_eq!(made["directory"], pebble.directory());
}

async fn order(api: &Api, challenge: &str, domains: &[&str]) -> Value {
    let acme = json!({"account": "internal", "domains": domains, "challenge": challenge});
    api.make("/certificates", json!({"name": "shop", "acme": acme})).await
}

/// Waits until the certificate is in this state.
async fn state(api: &Api, wanted: &str) -> Value {
    eventually(&format!("that the certificate is {wanted}"), async || {
        let seen = api.get("/certificates/shop").await.expect(200).body;
        (seen["issuance"]["state"] == wanted).then_some(seen)
    })
    .await
}

fn fingerprint(certificate: &Value) -> String {
    certificate["info"]["certificate"]["fingerprint"]
        .as_str()
        .expect("a fingerprint")
        .to_owned()
}

/// Waits until a gateway shows a certificate that this root vouches for and `wanted` is true of.
async fn shown(address: SocketAddr, root: &str, wanted: impl Fn(&CertificateDer<'_>) -> bool) {
    let client = Secure {
        address,
        believes: root,
        shows: None,
    };
    eventually("that the gateway shows the certificate", async || {
        let shown = client.certificate(HOST).await.ok()?;
        wanted(&shown).then_some(())
    })
    .await;
    let answer = client.get(HOST, "/orders").await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// The certificate that the API tells of.
fn leaf(certificate: &Value) -> CertificateDer<'static> {
    let chain = certificate["cert"].as_str().expect("a chain");
    CertificateDer::from_pem_slice(chain.as_bytes()).expect("PEM")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_got_over_http_shown_by_every_gateway_and_renewed() {
    let (stack, shop) = (Plan::apart(2).start().await, Upstream::start("shop"));
    let (api, pebble) = (stack.api(), looking_at(&stack, 1).await);
    pebble.name(HOST).await;
    api.service("shop", &shop.url()).await;
    api.route("shop", "shop", json!({"hosts": [HOST]})).await;
    account(&api, &pebble).await;
    let made = order(&api, "http-01", &[HOST]).await;
    assert_eq!(made["issuance"]["state"], "pending", "{made}");
    let got = state(&api, "issued").await;
    assert_eq!(got["info"]["certificate"]["names"], json!([HOST]));
    assert!(
        got.get("key").is_none() && got["issuance"].get("last_error").is_none(),
        "{got}"
    );
    due_at_two_thirds(&got);
    let (root, first) = (pebble.root().await, leaf(&got));
    for gateway in &stack.gateways {
        shown(gateway.address("Over TLS"), &root, |shown| *shown == first).await;
    }
    // What nobody asks about any more is for the routes again.
    let path = "/.well-known/acme-challenge/anything";
    let routed = stack.gateway(1).proxy().call("GET", path).header("host", HOST);
    assert_eq!(routed.send().await.expect(200).body["service"], "shop");
    let_its_time_come(&stack).await;
    let renewed = another_than(&api, &got).await;
    due_at_two_thirds(&renewed);
    let asked = api.act("/certificates/shop/renew").await.expect(200).body;
    assert_eq!(asked["name"], "shop");
    let renewed = another_than(&api, &renewed).await;
    assert_eq!(renewed["issuance"]["failures"], 0, "{renewed}");
    let next = leaf(&renewed);
    for gateway in &stack.gateways {
        shown(gateway.address("Over TLS"), &root, |shown| *shown == next).await;
    }
    told_in_the_audit_log(&api).await;
    assert!(!stack.log().contains("PRIVATE KEY"), "a key is in the log");
}

/// As if two thirds of its life were over.
async fn let_its_time_come(stack: &Stack) {
    let url = stack.storage.url().expect("a database");
    let mut connection = PgConnection::connect(url).await.expect("a connection");
    let done = sqlx::query("update acme_orders set next_attempt_at = now()")
        .execute(&mut connection)
        .await;
    assert_eq!(done.expect("done").rows_affected(), 1);
}

/// Waits for a certificate that is not this one.
async fn another_than(api: &Api, certificate: &Value) -> Value {
    eventually("a renewal", async || {
        let seen = api.get("/certificates/shop").await.expect(200).body;
        (fingerprint(&seen) != fingerprint(certificate)).then_some(seen)
    })
    .await
}

/// It comes back at two thirds of its life, or a little earlier.
fn due_at_two_thirds(certificate: &Value) {
    let time = |value: &Value| {
        let text = value.as_str().expect("a time");
        time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).expect("a time")
    };
    let life = &certificate["info"]["certificate"];
    let (begins, ends) = (time(&life["not_before"]), time(&life["not_after"]));
    let part = (time(&certificate["issuance"]["next_attempt_at"]) - begins) / (ends - begins);
    assert!((0.61..=0.67).contains(&part), "{part}: {certificate}");
}

async fn told_in_the_audit_log(api: &Api) {
    let entries = api.get("/audit?limit=100").await.expect(200).body;
    let entries = entries["items"].as_array().expect("a list").clone();
    for action in [
        "acme_account.created",
        "certificate.updated",
        "certificate.renewal_asked",
    ] {
        let told = entries.iter().any(|entry| entry["action"] == action);
        assert!(told, "{action}: {entries:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_account_gets_a_certificate_in_the_tls_handshake() {
    let (stack, shop) = (Plan::one().start().await, Upstream::start("shop"));
    let tls = stack.gateway(0).address("Over TLS");
    let pebble = Pebble::start(Looks {
        http: NOWHERE,
        tls: tls.port(),
        bound: true,
    })
    .await;
    let api = stack.api();
    api.service("shop", &shop.url()).await;
    api.route("shop", "shop", json!({"hosts": [HOST]})).await;
    account(&api, &pebble).await;
    for name in [HOST, "www.shop.example"] {
        pebble.name(name).await;
    }
    order(&api, "tls-alpn-01", &[HOST, "www.shop.example"]).await;
    let failing = state(&api, "failing").await;
    let error = failing["issuance"]["last_error"].as_str().expect("a reason");
    assert!(error.contains("externalAccountRequired"), "{error}");
    let (kid, hmac_key) = BINDING;
    let binding = json!({"external_account": {"kid": kid, "hmac_key": hmac_key}});
    let bound = api.patch("/acme-accounts/internal", &binding).await.expect(200).body;
    assert_eq!(bound["external_account"], json!({"kid": kid}));
    let got = state(&api, "issued").await;
    let mut names = got["info"]["certificate"]["names"].as_array().expect("names").clone();
    names.sort_by_key(ToString::to_string);
    assert_eq!(names, [HOST, "www.shop.example"]);
    let (root, only) = (pebble.root().await, leaf(&got));
    shown(tls, &root, |shown| *shown == only).await;
    let stray = api.delete("/acme-accounts/internal").await.expect(409).body;
    assert_eq!(stray["dependants"][0]["name"], "shop", "{stray}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_told_in_plain_words_and_mended_by_a_change() {
    let (stack, shop) = (Plan::one().start().await, Upstream::start("shop"));
    let tls = stack.gateway(0).address("Over TLS");
    let pebble = Pebble::start(Looks {
        http: NOWHERE,
        tls: tls.port(),
        bound: false,
    })
    .await;
    let api = stack.api();
    api.service("shop", &shop.url()).await;
    api.route("shop", "shop", json!({"hosts": [HOST]})).await;
    account(&api, &pebble).await;
    order(&api, "http-01", &[HOST]).await;
    let failing = state(&api, "failing").await;
    let error = failing["issuance"]["last_error"].as_str().expect("a reason");
    let advice =
        format!("`{HOST}` cannot be reached: look whether its address and port 80 (HTTP) lead to the gateways");
    assert!(
        error.starts_with(&advice) && error.contains("could not resolve"),
        "a name without address: {error}"
    );
    assert_eq!(failing["issuance"]["failures"], 1);
    pebble.name(HOST).await;
    // Its button is what has it tried again.
    on_the_console(&stack, error).await;
    let error = eventually("another failure", async || {
        let seen = api.get("/certificates/shop").await.expect(200).body;
        let error = seen["issuance"]["last_error"].as_str()?.to_owned();
        (seen["issuance"]["failures"] == 2).then_some(error)
    })
    .await;
    assert!(
        error.contains("(connection)") && error.contains("refused"),
        "a closed port: {error}"
    );
    let change = json!({"acme": {"challenge": "tls-alpn-01"}});
    api.patch("/certificates/shop", &change).await.expect(200);
    let got = state(&api, "issued").await;
    assert_eq!(got["issuance"]["failures"], 0, "{got}");
    let only = leaf(&got);
    shown(tls, &pebble.root().await, |shown| *shown == only).await;
}

/// The console says what is wrong where people look first, and on the page of the certificate.
async fn on_the_console(stack: &Stack, error: &str) {
    stack.make_admin();
    let console = stack.console();
    let login = console.open("/console/login").await.good();
    let fields = [("email", ADMIN), ("password", PASSWORD)];
    console.submit(&login, "/console/login", &fields).await.good();
    let overview = console.open("/console").await.good();
    assert!(
        overview.html.contains("Certificate shop cannot be got"),
        "{}",
        overview.html
    );
    let page = console.open("/console/certificates/shop").await.good();
    let (_, reason) = error.split_once("the authority says: ").expect("a reason");
    let word = reason.split_whitespace().next().expect("a word");
    assert!(
        page.html.contains("The last attempt to get it failed.") && page.html.contains(word),
        "{}",
        page.html
    );
    let again = console
        .submit(&page, "/console/certificates/shop/renew", &[])
        .await
        .good();
    assert!(again.html.contains("It is asked for now"), "{}", again.html);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_has_a_certificate_got_at_the_console() {
    let office = Office::staffed().await;
    let (api, browser, pebble) = (office.stack.api(), &office.browser, looking_at(&office.stack, 0).await);
    pebble.name(HOST).await;
    let vouches = json!({"name": "directory", "cert": pebble.vouched_for_by});
    api.make("/ca-certificates", vouches).await;
    browser.open("/console/certificates/new").await;
    browser.press("Get it automatically, and renew it in time (ACME)").await;
    browser.press("add an ACME account").await;
    browser.arrives_at("/console/acme-accounts/new").await;
    browser.fill("Name", "internal").await;
    browser.fill("Directory", &pebble.directory()).await;
    browser.choose("I agree to the authority’s terms of service").await;
    browser.select("CA certificate of the directory", "directory").await;
    browser.press("Save ACME account").await;
    browser.arrives_at("/console/acme-accounts/internal").await;
    browser.check_all().await;
    browser.press("Get a certificate").await;
    browser.fill("Name", "shop").await;
    browser.fill("Names", HOST).await;
    browser.check_all().await;
    browser.press("Save certificate").await;
    browser.arrives_at("/console/certificates/shop").await;
    state(&api, "issued").await;
    browser.reloads_until("Pebble Intermediate").await;
    browser.check_all().await;
    browser.press("Renew now").await;
    browser.sees("It is asked for now").await;
    browser.open("/console/acme-accounts/internal/edit").await;
    browser.fill("Directory", "http://localhost/directory").await;
    browser.press("Save ACME account").await;
    let complaint = browser.complaint("Directory").await;
    assert!(complaint.contains("https://"), "{complaint}");
}
