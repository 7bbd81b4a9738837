//! A developer's path through the portal, by its forms: from sign-up to a call, and what stops it.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::clients::{Api, Visitor};
use crate::eventually;
use crate::stack::{PASSWORD, Plan, Stack, id};
use crate::upstream::Upstream;

/// Who the developer is.
const DEVELOPER: &str = "dora@example.com";

/// The API `orders` at `/orders`, closed by keys, in a product with a free plan and one on approval.
pub(crate) async fn offer(api: &Api, url: &str, proxy: SocketAddr) {
    api.service("orders", url).await;
    api.route("orders", "orders", json!({"paths": ["/orders"]})).await;
    api.plugin("key-auth", json!({"service": "orders"}), json!({})).await;
    let document = json!({
        "openapi": "3.1.0", "info": {"title": "Orders", "version": "1"},
        "paths": {"/": {"get": {"summary": "List orders", "responses": {"200": {"description": "Orders."}}}}}
    });
    let base_url = format!("http://{proxy}/orders");
    let entry = json!({
        "name": "orders", "title": "Orders", "summary": "Place orders.", "service": "orders", "base_url": base_url,
        "state": "published", "document": document
    });
    api.make("/apis", entry).await;
    api.make(
        "/products",
        json!({"name": "commerce", "title": "Commerce", "apis": ["orders"]}),
    )
    .await;
    for (name, approval) in [("free", "auto"), ("business", "manual")] {
        let plan = json!({
            "name": name, "title": name, "product": "commerce", "approval": approval, "state": "published",
            "limits": [{"requests": 100, "window_seconds": 3600}]
        });
        api.make("/plans", plan).await;
    }
}

/// Signs up, reads the mail, confirms and signs in.
pub(crate) async fn sign_up_and_in(stack: &Stack, portal: &Visitor) {
    let form = portal.open("/signup").await.good();
    let fields = [("name", "Dora Developer"), ("email", DEVELOPER), ("password", PASSWORD)];
    let told = portal.submit(&form, "/signup", &fields).await.good();
    assert!(told.html.contains("Look into your mail"), "{}", told.html);
    let link = link_in_mail(stack).await;
    let confirm = portal.open(&link).await.good();
    let signed_in = portal.submit(&confirm, "/verify", &[]).await.good();
    assert_eq!(signed_in.address, "/login");
    let fields = [("email", DEVELOPER), ("password", PASSWORD)];
    let home = portal.submit(&signed_in, "/login", &fields).await.good();
    assert_eq!(home.address, "/apps");
}

/// The link in the newest mail, as an address of the portal.
async fn link_in_mail(stack: &Stack) -> String {
    let api = stack.api();
    let mail = eventually("the mail", async || {
        let list = api.get("/mails?state=kept").await.expect(200).body;
        list["items"][0]["id"].as_str().map(str::to_owned)
    })
    .await;
    let text = api.get(&format!("/mails/{mail}")).await.expect(200).body["body"]
        .as_str()
        .expect("text")
        .to_owned();
    // Whoever started the program sees it too.
    let said = stack.people.program().said();
    assert!(said.contains(&format!("Mail to {DEVELOPER}")), "{said}");
    let portal = text.find("/verify?token=").expect("a link");
    text[portal..].split_whitespace().next().expect("a link").to_owned()
}

/// Subscribes to the free plan with a new application, and returns its key.
pub(crate) async fn first_key(portal: &Visitor) -> String {
    let page = portal.open("/apis/orders").await.good();
    assert!(page.html.contains("List orders"), "{}", page.html);
    let form = portal.open("/apis/orders/subscribe").await.good();
    let fields = [("plan", "free"), ("name", "Checkout app")];
    let shown = portal.submit(&form, "/apis/orders/subscribe", &fields).await.good();
    shown.between("id=\"new-key\" tabindex=\"0\">", "<").expect("a key")
}

/// The only application there is.
async fn application(api: &Api) -> Value {
    let list = api.get("/applications").await.expect(200).body;
    assert_eq!(list["total"], 1);
    list["items"][0].clone()
}

struct Story {
    stack: Stack,
    portal: Visitor,
    key: String,
    echo: Upstream,
}

