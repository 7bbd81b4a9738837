//! What every page shows around its content: navigation, the person, the node line, toasts.

use std::fmt;

use askama::filters::HtmlSafe;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use control::gateways::Gateway;
use control::{gateways, revisions};
use model::Kind;
use model::actor::{Actor, Resource, Rights, Role};
use model::clock::Timestamp;
use time::format_description::well_known::Rfc3339;

use crate::error::PageError;
use crate::visit::{Console, Portal, PortalAccount, Query, Visit};
use crate::{text, urls};

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

macro_rules! areas {
    ($(#[$doc:meta])* $name:ident { $($(#[$item_doc:meta])* $variant:ident = $title:literal, $icon:literal, $url:expr;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$item_doc])* $variant,)* }

        impl $name {
            /// Every area.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// Its icon.
            pub const fn icon(self) -> &'static str {
                match self { $(Self::$variant => $icon,)* }
            }

            /// Its start page.
            pub fn url(self) -> String {
                match self { $(Self::$variant => $url.to_string(),)* }
            }
        }
    };
}

areas! {
    /// The areas of the console, as the navigation shows them.
    Area {
        /// Figures and traffic.
        Overview = "Overview", "layout-dashboard", urls::console::HOME;
        /// The services.
        Services = "Services", "server", urls::console::list(Kind::Service);
        /// The routes.
        Routes = "Routes", "git-fork", urls::console::list(Kind::Route);
        /// The upstreams.
        Upstreams = "Upstreams", "network", urls::console::list(Kind::Upstream);
        /// The consumers and their keys.
        Consumers = "Consumers", "users", urls::console::list(Kind::Consumer);
        /// The audit log.
        Audit = "Audit log", "scroll-text", urls::console::AUDIT;
        /// The revisions.
        Revisions = "Revisions", "history", urls::console::REVISIONS;
        /// The settings.
        Settings = "Settings", "settings", urls::console::SETTINGS;
    }
}

areas! {
    /// The areas of the portal.
    PortalArea {
        /// The catalogue.
        Apis = "APIs", "book-open", urls::portal::HOME;
        /// The developer's applications.
        Applications = "My apps", "box", urls::portal::APPLICATIONS;
        /// The developer's account.
        Account = "Account", "user-round", urls::portal::ACCOUNT;
    }
}

/// The groups of the console's navigation.
const NAVIGATION: &[(&str, &[Area])] = &[
    ("", &[Area::Overview]),
    ("Gateway", &[Area::Services, Area::Routes, Area::Upstreams]),
    ("Access", &[Area::Consumers]),
    ("System", &[Area::Audit, Area::Revisions, Area::Settings]),
];

/// The person in the corner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// What they are called.
    pub name: String,
    /// What they sign in with.
    pub email: String,
    /// For the round badge.
    pub initials: String,
    /// Their role, when it has a name.
    pub role: String,
}

impl Person {
    fn of(actor: &Actor, email: &str) -> Self {
        let role = Role::ALL
            .into_iter()
            .find(|role| role.rights() == actor.rights)
            .map(|role| text::label(role.as_str()));
        Self {
            name: actor.name.clone(),
            email: email.to_owned(),
            initials: text::initials(&actor.name),
            role: role.unwrap_or_default(),
        }
    }
}

/// Whether the gateways run what is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeLine {
    /// `ok`, `warn` or `bad`.
    pub tone: &'static str,
    /// `3 of 3 nodes on revision 418`.
    pub text: String,
}

