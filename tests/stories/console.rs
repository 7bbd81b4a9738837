//! The console in a real browser: an administrator's whole path, and keys without JavaScript.

use serde_json::json;
use thirtyfour::Key;

use crate::browser::Browser;
use crate::stack::{ADMIN, PASSWORD, Plan, Stack};
use crate::upstream::Upstream;

/// A Gatehouse with a service behind it, and a browser at its console.
pub(crate) struct Office {
    /// The Gatehouse.
    pub(crate) stack: Stack,
    /// A browser at its console.
    pub(crate) browser: Browser,
    /// The service.
    pub(crate) echo: Upstream,
}

impl Office {
    /// Nobody is set up yet.
    pub(crate) async fn open() -> Self {
        let (stack, echo) = (Plan::one().start().await, Upstream::start("echo"));
        let browser = Browser::at(&stack.console_url()).await;
        Self { stack, browser, echo }
    }

    /// The same with the first administrator signed in.
    pub(crate) async fn staffed() -> Self {
        let office = Self::open().await;
        office.stack.make_admin();
        office.browser.open("/console/login").await;
        office.sign_in().await;
        office
    }

    /// Fills in the form to sign in.
    pub(crate) async fn sign_in(&self) {
        self.browser.fill("E-mail address", ADMIN).await;
        self.browser.fill("Password", PASSWORD).await;
        self.browser.press("Sign in").await;
        self.browser.arrives_at("/console").await;
    }