async fn begin() -> Story {
    let (stack, echo) = (Plan::apart(1).start().await, Upstream::start("orders"));
    offer(&stack.api(), &echo.url(), stack.proxy().address).await;
    let portal = stack.portal();
    sign_up_and_in(&stack, &portal).await;
    let key = first_key(&portal).await;
    Story {
        stack,
        portal,
        key,
        echo,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_developer_signs_up_and_calls_with_a_key() {
    let story = begin().await;
    let proxy = story.stack.proxy();
    proxy.get("/orders").await.expect_refusal(401, "credential_missing");
    let answer = proxy.get_with_key("/orders/17", &story.key).await.expect(200);
    assert!(
        answer.header("ratelimit").contains("r=99"),
        "{}",
        answer.header("ratelimit")
    );
    let seen = &story.echo.seen()[0];
    assert_eq!(
        seen["headers"].get("x-api-key"),
        None,
        "the service does not get the key"
    );
    let application = application(&story.stack.api()).await;
    assert_eq!(seen["headers"]["x-consumer-id"][0], application["consumer"]);

    // Usage is counted for the application, in the API and on its page.
    let consumer = application["consumer"].as_str().expect("an id");
    eventually("that the call is counted", async || {
        let path = format!("/usage/summary?consumer={consumer}");
        let summary = story.stack.api().get(&path).await.expect(200).body;
        (summary["requests"] == 1).then_some(())
    })
    .await;
    let page = story.portal.open(&format!("/apps/{}", id(&application))).await.good();
    let figure = page.between("<dt>Requests</dt><dd>", "<").expect("a figure");
    assert_eq!(figure.trim(), "1");
    assert!(!page.html.contains(&story.key), "a key is shown once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_application_is_refused_until_it_may_go_on() {
    let story = begin().await;
    let (api, proxy) = (story.stack.api(), story.stack.proxy());
    let application = id(&application(&api).await);
    api.act(&format!("/applications/{application}/suspend"))
        .await
        .expect(200);
    let refused = proxy.get_with_key("/orders", &story.key).await;
    refused.expect_refusal(403, "application_suspended");
    let page = story.portal.open(&format!("/apps/{application}")).await.good();
    assert!(page.html.contains("This application is suspended"), "{}", page.html);
    api.act(&format!("/applications/{application}/resume"))
        .await
        .expect(200);
    proxy.get_with_key("/orders", &story.key).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_opens_and_closes_an_api() {
    let story = begin().await;
    let (api, proxy, portal) = (story.stack.api(), story.stack.proxy(), &story.portal);
    let application = id(&application(&api).await);
    let subscription = id(&api.get("/subscriptions").await.expect(200).body["items"][0]);
    api.act(&format!("/subscriptions/{subscription}/suspend"))
        .await
        .expect(200);
    let refused = proxy.get_with_key("/orders", &story.key).await;
    refused.expect_refusal(403, "subscription_missing");
    api.act(&format!("/subscriptions/{subscription}/resume"))
        .await
        .expect(200);
    proxy.get_with_key("/orders", &story.key).await.expect(200);

    let action = format!("/apps/{application}/subscriptions/{subscription}/cancel");
    let question = portal.open(&action).await.good();
    portal.submit(&question, &action, &[]).await.good();
    let refused = proxy.get_with_key("/orders", &story.key).await;
    refused.expect_refusal(403, "subscription_missing");

    // The other plan waits for an operator.
    let form = portal.open("/apis/orders/subscribe").await.good();
    let fields = [("plan", "business"), ("application", application.as_str())];
    portal.submit(&form, "/apis/orders/subscribe", &fields).await.good();
    proxy
        .get_with_key("/orders", &story.key)
        .await
        .expect_refusal(403, "subscription_missing");
    let pending = id(&api.get("/subscriptions?state=pending").await.expect(200).body["items"][0]);
    api.act(&format!("/subscriptions/{pending}/approve")).await.expect(200);
    proxy.get_with_key("/orders", &story.key).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_works_on_for_its_grace_and_a_revoked_one_does_not() {
    let story = begin().await;
    let (api, proxy, portal) = (story.stack.api(), story.stack.proxy(), &story.portal);
    let application = id(&application(&api).await);
    let key = id(&api
        .get(&format!("/applications/{application}/credentials"))
        .await
        .expect(200)
        .body["items"][0]);
    let action = format!("/apps/{application}/keys/{key}/rotate");
    let form = portal.open(&action).await.good();
    let shown = portal.submit(&form, &action, &[("grace", "1h")]).await.good();
    let new = shown.between("id=\"new-key\" tabindex=\"0\">", "<").expect("a key");
    for key in [&story.key, &new] {
        proxy.get_with_key("/orders", key).await.expect(200);
    }
    let action = format!("/apps/{application}/keys/{key}/revoke");
    let question = portal.open(&action).await.good();
    portal.submit(&question, &action, &[]).await.good();
    proxy
        .get_with_key("/orders", &story.key)
        .await
        .expect_refusal(401, "credential_revoked");
    proxy.get_with_key("/orders", &new).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_are_bound_to_their_session_and_say_what_is_wrong() {
    let (stack, echo) = (Plan::apart(1).start().await, Upstream::start("orders"));
    offer(&stack.api(), &echo.url(), stack.proxy().address).await;
    let portal = stack.portal();
    let form = portal.open("/signup").await.good();
    let fields = [("name", ""), ("email", "nobody"), ("password", "short")];
    let told = portal.submit(&form, "/signup", &fields).await;
    assert_eq!(told.status, 422);
    assert!(
        told.html.contains("value=\"nobody\""),
        "what was typed is still there: {}",
        told.html
    );
    assert!(!told.html.contains("short\""), "but for the password");
    // The form of one browser is worth nothing in another.
    let stranger = stack.portal();
    stranger.open("/signup").await.good();
    let fields = [("name", "M"), ("email", "m@example.com"), ("password", PASSWORD)];
    assert_eq!(stranger.submit(&form, "/signup", &fields).await.status, 403);
    assert_eq!(stranger.open("/apps").await.address, "/login?next=%2Fapps");
    assert_eq!(stack.api().get("/developers").await.body["total"], 0);
}
