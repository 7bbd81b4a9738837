//! Who performs an operation, and what they may do.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::{AdminId, DeveloperId, TokenId};

/// Who performs an operation; every change and every audit entry names one.
#[derive(Debug, Clone, PartialEq)]
pub struct Actor {
    /// Who it is.
    pub identity: Identity,
    /// What people call them.
    pub name: String,
    /// What they may do.
    pub rights: Rights,
}

/// The kinds of actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Identity {
    /// A person in the console.
    Admin(AdminId),
    /// A person in the portal.
    Developer(DeveloperId),
    /// Automation.
    Token(TokenId),
    /// Gatehouse itself.
    System,
}

impl Identity {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin(_) => "admin",
            Self::Developer(_) => "developer",
            Self::Token(_) => "token",
            Self::System => "system",
        }
    }

    /// The id, where there is one.
    pub const fn id(self) -> Option<uuid::Uuid> {
        match self {
            Self::Admin(id) => Some(id.0),
            Self::Developer(id) => Some(id.0),
            Self::Token(id) => Some(id.0),
            Self::System => None,
        }
    }
}

impl Actor {
    /// Gatehouse itself: the demo seed, expiries, roll-ups.
    pub fn system() -> Self {
        Self {
            identity: Identity::System,
            name: "Gatehouse".to_owned(),
            rights: Rights::all(),
        }
    }

    /// A developer: may change only what is theirs, which the operations of the portal check by ownership.
    pub fn developer(id: DeveloperId, name: impl Into<String>) -> Self {
        Self {
            identity: Identity::Developer(id),
            name: name.into(),
            rights: Rights::none(),
        }
    }
}

macro_rules! resources {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// What rights are granted on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Resource { $($(#[$doc])* $variant,)* }

        impl Resource {
            /// Every resource.
            pub const ALL: &'static [Resource] = &[$(Resource::$variant),*];

            /// The word in a scope.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

resources! {
    /// Services.
    Services = "services",
    /// Routes.
    Routes = "routes",
    /// Upstreams and their targets.
    Upstreams = "upstreams",
    /// Certificates, SNIs, CA certificates and ACME accounts.
    Certificates = "certificates",
    /// Consumers.
    Consumers = "consumers",
    /// Credentials.
    Credentials = "credentials",
    /// Plugin instances and plugin types.
    Plugins = "plugins",
    /// APIs, products and plans.
    Products = "products",
    /// Applications, subscriptions and developers.
    Applications = "applications",
    /// Revisions.
    Revisions = "revisions",
    /// The audit log.
    Audit = "audit",
    /// Running gateways.
    Gateways = "gateways",
    /// Usage figures.
    Usage = "usage",
    /// API tokens.
    ApiTokens = "api_tokens",
    /// Administrators.
    Admins = "admins",
    /// Outgoing mail.
    Mail = "mail",
}

/// What is done with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Look at it.
    Read,
    /// Change it.
    Write,
}

impl Action {
    /// The word in a scope.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// The role of an administrator: a named set of rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything, other administrators included.
    Owner,
    /// Everything but administrators.
    Operator,
    /// Looks at everything, changes nothing.
    Auditor,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Owner, Self::Operator, Self::Auditor];

    /// The word in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
        }
    }

    /// Reads the word again.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// What it may do.
    pub fn rights(self) -> Rights {
        let may = |resource: Resource, action: Action| match self {
            Self::Owner => true,
            Self::Operator => action == Action::Read || resource != Resource::Admins,
            Self::Auditor => action == Action::Read,
        };
        Rights::of(may)
    }
}

/// A set of `resource:action` grants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rights(Vec<(Resource, Action)>);

impl Rights {
    /// Every grant.
    pub fn all() -> Self {
        Self::of(|_, _| true)
    }

    /// No grant.
    pub fn none() -> Self {
        Self::default()
    }

    fn of(may: impl Fn(Resource, Action) -> bool) -> Self {
        let pairs = Resource::ALL
            .iter()
            .flat_map(|resource| [(*resource, Action::Read), (*resource, Action::Write)]);
        Self(pairs.filter(|(resource, action)| may(*resource, *action)).collect())
    }

    /// Reads scopes like `routes:write`, `*:read` and `*`; the error names the first one that is none.
    /// Writing a resource includes reading it.
    pub fn from_scopes(scopes: &[String]) -> Result<Self, String> {
        for scope in scopes {
            let known = Self::of(|resource, action| grants(scope, resource, action));
            if known.0.is_empty() {
                return Err(scope.clone());
            }
        }
        Ok(Self::of(|resource, action| {
            scopes.iter().any(|scope| grants(scope, resource, action))
        }))
    }

    /// Whether an operation is allowed.
    pub fn allow(&self, resource: Resource, action: Action) -> bool {
        self.0.contains(&(resource, action))
    }

    /// Whether every grant of `other` is among these: nobody hands out more than they have.
    pub fn include(&self, other: &Self) -> bool {
        other.0.iter().all(|grant| self.0.contains(grant))
    }
}

fn grants(scope: &str, resource: Resource, action: Action) -> bool {
    let (of, what) = scope
        .split_once(':')
        .unwrap_or((scope, if scope == "*" { "write" } else { "" }));
    let resource_fits = of == "*" || of == resource.as_str();
    let action_fits = what == "write" || (what == "read" && action == Action::Read);
    resource_fits && action_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_grant_what_they_name_and_no_more() {
        let rights = Rights::from_scopes(&["routes:write".into(), "*:read".into()]).expect("known");
        assert!(rights.allow(Resource::Routes, Action::Write));
        assert!(rights.allow(Resource::Audit, Action::Read));
        assert!(!rights.allow(Resource::Services, Action::Write));
        assert_eq!(Rights::from_scopes(&["*".into()]).expect("known"), Rights::all());
    }

    #[test]
    fn an_unknown_scope_is_named() {
        assert_eq!(
            Rights::from_scopes(&["*:read".into(), "rutes:write".into()]),
            Err("rutes:write".to_owned())
        );
        assert!(Rights::from_scopes(&["routes".into()]).is_err());
    }

    #[test]
    fn an_auditor_changes_nothing() {
        let rights = Role::Auditor.rights();
        assert!(
            Resource::ALL
                .iter()
                .all(|resource| !rights.allow(*resource, Action::Write))
        );
        assert!(Role::Owner.rights().include(&rights));
        assert!(!rights.include(&Role::Operator.rights()));
    }
}
