//! Every page of portal and console is fit for everybody: in both themes, on a desk and on a phone.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::clients::Api;
use crate::console::Office;
use crate::developer::{first_key, sign_up_and_in};
use crate::eventually;
use crate::portal::{DEVELOPER, Shop};
use crate::stack::{PASSWORD, id};

/// Opens each of these and checks it.
async fn check_each(browser: &Browser, addresses: &[&str]) {
    for address in addresses {
        browser.open(address).await;
        browser.check_all().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_the_portal_is_fit_for_everybody() {
    let shop = Shop::open().await;
    let browser = &shop.browser;
    check_each(
        browser,
        &["/", "/?q=nothing", "/apis/orders", "/login", "/forgot", "/nowhere"],
    )
    .await;
    // Links that have ended.
    check_each(browser, &["/verify?token=old", "/reset?token=old"]).await;
    join(&shop).await;
    let application = make_an_application(&shop).await;
    let pages = ["", "/edit", "/delete", "/keys/new"].map(|part| format!("{application}{part}"));
    check_each(browser, &pages.each_ref().map(String::as_str)).await;
    check_each(browser, &["/apps", "/apps/new", "/account", "/apis/orders/subscribe"]).await;
    for (button, question) in [("Revoke", "Revoke first key?"), ("Cancel", "Cancel Commerce on Free?")] {
        browser.open(&application).await;
        browser.press(button).await;
        browser.sees(question).await;
        browser.check_all().await;
    }
}

/// From signing up to the first empty page, by way of a new password.
async fn join(shop: &Shop) {
    let browser = &shop.browser;
    browser.open("/signup").await;
    browser.press("Make account").await;
    browser.sees("Is required.").await;
    browser.check_all().await;
    shop.sign_up().await;
    browser.check_all().await;
    browser.open(&shop.mailed_link("/verify").await).await;
    browser.check_all().await;
    browser.press("Confirm address").await;
    browser.sees("is confirmed").await;
    browser.check_all().await;
    browser.open("/forgot").await;
    browser.fill("E-mail address", DEVELOPER).await;
    browser.press("Send the link").await;
    browser.open(&shop.mailed_link("/reset").await).await;
    browser.check_all().await;
    browser.open("/login").await;
    shop.sign_in(PASSWORD).await;
    browser.sees("No application yet").await;
    browser.check_all().await;
}

/// With a key that was used, and one that took its place; returns where it is.
async fn make_an_application(shop: &Shop) -> String {
    let browser = &shop.browser;
    browser.open("/apis/orders/subscribe").await;
    browser.fill("Name of the new application", "Checkout app").await;
    browser.press("Get a key").await;
    browser.sees("Your new key").await;
    browser.check_all().await;
    assert_eq!(shop.status(&browser.text_of("new-key").await).await, 200);
    browser.press("To the application").await;
    browser.sees("Checkout app").await;
    let application = browser.address().await;
    browser.press("Rotate").await;
    browser.sees("Rotate first key").await;
    browser.check_all().await;
    browser.press("Get the key").await;
    browser.sees("works until").await;
    browser.check_all().await;
    application
}

/// What the lists of the console have to show: one of everything, and traffic.
async fn furnish(office: &Office) -> Furniture {
    let api = office.stack.api();
    let service = json!({"name": "orders", "url": office.echo.url(), "tags": ["team:shop"]});
    api.make("/services", service).await;
    api.route(
        "echo",
        "orders",
        json!({"paths": ["/echo"], "methods": ["GET"], "tags": ["team:shop"]}),
    )
    .await;
    api.plugin("key-auth", json!({"service": "orders"}), json!({})).await;
    for route in routes() {
        api.make("/routes", route).await;
    }
    let limits = json!({"limits": [{"requests": 60, "window_seconds": 60}]});
    let limit = api.plugin("rate-limit", json!({"route": "echo"}), limits).await;
    let target = furnish_upstream(&api, &office.echo.address.to_string()).await;
    furnish_tls(&api).await;
    api.make("/consumers", json!({"name": "fjord", "custom_id": "crm-2041"}))
        .await;
    let key = api.key("fjord").await;
    let document: Value = serde_json::from_str(include_str!("../../src/demo/openapi.json")).expect("JSON");
    let entry = json!({
        "name": "orders", "title": "Orders", "service": "orders", "base_url": "http://localhost:8000/echo",
        "state": "published", "document": document
    });
    api.make("/apis", entry).await;
    api.make(
        "/products",
        json!({"name": "commerce", "title": "Commerce", "apis": ["orders"]}),
    )
    .await;
    let plan = json!({
        "name": "free", "title": "Free", "product": "commerce", "state": "published",
        "limits": [{"requests": 60, "window_seconds": 60}]
    });
    api.make("/plans", plan).await;
    for _ in 0..20 {
        office.status(&key.secret).await;
    }
    office.status("").await;
    Furniture {
        limit: id(&limit),
        key: key.id,
        target,
    }
}

/// One that sets everything, one that it shadows, and connections.
fn routes() -> [Value; 4] {
    [
        json!({
            "name": "everything", "service": "orders", "hosts": ["api.example.com", "*.example.org"],
            "paths": ["/v1/reports", "/v1/users/{id}/{*rest}"], "methods": ["GET", "POST", "PUT"],
            "headers": {"x-tier": ["gold", "~^plat"]}, "queries": {"version": ["2"], "debug": ["*"]},
            "snis": ["api.example.com"], "sources": ["10.0.0.0/8", "2001:db8::/32"],
            "protocols": ["https", "grpcs", "wss"], "priority": 3, "connect_timeout_ms": 500,
            "response_timeout_ms": 4000, "timeout_ms": 9000, "max_body_bytes": 1_048_576, "access_log": "full",
            "trace_sampling": 0.25, "tags": ["team:shop"]
        }),
        json!({"name": "wide", "service": "orders", "paths": ["/legacy"], "priority": 9}),
        json!({"name": "shadowed", "service": "orders", "paths": ["/legacy/orders"]}),
        json!({"name": "database", "service": "orders", "protocols": ["tls"], "snis": ["db.example.com"], "ports": [5432]}),
    ]
}

/// An upstream with checks, of whose targets one answers, one does not, and one drains; returns the first one's id.
async fn furnish_upstream(api: &Api, address: &str) -> String {
    let upstream = json!({
        "name": "products-eu", "algorithm": "consistent_hash", "hash_on": "header", "hash_name": "x-user",
        "health": {"active": {"kind": "tcp", "interval_ms": 200}}, "breaker": {"consecutive_failures": 3}
    });
    api.make("/upstreams", upstream).await;
    let target = json!({"upstream": "products-eu", "address": address});
    let first = api.make("/targets", target).await;
    for (address, drain) in [("127.0.0.1:1", false), ("127.0.0.1:2", true)] {
        let target = json!({"upstream": "products-eu", "address": address, "drain": drain});
        api.make("/targets", target).await;
    }
    let service = json!({
        "name": "products", "upstream": "products-eu", "timeout_ms": 9_000,
        "mirror": {"service": "orders", "percent": 5}
    });
    api.make("/services", service).await;
    let split = json!({
        "services": [{"service": "orders", "weight": 90}, {"service": "products", "weight": 10}],
        "sticky": "cookie", "sticky_name": "session",
        "by_header": [{"name": "x-canary", "value": "yes", "service": "products"}]
    });
    let route = json!({"name": "split", "service": "orders", "paths": ["/split"], "split": split});
    api.make("/routes", route).await;
    id(&first)
}

/// A certificate with names, one of which it does not cover, and an authority of clients.
async fn furnish_tls(api: &Api) {
    let (cert, key, authority) = (
        include_str!("../../admin/src/api/certificates/example.pem"),
        include_str!("../../admin/src/api/certificates/example.key"),
        include_str!("../../admin/src/api/certificates/authority.pem"),
    );
    let body = json!({"name": "api-example-com", "cert": cert, "key": key, "tags": ["team:shop"]});
    api.make("/certificates", body).await;
    api.make("/ca-certificates", json!({"name": "partners-ca", "cert": authority}))
        .await;
    let plain = json!({"name": "api.example.com", "certificate": "api-example-com"});
    api.make("/snis", plain).await;
    let asking = json!({
        "name": "partners.example.com", "certificate": "api-example-com",
        "client_auth": "required", "ca_certificates": ["partners-ca"], "min_tls": "1.3"
    });
    api.make("/snis", asking).await;
    // Nobody listens at port 1, so getting it fails.
    let account = json!({
        "name": "internal", "directory": "https://127.0.0.1:1/directory", "terms_agreed": true,
        "ca_certificate": "partners-ca"
    });
    api.make("/acme-accounts", account).await;
    let acme = json!({"account": "internal", "domains": ["shop.example.com", "www.shop.example.com"]});
    api.make("/certificates", json!({"name": "shop", "acme": acme})).await;
    eventually("that the authority cannot be asked", async || {
        let seen = api.get("/certificates/shop").await.expect(200).body;
        (seen["issuance"]["state"] == "failing").then_some(())
    })
    .await;
}

struct Furniture {
    limit: String,
    key: String,
    target: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_and_object_of_the_console_is_fit_for_everybody() {
    let office = Office::staffed().await;
    let Furniture { limit, key, target } = furnish(&office).await;
    let browser = &office.browser;
    browser.reloads_until("Busiest routes").await;
    browser.check_all().await;
    let objects = [
        "/console/services",
        "/console/services/orders",
        "/console/services/orders/edit",
        "/console/services/orders/plugins",
        "/console/services/orders/delete",
        "/console/routes",
        "/console/routes?q=nothing",
        "/console/routes/new",
        "/console/routes/echo",
        "/console/routes/everything",
        "/console/routes/everything/edit",
        "/console/routes/shadowed",
        "/console/routes/database",
        "/console/routes/echo/plugins",
        "/console/upstreams",
        "/console/upstreams/products-eu",
        "/console/upstreams/products-eu/edit",
        &format!("/console/targets/{target}/weight"),
        &format!("/console/targets/{target}/edit"),
        "/console/services/products",
        "/console/services/products/edit",
        "/console/routes/split",
        "/console/routes/split/edit",
        "/console/certificates",
        "/console/certificates/new",
        "/console/certificates/api-example-com",
        "/console/certificates/api-example-com/edit",
        "/console/snis/new?certificate=api-example-com",
        "/console/snis/partners.example.com/edit",
        "/console/ca-certificates",
        "/console/ca-certificates/new",
        "/console/ca-certificates/partners-ca",
        "/console/ca-certificates/partners-ca/delete",
        "/console/certificates/shop",
        "/console/certificates/shop/edit",
        "/console/acme-accounts",
        "/console/acme-accounts/new",
        "/console/acme-accounts/internal",
        "/console/acme-accounts/internal/edit",
        "/console/plugins",
        &format!("/console/plugins/{limit}"),
        "/console/plugins/new?plugin=request-transform&route=echo",
        "/console/plugins/new?plugin=cors",
        "/console/consumers",
        "/console/consumers/fjord",
        "/console/consumers/fjord/keys/new",
        "/console/keys",
        &format!("/console/keys/{key}/rotate"),
        &format!("/console/keys/{key}/revoke"),
    ];
    check_each(browser, &objects).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_page_of_the_console_is_fit_for_everybody() {
    let office = Office::open().await;
    let browser = &office.browser;
    browser.open("/console/login").await;
    browser.check_all().await;
    office.stack.make_admin();
    office.sign_in().await;
    browser.check_all().await;
    // Lists say what they are for while they are empty.
    let lists = [
        "/console/services",
        "/console/certificates",
        "/console/ca-certificates",
        "/console/acme-accounts",
        "/console/plugins",
        "/console/apis",
        "/console/revisions",
    ];
    check_each(browser, &lists).await;
    furnish(&office).await;
    let portal = office.stack.portal();
    sign_up_and_in(&office.stack, &portal).await;
    first_key(&portal).await;
    let mails = office.stack.api().get("/mails").await.expect(200).body;
    let others = [
        "/console/apis",
        "/console/apis/orders/edit",
        "/console/products",
        "/console/products/commerce/edit",
        "/console/plans",
        "/console/plans/free/edit",
        "/console/subscriptions",
        "/console/applications",
        "/console/developers",
        "/console/revisions",
        "/console/revisions/2",
        "/console/revisions/1/diff/4",
        "/console/audit",
        "/console/settings/gateways",
        "/console/settings/tokens",
        "/console/settings/tokens/new",
        "/console/settings/mail",
        &format!("/console/settings/mail/{}", id(&mails["items"][0])),
        "/console/settings/admins",
        "/console/settings/admins/new",
        "/console/settings/account",
        "/console/nowhere",
    ];
    check_each(browser, &others).await;
}
