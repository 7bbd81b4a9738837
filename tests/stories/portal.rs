//! The portal in a real browser: a developer's whole path, and the same without JavaScript.

use std::process::Command;

use serde_json::{Value, json};
use thirtyfour::Key;

use crate::browser::Browser;
use crate::eventually;
use crate::stack::{PASSWORD, Plan, Stack};
use crate::upstream::Upstream;

/// Who the developer is.
pub(crate) const DEVELOPER: &str = "jonas@example.com";

/// A shop behind the gateway, and what developers find of it in the portal.
pub(crate) struct Shop {
    /// The Gatehouse before it.
    pub(crate) stack: Stack,
    /// A browser at the portal.
    pub(crate) browser: Browser,
    _upstream: Upstream,
}

impl Shop {
    /// Opens it.
    pub(crate) async fn open() -> Self {
        let (stack, upstream) = (Plan::one().start().await, Upstream::start("orders"));
        offer(&stack, &upstream.url()).await;
        let browser = Browser::at(&stack.portal_url()).await;
        Self {
            stack,
            browser,
            _upstream: upstream,
        }
    }

    /// The status of a call with this key.
    pub(crate) async fn status(&self, key: &str) -> u16 {
        self.stack.proxy().get_with_key("/shop/orders", key).await.status
    }

    /// Waits until a call with this key has this status.
    async fn calls_end_with(&self, key: &str, status: u16) {
        eventually(&format!("a call with status {status}"), async || {
            (self.status(key).await == status).then_some(())
        })
        .await;
    }

    /// The link that was mailed to the developer.
    pub(crate) async fn mailed_link(&self, path: &str) -> String {
        let start = format!(
            "{}{path}?token=",
            self.stack.portal_url().replace("127.0.0.1", "localhost")
        );
        eventually("the mail", async || {
            let said = self.stack.people.program().said();
            let (_, mail) = said.rsplit_once(&format!("Mail to {DEVELOPER}"))?;
            let line = mail.lines().find(|line| line.starts_with(&start))?;
            Some(line[start.len() - path.len() - "?token=".len()..].to_owned())
        })
        .await
    }

    /// Fills in the form of a new account.
    pub(crate) async fn sign_up(&self) {
        let browser = &self.browser;
        browser.fill("Your name", "Jonas Lind").await;
        browser.fill("E-mail address", DEVELOPER).await;
        browser.fill("Password", PASSWORD).await;
        browser.press("Make account").await;
        browser.sees("Look into your mail").await;
    }

    /// Confirms the address and signs in.
    async fn confirm_and_sign_in(&self) {
        let link = self.mailed_link("/verify").await;
        self.browser.open(&link).await;
        self.browser.press("Confirm address").await;
        self.browser.sees(&format!("{DEVELOPER} is confirmed")).await;
        self.sign_in(PASSWORD).await;
    }

    /// Fills in the form to sign in.
    pub(crate) async fn sign_in(&self, password: &str) {
        self.browser.fill("E-mail address", DEVELOPER).await;
        self.browser.fill("Password", password).await;
        self.browser.press("Sign in").await;
    }
}

/// The demo's API, closed by keys, in a product with a free plan and one on approval.
async fn offer(stack: &Stack, url: &str) {
    let api = stack.api();
    api.service("orders", url).await;
    api.route("shop", "orders", json!({"paths": ["/shop"]})).await;
    api.plugin("key-auth", json!({"service": "orders"}), json!({})).await;
    let document: Value = serde_json::from_str(include_str!("../../src/demo/openapi.json")).expect("JSON");
    let base_url = format!("http://{}/shop", stack.proxy().address);
    let entry = json!({
        "name": "orders", "title": "Orders", "api_version": "v1.4", "summary": "Place orders and follow them.",
        "service": "orders", "base_url": base_url, "state": "published", "document": document
    });
    api.make("/apis", entry).await;
    let product = json!({"name": "commerce", "title": "Commerce", "apis": ["orders"]});
    api.make("/products", product).await;
    for (name, title, approval) in [("free", "Free", "auto"), ("business", "Business", "manual")] {
        let plan = json!({
            "name": name, "title": title, "product": "commerce", "approval": approval, "state": "published",
            "summary": "For those who want it so.", "limits": [{"requests": 600, "window_seconds": 60}]
        });
        api.make("/plans", plan).await;
    }
}

