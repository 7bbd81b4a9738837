//! What every page shows around its content: navigation, the person, the node line, toasts.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use control::{gateways, revisions};
use model::actor::{Action, Actor, Resource, Rights};

use crate::error::PageError;
use crate::navigation::{Area, NAVIGATION, NodeLine, Person, PortalArea};
use crate::people::{Console, Portal, PortalAccount};
use crate::urls;
use crate::visit::Visit;

/// A message on the page that follows an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flash {
    /// `ok` or `warn`.
    pub tone: String,
    /// One sentence without a full stop.
    pub text: String,
}

impl Flash {
    /// Something was done.
    pub fn ok(text: impl Into<String>) -> Self {
        Self {
            tone: "ok".to_owned(),
            text: text.into(),
        }
    }

    /// Something was done, but not all of it.
    pub fn warn(text: impl Into<String>) -> Self {
        Self {
            tone: "warn".to_owned(),
            text: text.into(),
        }
    }

    /// Its icon.
    pub fn icon(&self) -> &'static str {
        if self.tone == "ok" {
            "circle-check"
        } else {
            "triangle-alert"
        }
    }

    pub(crate) fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!(
            "{} {}",
            self.tone,
            self.text.chars().take(300).collect::<String>()
        ))
    }

    pub(crate) fn decode(cookie: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cookie).ok()?).ok()?;
        let (tone, text) = text.split_once(' ')?;
        Some(if tone == "ok" { Self::ok(text) } else { Self::warn(text) })
    }
}

/// What a console page shows around its content.
#[derive(Debug, Clone)]
pub struct ConsolePage {
    /// The title of page and tab.
    pub title: String,
    /// The chosen theme.
    pub theme: Option<&'static str>,
    /// The token of its forms.
    pub csrf: String,
    /// The toast.
    pub flash: Option<Flash>,
    /// Where in the navigation it is.
    pub area: Area,
    /// The pages above it: title and URL.
    pub crumbs: Vec<(String, String)>,
    /// Who is signed in.
    pub person: Person,
    /// Whether the gateways run what is configured.
    pub nodes: NodeLine,
    pub(crate) rights: Rights,
}

impl ConsolePage {
    /// A page above this one.
    pub fn crumb(mut self, title: impl Into<String>, url: impl Into<String>) -> Self {
        self.crumbs.push((title.into(), url.into()));
        self
    }

    /// The navigation.
    pub fn navigation(&self) -> &'static [(&'static str, &'static [Area])] {
        NAVIGATION
    }

    /// Whether the person may change these.
    pub fn may(&self, resource: Resource) -> bool {
        self.rights.allow(resource, Action::Write)
    }
}

impl Console {
    /// What the page shows around its content.
    pub async fn page(&self, title: impl Into<String>, area: Area) -> Result<ConsolePage, PageError> {
        // The line is for everybody who is in the console, whatever their role.
        let all = gateways::list(self.control(), &Actor::system()).await?;
        let revision = revisions::head(self.control()).await?;
        Ok(ConsolePage {
            title: title.into(),
            theme: self.theme(),
            csrf: self.form_token(),
            flash: self.flash(),
            area,
            crumbs: Vec::new(),
            person: Person::of(self.actor(), &self.session().email),
            nodes: NodeLine::of(&all, revision),
            rights: self.actor().rights.clone(),
        })
    }
}

/// What a portal page shows around its content.
#[derive(Debug, Clone)]
pub struct PortalPage {
    /// The title of page and tab.
    pub title: String,
    /// The chosen theme.
    pub theme: Option<&'static str>,
    /// The token of its forms.
    pub csrf: String,
    /// The toast.
    pub flash: Option<Flash>,
    /// Where in the navigation it is.
    pub area: PortalArea,
    /// Who is signed in.
    pub person: Option<Person>,
    /// This page, to come back to after signing in.
    pub address: String,
}

impl PortalPage {
    fn of(visit: &Visit, title: String, area: PortalArea) -> Self {
        Self {
            title,
            theme: visit.theme(),
            csrf: visit.form_token(),
            flash: visit.flash(),
            area,
            person: visit
                .session()
                .map(|session| Person::of(&session.actor, &session.email)),
            address: visit.address().to_owned(),
        }
    }

    /// Where to sign in, with the way back to this page.
    pub fn sign_in(&self) -> String {
        urls::with_query(urls::portal::SIGN_IN, &[("next", &self.address)])
    }

    /// The areas that this person sees.
    pub fn navigation(&self) -> &'static [PortalArea] {
        if self.person.is_some() {
            &[PortalArea::Apis, PortalArea::Applications]
        } else {
            &[PortalArea::Apis]
        }
    }
}

impl Portal {
    /// What the page shows around its content.
    pub fn page(&self, title: impl Into<String>, area: PortalArea) -> PortalPage {
        PortalPage::of(self, title.into(), area)
    }
}

impl PortalAccount {
    /// What the page shows around its content.
    pub fn page(&self, title: impl Into<String>, area: PortalArea) -> PortalPage {
        PortalPage::of(self, title.into(), area)
    }
}

/// What a page with one card and no navigation shows around it.
#[derive(Debug, Clone)]
pub struct AuthPage {
    /// The title of page and tab.
    pub title: String,
    /// The chosen theme.
    pub theme: Option<&'static str>,
    /// The token of its forms.
    pub csrf: String,
    /// The toast.
    pub flash: Option<Flash>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flash_survives_its_cookie() {
        let flash = Flash::warn("Route “ä” saved");
        assert_eq!(Flash::decode(&flash.encode()), Some(flash));
        assert_eq!(Flash::decode("%%%"), None);
    }
}
