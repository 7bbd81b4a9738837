//! A real browser, used as a person uses one: by what is written on links, buttons and labels.
//!
//! Everything is waited for with a deadline, since pages change when they want to. [`check`] says what every page must be.

mod check;
mod driver;

use serde_json::{Value, json};
use thirtyfour::{By, Key, TypingData, WebDriver, WebElement};

use tokio::time::Instant;

use crate::{SOON, eventually};
pub(crate) use check::Look;
use driver::Driver;

/// Texts of elements that somebody can press.
const PRESSABLE: &str = "self::a or self::button or self::summary";

/// A browser at one site.
#[derive(Debug)]
pub(crate) struct Browser {
    // Closed before its driver is.
    session: WebDriver,
    site: String,
    _driver: Driver,
}

impl Browser {
    /// Opens one at this site, as large as a desk's screen.
    pub(crate) async fn at(site: &str) -> Self {
        let driver = Driver::start();
        let browser = Self {
            session: driver.open().await,
            site: site.to_owned(),
            _driver: driver,
        };
        browser.watch_policy().await;
        browser.look(Look::default()).await;
        browser
    }

    /// From the next page on, scripts of pages do not run.
    pub(crate) async fn turn_javascript_off(&self) {
        let off = json!({"value": true});
        self.devtools("Emulation.setScriptExecutionDisabled", off).await;
    }

    async fn devtools(&self, command: &str, parameters: Value) {
        let done = self.session.cdp().send_raw(command, parameters).await;
        done.unwrap_or_else(|error| panic!("{command}: {error}"));
    }

    /// Opens an address of the site, or a whole URL.
    pub(crate) async fn open(&self, address: &str) {
        let url = if address.starts_with("http") {
            address.to_owned()
        } else {
            format!("{}{address}", self.site)
        };
        self.session
            .goto(url.as_str())
            .await
            .unwrap_or_else(|error| panic!("{url}: {error}"));
    }

    /// What is shown, as PNG, once it has come to rest.
    pub(crate) async fn picture(&self) -> Vec<u8> {
        let settle = "
            const done = arguments[0];
            document.fonts.ready.then(() => requestAnimationFrame(() => requestAnimationFrame(() => done())));
        ";
        self.session
            .execute_async(settle, vec![])
            .await
            .expect("a page at rest");
        self.session.screenshot_as_png().await.expect("a picture")
    }

    /// Where it is, below the site.
    pub(crate) async fn address(&self) -> String {
        let url = self.session.current_url().await.expect("an address");
        url.as_str().trim_start_matches(&self.site).to_owned()
    }

    /// Waits until it is at an address that fits.
    pub(crate) async fn arrives(&self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        eventually(&format!("that the browser is at {what}"), async || {
            Some(self.address().await).filter(|address| fits(address))
        })
        .await
    }

    /// Waits until it is at this address.
    pub(crate) async fn arrives_at(&self, address: &str) {
        self.arrives(address, |now| now == address).await;
    }

    /// All that can be read on the page.
    pub(crate) async fn text(&self) -> String {
        let body = self.session.find(By::Tag("body")).await;
        match body {
            Ok(body) => body.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// Waits until this can be read on the page.
    pub(crate) async fn sees(&self, text: &str) {
        let deadline = Instant::now() + SOON;
        loop {
            let shown = self.text().await;
            if shown.contains(text) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "`{text}` is not on {}:\n{shown}",
                self.address().await
            );
        }
    }

    /// Loads the page again and again until this can be read on it.
    pub(crate) async fn reloads_until(&self, text: &str) {
        let deadline = Instant::now() + SOON;
        loop {
            self.session.refresh().await.expect("the page again");
            let shown = self.text().await;
            if shown.contains(text) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "`{text}` does not come to {}:\n{shown}",
                self.address().await
            );
        }
    }

    /// Fails when this can be read on the page.
    pub(crate) async fn lacks(&self, text: &str) {
        let shown = self.text().await;
        assert!(!shown.contains(text), "`{text}` is on the page:\n{shown}");
    }