    /// The status of a call through the gateway, with a key or without one.
    pub(crate) async fn status(&self, key: &str) -> u16 {
        self.stack.proxy().get_with_key("/echo/orders", key).await.status
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_comes_from_the_setup_link_to_a_limited_route() {
    let office = Office::open().await;
    set_up(&office).await;
    make_a_service_and_a_route(&office).await;
    ask_for_keys(&office).await;
    let key = make_a_consumer_with_a_key(&office).await;
    limit(&office, &key).await;
    mend_a_mistake(&office).await;
    look_back(&office).await;
    make_a_token(&office).await;
    jump_by_keyboard(&office).await;
    leave_and_come_back(&office).await;
}

async fn set_up(office: &Office) {
    let browser = &office.browser;
    browser.open("/console").await;
    browser
        .arrives("sign-in", |address| address.starts_with("/console/login"))
        .await;
    browser.sees("Nobody is set up yet").await;
    let said = office.stack.people.program().said();
    let link = said.split_once("/console/setup?token=").expect("a link").1;
    let token = link.split_whitespace().next().expect("a token");
    browser.open(&format!("/console/setup?token={token}")).await;
    browser.check().await;
    browser.fill("Your name", "Olga Owner").await;
    browser.fill("E-mail address", "nobody").await;
    browser.fill("Password", PASSWORD).await;
    browser.press("Make the account").await;
    assert!(
        browser.complaint("E-mail address").await.contains('@'),
        "what an address has"
    );
    assert_eq!(browser.value("E-mail address").await, "nobody");
    browser.check().await;
    browser.fill("E-mail address", ADMIN).await;
    browser.fill("Password", PASSWORD).await;
    browser.press("Make the account").await;
    browser.sees("Welcome to Gatehouse").await;
    browser.check().await;
}

async fn make_a_service_and_a_route(office: &Office) {
    let browser = &office.browser;
    browser.press_in("//main", "New service").await;
    browser.fill("Name", "echo").await;
    browser.fill("URL", "echo.example").await;
    browser.press("Save service").await;
    assert!(
        browser.complaint("URL").await.contains("scheme"),
        "a URL without a scheme"
    );
    assert_eq!(browser.value("URL").await, "echo.example");
    browser.check().await;
    browser.fill("URL", &office.echo.url()).await;
    browser.press("Save service").await;
    browser.sees("on 1 of 1 gateway").await;

    browser.open("/console").await;
    browser.press_in("//main", "New route").await;
    browser.fill("Name", "echo").await;
    browser.select("Service", "echo").await;
    browser.fill("Paths", "/echo").await;
    browser.check().await;
    browser.press("Save route").await;
    browser.sees("on 1 of 1 gateway").await;
    assert_eq!(office.status("").await, 200);
}

async fn ask_for_keys(office: &Office) {
    let browser = &office.browser;
    browser.press_in("//nav[@aria-label='Route sections']", "Plugins").await;
    browser.sees("No plugin here").await;
    browser.press("Key authentication").await;
    browser.sees("New on").await;
    browser.check().await;
    browser.press("Save plugin").await;
    browser.sees("on 1 of 1 gateway").await;
    assert_eq!(office.status("").await, 401);
}

async fn make_a_consumer_with_a_key(office: &Office) -> String {
    let browser = &office.browser;
    browser.press_in("//nav[@aria-label='Console']", "Consumers").await;
    browser.press("New consumer").await;
    browser.fill("Name", "fjord-logistics").await;
    browser.press("Save consumer").await;
    browser.press("New key").await;
    browser.fill("Name", "production").await;
    browser.press("Make the key").await;
    browser.sees("Your new key").await;
    browser.check().await;
    let key = browser.text_of("new-key").await;
    assert_eq!(office.status(&key).await, 200);
    browser.press("I have saved it").await;
    browser.sees("fjord-logistics").await;
    browser.lacks(&key).await;
    key
}

async fn limit(office: &Office, key: &str) {
    let browser = &office.browser;
    browser.open("/console/routes/echo/plugins").await;
    browser.press("Rate limit").await;
    browser.sees("New on").await;
    browser.fill("Requests", "none").await;
    browser.fill("Window", "3600").await;
    browser.press("Save plugin").await;
    browser.sees("whole number").await;
    assert_eq!(browser.value("Window").await, "3600");
    browser.check().await;
    browser.fill("Requests", "2").await;
    browser.press("Save plugin").await;
    browser.sees("on 1 of 1 gateway").await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(office.status(key).await);
    }
    assert_eq!(statuses, [200, 200, 429]);
}

async fn mend_a_mistake(office: &Office) {
    let browser = &office.browser;
    browser.open("/console/routes/echo").await;
    browser.press("Edit").await;
    browser.fill("Paths", "no-slash").await;
    browser.press("Save route").await;
    browser.sees("This is not saved yet.").await;
    assert_eq!(browser.value("Paths").await, "no-slash");
    assert!(
        browser.complaint("Paths").await.contains('/'),
        "what a path begins with"
    );
    browser.check().await;
    browser.fill("Paths", "/echo").await;
    browser.fill("Tags", "team:shop").await;
    browser.press("Show change").await;
    browser.sees("Not saved yet: this is what saving does.").await;
    browser.check().await;
    browser.press("Save route").await;
    browser.sees("on 1 of 1 gateway").await;
}

async fn look_back(office: &Office) {
    let browser = &office.browser;
    browser.press_in("//nav[@aria-label='Console']", "Revisions").await;
    browser.sees("Olga Owner").await;
    browser.check().await;
    browser.click("//table[@aria-label='Revisions']//tbody/tr[1]//a").await;
    browser.sees("team:shop").await;
    browser.check().await;
    browser.press_in("//nav[@aria-label='Console']", "Audit log").await;
    browser.sees("fjord-logistics").await;
    browser.fill("Search by name or action", "fjord").await;
    browser
        .arrives("the search", |address| address.contains("q=fjord"))
        .await;
    browser.check().await;
}

async fn make_a_token(office: &Office) {
    let browser = &office.browser;
    browser.open("/console/settings").await;
    browser.press("API tokens").await;
    browser.press("New token").await;
    browser.fill("Name", "deploy").await;
    browser.press("Make the token").await;
    browser.sees("This is not saved yet.").await;
    browser.check().await;
    browser.choose("Services: Look").await;
    browser.press("Make the token").await;
    browser.sees("Copy it now.").await;
    let token = browser.text_of("new-token").await;
    let api = office.stack.api_as(&token);
    api.get("/services").await.expect(200);
    api.get("/routes").await.expect_problem(403, "forbidden");
    browser.press("I have saved it").await;
    browser.sees("deploy").await;
}

async fn jump_by_keyboard(office: &Office) {
    let browser = &office.browser;
    browser.control_key("k").await;
    browser.fill("Search or jump to", "fjord").await;
    browser.sees("fjord-logistics").await;
    browser.check().await;
    browser.key(Key::Down).await;
    browser.key(Key::Up).await;
    browser.key(Key::Enter).await;
    browser.arrives_at("/console/consumers/fjord-logistics").await;
    browser.control_key("k").await;
    browser.field("Search or jump to").await;
    browser.key(Key::Escape).await;
    browser.press_in("//main", "Edit").await;
    browser.arrives_at("/console/consumers/fjord-logistics/edit").await;
}

async fn leave_and_come_back(office: &Office) {
    let browser = &office.browser;
    browser.click("//div[contains(@class, 'side-foot')]//summary").await;
    browser.press("Sign out").await;
    browser
        .arrives("sign-in", |address| address.starts_with("/console/login"))
        .await;
    browser.open("/console/routes/echo").await;
    browser.fill("E-mail address", ADMIN).await;
    browser.fill("Password", "not the password").await;
    browser.press("Sign in").await;
    browser.sees("is wrong").await;
    browser.fill("Password", PASSWORD).await;
    browser.press("Sign in").await;
    browser.arrives_at("/console/routes/echo").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_and_revoked_without_javascript() {
    let office = Office::staffed().await;
    let (api, browser) = (office.stack.api(), &office.browser);
    api.service("echo", &office.echo.url()).await;
    api.route("echo", "echo", json!({"paths": ["/echo"]})).await;
    api.plugin("key-auth", json!({"route": "echo"}), json!({})).await;
    api.make("/consumers", json!({"name": "ci"})).await;
    browser.turn_javascript_off().await;
    browser.open("/console/consumers/ci").await;
    browser.press("New key").await;
    browser.fill("Name", "pipeline").await;
    browser.press("Make the key").await;
    browser.sees("Your new key").await;
    let key = browser.text_of("new-key").await;
    assert_eq!(office.status(&key).await, 200);
    browser.press("I have saved it").await;
    browser.press("Actions for key pipeline").await;
    browser.press("Revoke").await;
    browser
        .arrives("the question", |address| address.ends_with("/revoke"))
        .await;
    browser.press("Revoke key").await;
    browser.sees("revoked").await;
    assert_eq!(office.status(&key).await, 401);
}
