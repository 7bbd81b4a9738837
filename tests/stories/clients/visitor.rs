//! Pages as a browser without JavaScript uses them: cookies, links and forms.

use reqwest::Client;
use reqwest::redirect::Policy;

use super::Answer;

/// A browser at one site. Redirects are followed, cookies kept.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    base: String,
    client: Client,
}

/// A page that was shown.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// Its status.
    pub(crate) status: u16,
    /// Its address below the site.
    pub(crate) address: String,
    /// Its HTML.
    pub(crate) html: String,
}

impl Visitor {
    /// A new browser at this site.
    pub(crate) fn new(site: &str) -> Self {
        let client = Client::builder()
            .cookie_store(true)
            .redirect(Policy::limited(5))
            .build();
        Self {
            base: site.to_owned(),
            client: client.expect("a client"),
        }
    }

    /// The same browser with its cookies, at the same site under another address.
    pub(crate) fn moved_to(&self, site: &str) -> Self {
        Self {
            base: site.to_owned(),
            client: self.client.clone(),
        }
    }

    /// Opens a page.
    pub(crate) async fn open(&self, address: &str) -> Page {
        let request = self.client.get(format!("{}{address}", self.base));
        Page::of(&self.base, request.send().await.expect("an answer")).await
    }

    /// Fills in the form of a page that sends to `action`, and sends it.
    pub(crate) async fn submit(&self, page: &Page, action: &str, fields: &[(&str, &str)]) -> Page {
        let form = page.form(action);
        let mut pairs: Vec<(String, String)> = hidden(form);
        for (name, value) in fields {
            assert!(
                form.contains(&format!("name=\"{name}\"")),
                "there is no field {name} in\n{form}"
            );
            pairs.push(((*name).to_owned(), (*value).to_owned()));
        }
        let request = self.client.post(format!("{}{action}", self.base)).form(&pairs);
        Page::of(&self.base, request.send().await.expect("an answer")).await
    }
}

impl Page {
    async fn of(base: &str, response: reqwest::Response) -> Self {
        let address = response.url().as_str().trim_start_matches(base).to_owned();
        let answer = Answer::read(response).await.expect("a page");
        Self {
            status: answer.status,
            address,
            html: answer.body.as_str().unwrap_or_default().to_owned(),
        }
    }

    /// The same, when it was shown well.
    #[track_caller]
    pub(crate) fn good(self) -> Self {
        assert_eq!(self.status, 200, "{}\n{}", self.address, self.html);
        self
    }

    /// The part between two texts, without entities.
    pub(crate) fn between(&self, start: &str, end: &str) -> Option<String> {
        let (_, rest) = self.html.split_once(start)?;
        let (part, _) = rest.split_once(end)?;
        Some(part.replace("&#38;", "&").replace("&amp;", "&"))
    }

    fn form(&self, action: &str) -> &str {
        let mut forms = self.html.split("<form ").skip(1);
        let found = forms.find(|form| {
            let tag = form.split('>').next().unwrap_or_default();
            tag.contains(&format!("action=\"{action}\""))
        });
        let form = found.unwrap_or_else(|| panic!("no form sends to {action} on {}\n{}", self.address, self.html));
        form.split("</form>").next().unwrap_or(form)
    }
}

/// Names and values of the hidden fields of a form.
fn hidden(form: &str) -> Vec<(String, String)> {
    let inputs = form
        .split("<input ")
        .skip(1)
        .map(|rest| rest.split('>').next().unwrap_or_default());
    let attribute = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!("{name}=\""))?;
        Some(rest.split('"').next()?.to_owned())
    };
    inputs
        .filter(|tag| tag.contains("type=\"hidden\""))
        .filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value")?)))
        .collect()
}
