//! What the shell shows on every page: the areas, the person, and whether the gateways are up to date.

use control::gateways::Gateway;
use model::Kind;
use model::actor::{Actor, Role};

use crate::{text, urls};

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
        /// The certificates, and the names and authorities that belong to them.
        Certificates = "Certificates", "lock", urls::console::list(Kind::Certificate);
        /// The uses of plugins.
        Plugins = "Plugins", "shield-check", urls::console::list(Kind::Plugin);
        /// The consumers.
        Consumers = "Consumers", "users", urls::console::list(Kind::Consumer);
        /// The keys of consumers.
        Keys = "API keys", "key-round", urls::console::KEYS;
        /// The entries of the catalogue.
        Apis = "APIs", "book-open", urls::console::list(Kind::Api);
        /// What is offered together.
        Products = "Products", "package", urls::console::list(Kind::Product);
        /// The limits under which products are offered.
        Plans = "Plans", "layers", urls::console::list(Kind::Plan);
        /// Which application uses which plan.
        Subscriptions = "Subscriptions", "inbox", urls::console::list(Kind::Subscription);
        /// The programs of developers.
        Applications = "Applications", "box", urls::console::list(Kind::Application);
        /// The accounts of the portal.
        Developers = "Developers", "user-round", urls::console::list(Kind::Developer);
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
pub(crate) const NAVIGATION: &[(&str, &[Area])] = &[
    ("", &[Area::Overview]),
    (
        "Gateway",
        &[
            Area::Services,
            Area::Routes,
            Area::Upstreams,
            Area::Plugins,
            Area::Certificates,
        ],
    ),
    ("Access", &[Area::Consumers, Area::Keys]),
    (
        "Portal",
        &[
            Area::Apis,
            Area::Products,
            Area::Plans,
            Area::Subscriptions,
            Area::Applications,
            Area::Developers,
        ],
    ),
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
    pub(crate) fn of(actor: &Actor, email: &str) -> Self {
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
            stopped_at: None,
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
}