impl NodeLine {
    /// The line for these gateways at this revision.
    pub fn of(all: &[Gateway], revision: i64) -> Self {
        let live: Vec<&Gateway> = all.iter().filter(|gateway| gateway.live).collect();
        let applied = live
            .iter()
            .filter(|gateway| gateway.applied_revision >= revision)
            .count();
        let tone = match live.len() {
            0 => "bad",
            _ if live.iter().any(|gateway| gateway.error.is_some()) => "bad",
            count if applied < count => "warn",
            _ => "ok",
        };
        let text = match live.len() {
            0 => "No gateway is running".to_owned(),
            1 => format!("{applied} of 1 node on revision {revision}"),
            count => format!("{applied} of {count} nodes on revision {revision}"),
        };
        Self { tone, text }
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
    rights: Rights,
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
        self.rights.allow(resource, model::actor::Action::Write)
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

/// What stands below a list: how much there is, and the ways on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pager {
    /// `1–50 of 1,204`, or how many match.
    pub text: String,
    /// The first page, when this is another one.
    pub first: Option<String>,
    /// The next page.
    pub next: Option<String>,
}

impl Pager {
    /// The pager of a page of a list under `path`.
    pub fn of<T>(page: &control::Page<T>, query: &Query, path: &str) -> Self {
        let shown = i64::try_from(page.items.len()).unwrap_or(i64::MAX);
        let is_first = query.get("cursor").is_empty();
        let text = match (is_first, shown) {
            (true, shown) if shown >= page.total => format!("{} in all", text::count(page.total)),
            (true, shown) => format!("1–{} of {}", text::count(shown), text::count(page.total)),
            (false, shown) => format!("{} more of {}", text::count(shown), text::count(page.total)),
        };
        Self {
            text,
            first: (!is_first).then(|| query.link(path, &[])),
            next: page
                .next_cursor
                .as_deref()
                .map(|cursor| query.link(path, &[("cursor", cursor)])),
        }
    }
}

/// What a sortable column says of itself to screen readers.
pub fn sort_state(column: &str, sort: &str) -> &'static str {
    match sort.strip_prefix('-') {
        Some(sorted) if sorted == column => "descending",
        None if sort == column => "ascending",
        _ => "none",
    }
}

/// Whether a list is sorted by this column.
pub fn is_sorted(column: &str, sort: &str) -> bool {
    sort_state(column, sort) != "none"
}

/// The icon of a sorted column.
pub fn sort_icon(sort: &str) -> &'static str {
    if sort.starts_with('-') {
        "arrow-down"
    } else {
        "arrow-up"
    }
}

/// A time as pages show it: how long ago, with the exact one to hover and to copy.
pub fn time(time: Timestamp, now: Timestamp) -> Time {
    Time { time, now }
}

/// A relative time.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    time: Timestamp,
    now: Timestamp,
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = self.time.format(&Rfc3339).unwrap_or_default();
        let (exact, relative) = (text::exact(self.time), text::relative(self.time, self.now));
        write!(
            f,
            r#"<time datetime="{machine}" title="{exact}" data-relative>{relative}</time>"#
        )
    }
}

impl HtmlSafe for Time {}

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
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;

    fn gateway(live: bool, applied_revision: i64, error: Option<&str>) -> Gateway {
        let now = OffsetDateTime::UNIX_EPOCH;
        Gateway {
            id: Uuid::nil(),
            name: "edge".into(),
            version: "0".into(),
            live,
            applied_revision,
            lag: 0,
            error: error.map(str::to_owned),
            started_at: now,
            seen_at: now,
        }
    }

    #[test]
    fn the_node_line_tells_the_truth() {
        let line = |gateways: &[Gateway]| NodeLine::of(gateways, 9);
        assert_eq!(line(&[]).tone, "bad");
        assert_eq!(line(&[gateway(false, 9, None)]).text, "No gateway is running");
        let behind = line(&[gateway(true, 9, None), gateway(true, 8, None)]);
        assert_eq!(
            (behind.tone, behind.text.as_str()),
            ("warn", "1 of 2 nodes on revision 9")
        );
        assert_eq!(line(&[gateway(true, 9, Some("bad route"))]).tone, "bad");
        assert_eq!(line(&[gateway(true, 9, None)]).tone, "ok");
    }

    #[test]
    fn a_flash_survives_its_cookie() {
        let flash = Flash::warn("Route “ä” saved");
        assert_eq!(Flash::decode(&flash.encode()), Some(flash));
        assert_eq!(Flash::decode("%%%"), None);
    }
}
