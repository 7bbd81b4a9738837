//! The pictures of the documents, taken from the running product. They are taken whenever the stories are told, so that
//! `scripts/screenshots`, which puts them where they belong, always works.

mod shop;

use std::path::{Path, PathBuf};

use crate::browser::{Browser, Look};
use crate::developer::{first_key, sign_up_and_in};
use crate::stack::{ADMIN, PASSWORD, Plan};
use crate::upstream::Upstream;

/// Larger files do not belong in a repository.
const MOST_BYTES: usize = 250_000;
/// What people see in the pictures instead of addresses of a test.
const PROXY: &str = "https://api.example.com";

/// Where the pictures go: to a place of the tests, unless somebody wants them.
fn folder() -> PathBuf {
    let wanted = std::env::var_os("GATEHOUSE_PICTURES");
    wanted.map_or_else(
        || Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures"),
        PathBuf::from,
    )
}

/// Photographs what is shown, once `text` is.
async fn photograph(browser: &Browser, name: &str, text: &str) {
    browser.sees(text).await;
    let picture = browser.picture().await;
    assert!(picture.len() < MOST_BYTES, "{name} has {} bytes", picture.len());
    let path = folder().join(format!("{name}.png"));
    std::fs::create_dir_all(folder()).expect("a directory");
    std::fs::write(&path, picture).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pictures_of_the_documents_can_be_taken() {
    let stack = Plan::one().with("GATEHOUSE_PROXY_URL", PROXY).start().await;
    let upstream = Upstream::start("shop");
    stack.make_admin();
    let keys = shop::furnish(&stack.api_as(&stack.make_token("deploy", &["*"])), &upstream).await;
    let portal = stack.portal();
    sign_up_and_in(&stack, &portal).await;
    let application = first_key(&portal).await;
    shop::call(&stack.proxy(), &keys, &application).await;
    shop::live_through_two_days(&stack).await;

    console(&Browser::at(&stack.console_url()).await).await;
    developers(&Browser::at(&stack.portal_url()).await).await;
}

async fn console(browser: &Browser) {
    browser.open("/console/login").await;
    browser.fill("E-mail address", ADMIN).await;
    browser.fill("Password", PASSWORD).await;
    browser.press("Sign in").await;
    browser.arrives_at("/console").await;
    // A change by a person, for the revision.
    browser.open("/console/routes/create-charge/plugins").await;
    browser.press("Rate limit").await;
    browser.fill("Requests", "600").await;
    photograph(browser, "plugin", "Window").await;
    browser.press("Save plugin").await;
    browser.sees("on 1 of 1 gateway").await;
    browser.open("/console/routes/create-charge/plugins").await;
    photograph(browser, "route", "Request transform").await;
    browser.open("/console/revisions").await;
    browser.click("//table[@aria-label='Revisions']//tbody/tr[1]//a").await;
    photograph(browser, "revision", "600").await;
    for theme in ["light", "dark"] {
        browser.look(Look::desk(theme)).await;
        browser.open("/console").await;
        photograph(browser, &format!("overview-{theme}"), "Busiest routes").await;
    }
}

async fn developers(browser: &Browser) {
    browser.open("/").await;
    photograph(browser, "catalogue", "Product search").await;
    browser.open("/apis/orders#op-placeOrder").await;
    photograph(browser, "reference", "Place an order").await;
    browser.open("/login").await;
    browser.fill("E-mail address", "dora@example.com").await;
    browser.fill("Password", PASSWORD).await;
    browser.press("Sign in").await;
    browser.press("Checkout app").await;
    photograph(browser, "application", "Rate limited").await;
}
