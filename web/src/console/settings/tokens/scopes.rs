//! The rights of a token to choose from: everything, or for each resource to look at it or to change it.

use model::actor::{Resource, Rights};

use crate::fields::shown;
use crate::{Fields, text};

/// One box to tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) name: String,
    pub(super) scope: String,
    pub(super) chosen: bool,
    /// Nobody hands out more rights than they have.
    pub(super) allowed: bool,
}

/// A resource with what may be done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) title: String,
    pub(super) read: Grant,
    pub(super) write: Grant,
}

/// All there is to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grants {
    pub(super) all: Row,
    pub(super) rows: Vec<Row>,
    pub(super) error: String,
}

impl Grants {
    /// The boxes, ticked as the form was sent.
    pub(super) fn of(fields: &Fields, rights: &Rights) -> Self {
        let chosen: Vec<String> = match fields.value("scopes") {
            Some(serde_json::Value::Array(items)) => items.iter().map(shown).collect(),
            _ => Vec::new(),
        };
        let mut index = 0;
        let mut grant = |scope: String| {
            let wanted = Rights::from_scopes(std::slice::from_ref(&scope)).unwrap_or_default();
            index += 1;
            Grant {
                name: format!("scopes.{}", index - 1),
                chosen: chosen.contains(&scope),
                allowed: rights.include(&wanted),
                scope,
            }
        };
        let mut row = |title: &str, word: &str| Row {
            title: title.to_owned(),
            read: grant(format!("{word}:read")),
            write: grant(format!("{word}:write")),
        };
        let all = row("Everything", "*");
        let of = |resource: &Resource| row(&title(*resource), resource.as_str());
        Self {
            all,
            rows: Resource::ALL.iter().map(of).collect(),
            error: error(fields),
        }
    }
}

fn title(resource: Resource) -> String {
    match resource {
        Resource::ApiTokens => "API tokens".to_owned(),
        Resource::Certificates => "Certificates, SNIs".to_owned(),
        Resource::Products => "APIs, products, plans".to_owned(),
        Resource::Applications => "Applications, developers".to_owned(),
        Resource::Admins => "Administrators".to_owned(),
        Resource::Audit => "Audit log".to_owned(),
        other => text::label(other.as_str()),
    }
}

/// The first error of the list or of one of its items.
fn error(fields: &Fields) -> String {
    let of_scopes = fields.errors().iter().find(|error| error.path.starts_with("scopes"));
    of_scopes
        .map(|error| text::sentence(&error.message))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use model::actor::Role;

    use super::*;

    #[test]
    fn every_box_is_a_scope_and_only_those_that_one_has_can_be_ticked() {
        let grants = Grants::of(&Fields::empty(), &Role::Operator.rights());
        let rows = std::iter::once(&grants.all).chain(&grants.rows);
        for grant in rows.flat_map(|row| [&row.read, &row.write]) {
            let rights = Rights::from_scopes(std::slice::from_ref(&grant.scope)).expect("a scope");
            assert_eq!(
                grant.allowed,
                Role::Operator.rights().include(&rights),
                "{}",
                grant.scope
            );
        }
        assert!(!grants.all.write.allowed && grants.all.read.allowed);
    }

    #[test]
    fn what_was_ticked_stays_ticked() {
        let fields = Fields::of(&serde_json::json!({"scopes": ["routes:write"]}));
        let grants = Grants::of(&fields, &Rights::all());
        let ticked = grants.rows.iter().filter(|row| row.write.chosen || row.read.chosen);
        assert_eq!(ticked.map(|row| row.title.as_str()).collect::<Vec<_>>(), ["Routes"]);
    }
}
