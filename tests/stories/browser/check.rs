//! What every page must be: usable with assistive technology, within its policy, without errors, and as wide as its
//! screen; in both themes, on a desk and on a phone.

use std::path::Path;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::Browser;

/// The rules: WCAG 2.0 to 2.2 at A and AA, and best practices.
const RULES: [&str; 6] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/// Tells what axe finds, once fonts are there.
const FIND: &str = "
    const done = arguments[1];
    const rules = { resultTypes: ['violations'], runOnly: { type: 'tag', values: arguments[0] } };
    const told = ({ id, nodes }) => nodes.map(({ target, any, all, none }) =>
        `${id}: ${target.join(' ')}: ${[...any, ...all, ...none].map(({ message }) => message).join('; ')}`);
    document.fonts.ready.then(() => axe.run(document, rules)).then(
        ({ violations }) => done(violations.flatMap(told)),
        (error) => done([String(error)]),
    );
";

/// How far what is on the page sticks out of the screen.
const OVERFLOW: &str = "const root = document.documentElement; return root.scrollWidth - root.clientWidth;";

/// Collects violations of the policy from the first moment of every page.
const WATCH: &str = "
    window.policyViolations = [];
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
        window.policyViolations.push(`${violatedDirective} ${blockedURI}`));
";

static AXE: LazyLock<String> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/node_modules/axe-core/axe.min.js");
    std::fs::read_to_string(path).expect("axe-core is installed by the build of `web`")
});

/// A way to look at a page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    theme: &'static str,
    width: u32,
    height: u32,
}

impl Look {
    /// Both themes, on a desk and on a phone.
    const ALL: [Self; 4] = [
        Self::desk("light"),
        Self::desk("dark"),
        Self::phone("light"),
        Self::phone("dark"),
    ];

    /// On a desk's screen.
    pub(crate) const fn desk(theme: &'static str) -> Self {
        Self {
            theme,
            width: 1440,
            height: 900,
        }
    }

    /// On a phone.
    pub(crate) const fn phone(theme: &'static str) -> Self {
        Self {
            theme,
            width: 390,
            height: 844,
        }
    }
}

impl Default for Look {
    fn default() -> Self {
        Self::desk("light")
    }
}

impl Browser {
    /// Looks at pages this way from now on.
    pub(crate) async fn look(&self, look: Look) {
        let screen = json!({"width": look.width, "height": look.height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", screen).await;
        let theme = json!({"features": [{"name": "prefers-color-scheme", "value": look.theme}]});
        self.devtools("Emulation.setEmulatedMedia", theme).await;
    }

    pub(super) async fn watch_policy(&self) {
        let script = json!({"source": WATCH});
        self.devtools("Page.addScriptToEvaluateOnNewDocument", script).await;
    }

    /// Checks the page as it is shown now.
    pub(crate) async fn check(&self) {
        let mut findings = self.findings().await;
        findings.extend(self.errors().await);
        self.report(&findings).await;
    }

    /// Checks the page in every way to look at it.
    pub(crate) async fn check_all(&self) {
        let mut findings = Vec::new();
        for look in Look::ALL {
            self.look(look).await;
            let found = self.findings().await;
            findings.extend(
                found
                    .iter()
                    .map(|found| format!("{} {}: {found}", look.theme, look.width)),
            );
        }
        self.look(Look::default()).await;
        findings.extend(self.errors().await);
        self.report(&findings).await;
    }

    async fn report(&self, findings: &[String]) {
        let address = self.address().await;
        assert!(findings.is_empty(), "{address}:\n{}", findings.join("\n"));
    }

    /// What axe finds, and what sticks out.
    async fn findings(&self) -> Vec<String> {
        let there = self.session.execute("return typeof axe === 'object'", vec![]).await;
        if there.expect("an answer").json() != &Value::Bool(true) {
            self.session.execute(AXE.as_str(), vec![]).await.expect("axe loads");
        }
        let found = self.session.execute_async(FIND, vec![json!(RULES)]).await;
        let mut findings: Vec<String> = found.expect("axe runs").convert().expect("texts");
        let overflow = self.session.execute(OVERFLOW, vec![]).await.expect("a width");
        let overflow: i64 = overflow.convert().expect("a number");
        if overflow > 0 {
            findings.push(format!("sticks out of the screen by {overflow} pixels"));
        }
        findings
    }

    /// What the browser complains about since it was asked last, and what its policy kept from the page.
    async fn errors(&self) -> Vec<String> {
        let page = self.session.current_url().await.expect("an address");
        let log = self.session.browser_log().await.expect("a log");
        let severe = log.into_iter().filter(|entry| entry.level == "SEVERE");
        // A page with a status of its own, such as a form that is shown again, is no error.
        let own = format!("{page} - Failed to load resource: the server responded with a status of ");
        let mut errors: Vec<String> = severe
            .map(|entry| entry.message)
            .filter(|text| !text.starts_with(&own))
            .collect();
        let blocked = self
            .session
            .execute("return window.policyViolations ?? []", vec![])
            .await;
        let blocked: Vec<String> = blocked.expect("a list").convert().expect("texts");
        errors.extend(
            blocked
                .into_iter()
                .map(|what| format!("kept out by the policy: {what}")),
        );
        errors
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use actix_web::{App, HttpResponse, HttpServer, web};

    use super::*;

    /// A page that is wrong in every way that is looked for.
    const WRONG: &str = "<!doctype html><html lang=en><title>Wrong</title><main><h1>Wrong</h1><img src=/no.png>\
        <p style='width: 2000px'>Wide</p><script>alert(1)</script></main></html>";

    async fn wrong() -> HttpResponse {
        HttpResponse::Ok()
            .insert_header(("content-security-policy", "script-src 'none'"))
            .content_type("text/html")
            .body(WRONG)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_wrong_with_a_page_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let site = format!("http://{}", listener.local_addr().expect("an address"));
        let app = || App::new().route("/", web::get().to(wrong));
        let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(1);
        tokio::spawn(server.listen(listener).expect("it listens").run());
        let browser = Browser::at(&site).await;
        browser.open("/").await;
        let found = browser.findings().await.join("\n");
        assert!(found.contains("image-alt") && found.contains("sticks out"), "{found}");
        let errors = browser.errors().await.join("\n");
        for error in ["no.png - Failed to load", "kept out by the policy: script-src"] {
            assert!(errors.contains(error), "`{error}` is not in\n{errors}");
        }
    }
}
