//! The history of configuration: its revisions, what each changed, and what lies between any two.

use actix_web::web;
use askama::Template;
use control::ChangeRecord;
use control::revisions::{self, Revision};
use model::clock::Timestamp;
use uuid::Uuid;

use super::links;
use super::listing::Listing;
use crate::diff::Diff;
use crate::times::{self, Time};
use crate::{Area, Console, ConsolePage, Fields, PageError, PageResult, Query, text, urls};

/// Objects of one revision that are shown with what changed; more of them make a page that nobody reads.
const SHOWN: usize = 100;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/revisions", web::get().to(list))
        .route("/revisions/diff", web::get().to(choose))
        .route("/revisions/{number}", web::get().to(show))
        .route("/revisions/{from}/diff/{to}", web::get().to(compare));
}

#[derive(Template)]
#[template(path = "console/revisions/list.html")]
struct ListPage {
    page: ConsolePage,
    listing: Listing<Revision>,
    head: i64,
    now: Timestamp,
}

#[derive(Template)]
#[template(path = "console/revisions/show.html")]
struct ShowPage {
    page: ConsolePage,
    revision: Revision,
    changes: Changes,
    head: i64,
    now: Timestamp,
}

#[derive(Template)]
#[template(path = "console/revisions/compare.html")]
struct ComparePage {
    page: ConsolePage,
    from: i64,
    to: i64,
    fields: Fields,
    changes: Changes,
}

/// What changed of each object.
struct Changes {
    shown: Vec<Change>,
    total: usize,
}

/// What changed of one object.
struct Change {
    kind: String,
    name: String,
    icon: &'static str,
    verb: &'static str,
    tone: &'static str,
    href: Option<String>,
    diff: Diff,
}

impl Changes {
    fn of(records: &[ChangeRecord]) -> Self {
        Self {
            shown: records.iter().take(SHOWN).map(Change::of).collect(),
            total: records.len(),
        }
    }

    fn hidden(&self) -> usize {
        self.total - self.shown.len()
    }

    /// `3 objects`.
    fn count(&self) -> String {
        text::plural(i64::try_from(self.total).unwrap_or(i64::MAX), "object", "objects")
    }
}

impl Change {
    fn of(record: &ChangeRecord) -> Self {
        let verb = record.verb();
        let tone = match verb {
            "created" => "ok",
            "deleted" => "bad",
            _ => "info",
        };
        // What was deleted has no page any more.
        let href = record.after.as_ref();
        let href = href.and_then(|after| links::page_of(record.kind, record.id, Some(after)));
        Self {
            kind: text::label(record.kind.as_str()),
            name: record.name.clone(),
            icon: links::icon_of(Some(record.kind)),
            verb: match verb {
                "created" => "Created",
                "deleted" => "Deleted",
                _ => "Changed",
            },
            tone,
            href,
            diff: Diff::of(record.before.as_ref(), record.after.as_ref()),
        }
    }
}

async fn list(console: Console, query: Query) -> PageResult {
    let (control, list) = (console.control(), query.list(&["object"])?);
    let found = revisions::list(control, console.actor(), &list).await?;
    let name = name_of(&console, &found.items, list.uuid_filter("object")?).await?;
    console.html(&ListPage {
        page: console.page("Revisions", Area::Revisions).await?,
        listing: Listing::new(found, &list, query, urls::console::REVISIONS).chip("Object", "object", name),
        head: revisions::head(control).await?,
        now: control.now(),
    })
}

/// What the object is called whose revisions these are, in the newest of them.
async fn name_of(console: &Console, revisions: &[Revision], object: Option<Uuid>) -> Result<Option<String>, PageError> {
    let (Some(object), Some(newest)) = (object, revisions.first()) else {
        return Ok(None);
    };
    let detail = revisions::get(console.control(), console.actor(), newest.number).await?;
    let record = detail.changes.into_iter().find(|record| record.id == object);
    Ok(record.map(|record| format!("{} {}", record.kind, record.name)))
}

async fn show(console: Console, number: web::Path<i64>) -> PageResult {
    let control = console.control();
    let head = revisions::head(control).await?;
    if !(1..=head).contains(&number) {
        return Err(PageError::NotFound);
    }
    let detail = revisions::get(control, console.actor(), *number).await?;
    let page = console.page(format!("Revision {number}"), Area::Revisions).await?;
    console.html(&ShowPage {
        page: page.crumb("Revisions", urls::console::REVISIONS),
        revision: detail.revision,
        changes: Changes::of(&detail.changes),
        head,
        now: control.now(),
    })
}

/// The form that chooses two revisions leads to the address of their difference.
async fn choose(console: Console, query: Query) -> PageResult {
    let number = |name: &str| query.get(name).trim().parse::<i64>().ok();
    let (Some(from), Some(to)) = (number("from"), number("to")) else {
        return compare_page(&console, 0, 0, fields(query.get("from"), query.get("to"))).await;
    };
    console.redirect(urls::console::difference(from, to))
}

async fn compare(console: Console, numbers: web::Path<(i64, i64)>) -> PageResult {
    let (from, to) = *numbers;
    compare_page(&console, from, to, fields(&from.to_string(), &to.to_string())).await
}

fn fields(from: &str, to: &str) -> Fields {
    Fields::of(&serde_json::json!({ "from": from, "to": to }))
}

async fn compare_page(console: &Console, from: i64, to: i64, fields: Fields) -> PageResult {
    let control = console.control();
    let head = revisions::head(control).await?;
    let mut errors = model::Errors::new();
    for name in ["from", "to"] {
        let known = fields.shown(name).trim().parse::<i64>();
        if !known.is_ok_and(|number| (0..=head).contains(&number)) {
            let message = format!("must be a revision: a number from 0 to {head}");
            errors.add(name, model::Code::OutOfRange, message);
        }
    }
    let is_valid = errors.is_empty();
    let changes = if is_valid {
        revisions::diff(control, console.actor(), from, to).await?.changes
    } else {
        Vec::new()
    };
    let page = console.page("Compare revisions", Area::Revisions).await?;
    let page = ComparePage {
        page: page.crumb("Revisions", urls::console::REVISIONS),
        from,
        to,
        fields: fields.with_errors(&errors),
        changes: Changes::of(&changes),
    };
    if is_valid {
        console.html(&page)
    } else {
        console.invalid(&page)
    }
}

impl ListPage {
    /// The newest revision beside the one before.
    fn compare(&self) -> Option<String> {
        (self.head > 1).then(|| urls::console::difference(self.head - 1, self.head))
    }

    fn is_current(&self, revision: &Revision) -> bool {
        revision.number == self.head
    }

    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }
}

impl ShowPage {
    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }

    /// What kind of actor made it.
    fn actor(&self) -> &'static str {
        match self.revision.actor_kind.as_str() {
            "admin" => "Administrator",
            "developer" => "Developer",
            "token" => "API token",
            _ => "System",
        }
    }

    fn exact(at: &Timestamp) -> String {
        text::exact(*at)
    }

    fn compare(&self) -> String {
        urls::console::difference(self.revision.number, self.head)
    }

    fn before(&self) -> Option<String> {
        (self.revision.number > 1).then(|| urls::console::revision(self.revision.number - 1))
    }

    fn after(&self) -> Option<String> {
        (self.revision.number < self.head).then(|| urls::console::revision(self.revision.number + 1))
    }
}