    /// The first of these that is shown.
    pub(crate) async fn find(&self, xpath: &str) -> WebElement {
        eventually(&format!("`{xpath}` on the page"), async || {
            for element in self.session.find_all(By::XPath(xpath)).await.ok()? {
                if element.is_displayed().await.unwrap_or(false) {
                    return Some(element);
                }
            }
            None
        })
        .await
    }

    /// Presses the link or button with this on it.
    pub(crate) async fn press(&self, text: &str) {
        self.press_in("//body", text).await;
    }

    /// The same within a part of the page.
    pub(crate) async fn press_in(&self, part: &str, text: &str) {
        let xpath = format!(
            "{part}//*[{PRESSABLE}][normalize-space(.)=\"{text}\" or @aria-label=\"{text}\" or .//*[normalize-space(.)=\"{text}\"]]\
             [not(@aria-hidden)]"
        );
        self.click(&xpath).await;
    }

    /// Clicks what is found there, again when the page changed in between.
    pub(crate) async fn click(&self, xpath: &str) {
        eventually(&format!("a click on `{xpath}`"), async || {
            let element = self.find(xpath).await;
            // Not below the header, which stays where it is.
            let place = vec![element.to_json().ok()?];
            let script = "arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' });";
            self.session.execute(script, place).await.ok()?;
            element.click().await.ok()
        })
        .await;
    }

    /// The field with this label.
    pub(crate) async fn field(&self, label: &str) -> WebElement {
        let labelled = format!("//label[starts-with(normalize-space(.), \"{label}\")]");
        let xpath = format!(
            "//*[(self::input or self::textarea or self::select)][not(@type='hidden')]\
             [@id={labelled}/@for or @aria-label=\"{label}\" or ancestor::label[starts-with(normalize-space(.), \"{label}\")]]"
        );
        self.find(&xpath).await
    }

    /// Writes into the field with this label, instead of what is there.
    pub(crate) async fn fill(&self, label: &str, text: &str) {
        eventually(&format!("`{text}` in {label}"), async || {
            let field = self.field(label).await;
            field.clear().await.ok()?;
            field.send_keys(text).await.ok()
        })
        .await;
    }

    /// Presses a key, wherever the cursor is.
    pub(crate) async fn key(&self, key: impl Into<TypingData>) {
        let focused = self.session.active_element().await.expect("a focus");
        focused.send_keys(key).await.expect("a key press");
    }

    /// Presses a key while Control is held.
    pub(crate) async fn control_key(&self, key: &str) {
        self.key(Key::Control + key).await;
    }

    /// What stands in the field with this label.
    pub(crate) async fn value(&self, label: &str) -> String {
        eventually(&format!("the value of {label}"), async || {
            self.field(label).await.prop("value").await.ok()
        })
        .await
        .unwrap_or_default()
    }

    /// Waits until something is said against the field with this label, and returns it.
    pub(crate) async fn complaint(&self, label: &str) -> String {
        eventually(&format!("a complaint about {label}"), async || {
            let field = self.field(label).await;
            let wrong = field.attr("aria-invalid").await.ok()?;
            let told = field.attr("aria-describedby").await.ok()??;
            let id = told.split(' ').next().unwrap_or_default();
            let text = self.session.find(By::Id(id)).await.ok()?.text().await.ok()?;
            wrong.is_some().then_some(text)
        })
        .await
    }

    /// Takes the option whose label begins so: of radio buttons, checkboxes and switches.
    pub(crate) async fn choose(&self, label: &str) {
        self.click(&format!("//label[starts-with(normalize-space(.), \"{label}\")]"))
            .await;
    }

    /// Takes an option of the list with this label.
    pub(crate) async fn select(&self, label: &str, option: &str) {
        let xpath = format!("./option[normalize-space(.)=\"{option}\"]");
        eventually(&format!("`{option}` of {label}"), async || {
            let list = self.field(label).await;
            let option = list.find(By::XPath(xpath.as_str())).await.ok()?;
            option.click().await.ok()
        })
        .await;
    }

    /// The text of the element with this id.
    pub(crate) async fn text_of(&self, id: &str) -> String {
        eventually(&format!("the text of #{id}"), async || {
            let element = self.find(&format!("//*[@id=\"{id}\"]")).await;
            element.text().await.ok()
        })
        .await
    }
}
