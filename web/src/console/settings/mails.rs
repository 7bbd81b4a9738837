//! The outbox: what was mailed, what could not be, and the mails that are kept to be read here.

use actix_web::web;
use askama::Template;
use control::mail::{self, Mail, MailDetail, MailState};
use model::actor::Resource;
use model::clock::Timestamp;
use uuid::Uuid;

use crate::console::listing::Listing;
use crate::times::{self, Time};
use crate::{Console, ConsolePage, Flash, Form, PageResult, Query, text, urls};

const TAB: (&str, &str) = ("Mail", urls::console::MAILS);

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/settings/mail", web::get().to(list))
        .route("/settings/mail/{id}", web::get().to(show))
        .route("/settings/mail/{id}/retry", web::post().to(retry));
}

#[derive(Template)]
#[template(path = "console/settings/mails/list.html")]
struct ListPage {
    page: ConsolePage,
    listing: Listing<Mail>,
    state: String,
    now: Timestamp,
}

#[derive(Template)]
#[template(path = "console/settings/mails/show.html")]
struct ShowPage {
    page: ConsolePage,
    detail: MailDetail,
    now: Timestamp,
}

async fn list(console: Console, query: Query) -> PageResult {
    let (control, list) = (console.control(), query.list(&["state"])?);
    let found = mail::list(control, console.actor(), &list).await?;
    console.html(&ListPage {
        page: super::page(&console, TAB.0, None).await?,
        state: query.get("state").to_owned(),
        listing: Listing::new(found, &list, query, urls::console::MAILS),
        now: control.now(),
    })
}

async fn show(console: Console, id: web::Path<Uuid>) -> PageResult {
    let control = console.control();
    let detail = mail::get(control, console.actor(), *id).await?;
    console.html(&ShowPage {
        page: super::page(&console, detail.mail.subject.as_str(), Some(TAB)).await?,
        detail,
        now: control.now(),
    })
}

async fn retry(console: Console, id: web::Path<Uuid>, _form: Form) -> PageResult {
    let mail = mail::retry(console.control(), console.actor(), *id).await?;
    let flash = Flash::ok(format!("The mail to {} is sent again", mail.recipient));
    console.redirect_with(urls::console::setting(urls::console::MAILS, id, ""), &flash)
}

/// The state of a mail in a word, and its tone.
fn state_of(mail: &Mail) -> (&'static str, &'static str) {
    match mail.state {
        MailState::Queued if mail.attempts > 0 => ("Trying again", "warn"),
        MailState::Queued => ("Waiting", "warn"),
        MailState::Sent => ("Sent", "ok"),
        MailState::Kept => ("Kept", "info"),
        MailState::Failed => ("Failed", "bad"),
    }
}

fn can_retry(mail: &Mail) -> bool {
    matches!(mail.state, MailState::Failed | MailState::Kept)
}

impl ListPage {
    fn states() -> [(&'static str, &'static str); 5] {
        [
            ("", "All"),
            ("queued", "Waiting"),
            ("sent", "Sent"),
            ("kept", "Kept"),
            ("failed", "Failed"),
        ]
    }

    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }
}

impl ShowPage {
    /// Why there is no text to read.
    fn silence(&self) -> &'static str {
        if self.detail.mail.state == MailState::Sent {
            "The text was dropped when the mail was sent, because its links are secrets."
        } else {
            "Only who may change mails may read them: their links open accounts."
        }
    }

    fn body(&self) -> text::Linked {
        text::linked(self.detail.body.trim())
    }

    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }
}
