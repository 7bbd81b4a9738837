//! The audit log: who did what, when, to what.

use actix_web::web;
use askama::Template;
use control::audit::{self, AuditEntry};
use model::Kind;
use model::clock::Timestamp;
use serde_json::Value;

use super::links;
use super::listing::Listing;
use crate::times::{self, Time};
use crate::{Area, Choice, Console, ConsolePage, PageResult, Query, text, urls};

/// The longest text of particulars in a row.
const PARTICULARS: usize = 160;
const FILTERS: [&str; 5] = ["actor", "actor_kind", "object", "kind", "action"];

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.route("/audit", web::get().to(list));
}

#[derive(Template)]
#[template(path = "console/audit/list.html")]
struct ListPage {
    page: ConsolePage,
    listing: Listing<AuditEntry>,
    query: Query,
    now: Timestamp,
}

async fn list(console: Console, query: Query) -> PageResult {
    let (control, list) = (console.control(), query.list(&FILTERS)?);
    let found = audit::list(control, console.actor(), &list).await?;
    // Who and what is filtered by has a name where there is an entry of it.
    let first = found.items.first();
    let actor = first.map(|entry| entry.actor_name.clone());
    let object = first.and_then(|entry| entry.object_name.clone());
    let action = words(query.get("action"));
    console.html(&ListPage {
        page: console.page("Audit log", Area::Audit).await?,
        listing: Listing::new(found, &list, query.clone(), urls::console::AUDIT)
            .chip("What", "action", Some(action))
            .chip("Object", "object", object)
            .chip("By", "actor", actor),
        query,
        now: control.now(),
    })
}

/// An action as people say it: `route.updated` becomes `Route changed`.
fn words(action: &str) -> String {
    match action {
        "session.created" => "Signed in".to_owned(),
        "mail.retried" => "Mail sent again".to_owned(),
        "admin.invited" => "Administrator got a link".to_owned(),
        "developer.confirmed" | "developer.verified" => "Developer confirmed".to_owned(),
        other => match other.split_once('.') {
            Some((noun, "updated")) => format!("{} changed", noun_of(noun)),
            Some((noun, verb)) => format!("{} {}", noun_of(noun), verb.replace('_', " ")),
            None => text::label(other),
        },
    }
}

/// A kind at the beginning of a sentence.
fn noun_of(kind: &str) -> String {
    match kind {
        "api" => "API".to_owned(),
        "api_token" => "API token".to_owned(),
        "admin" => "Administrator".to_owned(),
        other => text::label(other),
    }
}

impl ListPage {
    fn actor_kinds() -> Vec<Choice> {
        let kinds = [
            ("", "Anybody"),
            ("admin", "Administrators"),
            ("developer", "Developers"),
            ("token", "API tokens"),
            ("system", "Gatehouse itself"),
        ];
        kinds
            .into_iter()
            .map(|(value, label)| Choice::new(value, label))
            .collect()
    }

    fn kinds() -> Vec<Choice> {
        let kinds = Kind::ALL.iter().map(|kind| {
            let plural = kind.plural().replace('-', " ");
            Choice::new(kind.as_str(), text::capital(&plural).replace("Api", "API"))
        });
        std::iter::once(Choice::new("", "Anything")).chain(kinds).collect()
    }

    fn of_actor(&self, entry: &AuditEntry) -> Option<String> {
        Some(self.listing.only("actor", &entry.actor_id?.to_string()))
    }

    fn kind(entry: &AuditEntry) -> Option<Kind> {
        entry.kind.as_deref().and_then(Kind::parse)
    }

    fn icon(entry: &AuditEntry) -> &'static str {
        links::icon_of(Self::kind(entry))
    }

    /// Where the object is seen; one that was deleted is not.
    fn object(entry: &AuditEntry) -> Option<String> {
        if entry.action.ends_with(".deleted") {
            return None;
        }
        links::page_of(Self::kind(entry)?, entry.object_id?, entry.detail.as_ref())
    }

    /// What else is to be said, in a few words.
    fn particulars(entry: &AuditEntry) -> String {
        let Some(Value::Object(detail)) = &entry.detail else {
            return String::new();
        };
        if let Some(Value::Array(also)) = detail.get("also") {
            let others = i64::try_from(also.len()).unwrap_or(i64::MAX);
            return format!("and {}", text::plural(others, "other object", "other objects"));
        }
        let members = detail.iter().map(|(name, value)| {
            let value = crate::fields::shown(value);
            format!("{}: {value}", name.replace('_', " "))
        });
        let all = members.collect::<Vec<_>>().join("; ");
        if all.chars().count() > PARTICULARS {
            let short: String = all.chars().take(PARTICULARS).collect();
            return format!("{short}…");
        }
        all
    }

    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_said_in_words() {
        let cases = [
            ("route.updated", "Route changed"),
            ("api_token.revoked", "API token revoked"),
            ("session.created", "Signed in"),
        ];
        for (action, said) in cases {
            assert_eq!(words(action), said);
        }
    }
}