/// Runs a line of a shell as somebody who pasted it, and returns what it prints.
fn paste(line: &str) -> String {
    let output = Command::new("sh")
        .args(["-c", &format!("{line} --silent --show-error --max-time 20")])
        .output()
        .expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_developer_comes_from_the_catalogue_to_a_key_that_works() {
    let shop = Shop::open().await;
    let browser = &shop.browser;
    browser.open("/").await;
    browser.check().await;
    find_in_the_catalogue(browser).await;
    read_the_reference(browser).await;

    // What needs an account leads to one, and back.
    browser.press("Get a key").await;
    browser.arrives_at("/login?next=%2Fapis%2Forders%2Fsubscribe").await;
    browser.press("Make an account").await;
    browser.fill("Your name", "Jonas Lind").await;
    browser.fill("E-mail address", DEVELOPER).await;
    browser.fill("Password", "short").await;
    browser.press("Make account").await;
    assert_eq!(browser.complaint("Password").await, "Must have at least 12 characters.");
    assert_eq!(browser.value("E-mail address").await, DEVELOPER);
    browser.check().await;
    shop.sign_up().await;
    shop.confirm_and_sign_in().await;
    browser.arrives_at("/apis/orders/subscribe").await;

    let key = get_the_first_key(&shop).await;
    see_what_was_called(&shop).await;
    rotate_and_revoke(&shop, &key).await;
    leave(&shop).await;
}

async fn find_in_the_catalogue(browser: &Browser) {
    browser.fill("Search APIs", "nothing like it").await;
    browser.sees("Nothing found").await;
    browser.fill("Search APIs", "orders").await;
    browser.arrives_at("/?q=orders").await;
    browser.sees("4 operations").await;
    browser.click("//a[contains(@class, 'api')]").await;
    browser.arrives_at("/apis/orders").await;
}

async fn read_the_reference(browser: &Browser) {
    browser.check().await;
    for text in [
        "Place an order",
        "/orders/{id}/tracking",
        "integer, 1 to 99",
        "subscription_missing",
        "TrackingEvent",
    ] {
        browser.sees(text).await;
    }
    browser.press_in("//*[@id='op-placeOrder']", "Python").await;
    browser.sees("import requests").await;
    // The choice holds for every sample, and for the next page.
    browser.open("/apis/orders#op-listOrders").await;
    browser.sees("requests.get(").await;
    browser.press_in("//*[@id='op-listOrders']", "curl").await;
    browser
        .press_in("//nav[@aria-label='On this page']", "Follow a parcel")
        .await;
    browser.arrives_at("/apis/orders#op-trackOrder").await;
}

async fn get_the_first_key(shop: &Shop) -> String {
    let browser = &shop.browser;
    browser.choose("Free").await;
    browser.press("Get a key").await;
    assert_eq!(browser.complaint("Name of the new application").await, "Is required.");
    browser.fill("Name of the new application", "Checkout app").await;
    browser.press("Get a key").await;
    browser.sees("Your new key").await;
    browser.check().await;
    browser.press_in("//div[contains(@class, 'secret')]", "Copy").await;
    browser.sees("Copied").await;
    let key = browser.text_of("new-key").await;
    assert!(key.starts_with("gh_live_"), "{key}");
    let answer: Value = serde_json::from_str(&paste(&browser.text_of("try-it").await)).expect("JSON");
    assert_eq!(
        (&answer["service"], &answer["path"]),
        (&json!("orders"), &json!("/orders"))
    );
    browser.press("To the application").await;
    browser.sees("Checkout app").await;
    browser.lacks(&key).await;
    key
}

async fn see_what_was_called(shop: &Shop) {
    let browser = &shop.browser;
    browser.reloads_until("Success\n100%").await;
    browser.press("Show as table").await;
    browser.press("7 days").await;
    browser.sees("last 7 days").await;
    browser.check().await;
}

async fn rotate_and_revoke(shop: &Shop, key: &str) {
    let browser = &shop.browser;
    browser.press("Rotate").await;
    browser.sees("Rotate first key").await;
    browser.select("The old key", "It works for one day more").await;
    browser.press("Get the key").await;
    browser.sees("works until").await;
    let new = browser.text_of("new-key").await;
    assert_ne!(new, key);
    assert_eq!((shop.status(key).await, shop.status(&new).await), (200, 200));

    browser.press("To the application").await;
    browser.press_in("//tr[contains(., 'Replaced')]", "Revoke").await;
    browser.sees("Revoke first key?").await;
    browser.check().await;
    browser.press("Keep it").await;
    browser.press_in("//tr[contains(., 'Replaced')]", "Revoke").await;
    browser.press("Revoke key").await;
    browser.sees("Key revoked").await;
    assert_eq!((shop.status(key).await, shop.status(&new).await), (401, 200));

    browser.press("Cancel").await;
    browser.press("Cancel subscription").await;
    browser.sees("Subscription cancelled").await;
    shop.calls_end_with(&new, 403).await;
}

/// Changes the account, signs out and in, and deletes the application.
async fn leave(shop: &Shop) {
    let browser = &shop.browser;
    browser.open("/account").await;
    browser.fill("Name", "Jonas Lindgren").await;
    browser.press("Save profile").await;
    browser.sees("Account saved").await;
    browser.fill("Current password", "not the password").await;
    browser.fill("New password", "another long password").await;
    browser.press("Change password").await;
    assert_eq!(browser.complaint("Current password").await, "Is not your password.");
    browser.check().await;
    browser.fill("Current password", PASSWORD).await;
    browser.fill("New password", "another long password").await;
    browser.press("Change password").await;
    browser.sees("Password changed").await;
    browser.press("Account of Jonas Lindgren").await;
    browser.press("Sign out").await;
    browser.sees("Sign up").await;
    browser.open("/apps").await;
    shop.sign_in(PASSWORD).await;
    browser.sees("password is wrong").await;
    shop.sign_in("another long password").await;
    browser.arrives_at("/apps").await;
    browser.press("Checkout app").await;
    browser.press("More").await;
    browser.press("Delete").await;
    browser.fill("Type Checkout app to confirm", "Checkout app").await;
    browser.press("Delete application").await;
    browser.sees("No application yet").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_developer_without_javascript_gets_a_key_too() {
    let shop = Shop::open().await;
    let browser = &shop.browser;
    browser.turn_javascript_off().await;
    browser.open("/").await;
    browser.fill("Search APIs", "orders").await;
    browser.key(Key::Enter).await;
    browser.arrives_at("/?q=orders").await;
    browser.click("//a[contains(@class, 'api')]").await;
    for language in ["curl -X POST", "await fetch(url", "import requests"] {
        browser.sees(language).await;
    }
    browser
        .click("//summary[contains(., 'The order as it was taken.')]")
        .await;
    browser.sees("In the smallest unit of the currency.").await;
    browser.press("Get a key").await;
    browser.press("Make an account").await;
    shop.sign_up().await;
    shop.confirm_and_sign_in().await;
    browser.choose("Free").await;
    browser.fill("Name of the new application", "Checkout app").await;
    browser.press("Get a key").await;
    browser.sees("Your new key").await;
    let key = browser.text_of("new-key").await;
    assert_eq!(shop.status(&key).await, 200);

    browser.press("To the application").await;
    browser.press("Revoke").await;
    browser
        .arrives("the question", |address| address.ends_with("/revoke"))
        .await;
    browser.press("Revoke key").await;
    browser.sees("Key revoked").await;
    assert_eq!(shop.status(&key).await, 401);
}
