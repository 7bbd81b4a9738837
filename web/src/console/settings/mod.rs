//! The settings: gateways, API tokens, mail, administrators, one's own account. Each tab has its own address.

mod account;
mod admins;
mod gateways;
mod mails;
mod tokens;

use actix_web::web;
use askama::Template;

use crate::{Area, Console, ConsolePage, PageError, PageResult, urls};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(web::redirect("/settings", urls::console::GATEWAYS).see_other())
        .configure(gateways::configure)
        .configure(tokens::configure)
        .configure(mails::configure)
        .configure(admins::configure)
        .configure(account::configure);
}

/// The tabs: title, address, icon, and what is done there, for the command palette.
pub(super) const TABS: [(&str, &str, &str); 5] = [
    ("Gateways", urls::console::GATEWAYS, "server"),
    ("API tokens", urls::console::TOKENS, "key-round"),
    ("Mail", urls::console::MAILS, "mail"),
    ("Administrators", urls::console::ADMINS, "shield"),
    ("My account", urls::console::ACCOUNT, "user-round"),
];

/// One question before something is done.
#[derive(Template)]
#[template(path = "console/settings/ask.html")]
struct AskPage {
    page: ConsolePage,
    action: String,
    title: String,
    text: &'static str,
    danger: &'static str,
    keep: &'static str,
    back: &'static str,
    typed: String,
}

/// A page of the settings; those below a tab say which one.
async fn page(
    console: &Console,
    title: impl Into<String>,
    tab: Option<(&str, &str)>,
) -> Result<ConsolePage, PageError> {
    let page = console
        .page(title, Area::Settings)
        .await?
        .crumb("Settings", urls::console::SETTINGS);
    Ok(match tab {
        Some((title, url)) => page.crumb(title, url),
        None => page,
    })
}

/// A question, alone on its page or in a dialog.
async fn ask(console: &Console, question: Question) -> PageResult {
    let Question {
        action,
        title,
        text,
        danger,
        keep,
        tab,
        typed,
    } = question;
    let page = page(console, danger, Some(tab)).await?;
    console.html(&AskPage {
        page,
        action,
        title,
        text,
        danger,
        keep,
        back: tab.1,
        typed,
    })
}

/// What is asked before something is done.
struct Question {
    action: String,
    title: String,
    text: &'static str,
    danger: &'static str,
    keep: &'static str,
    tab: (&'static str, &'static str),
    /// The name that must be typed to go on; empty for none.
    typed: String,
}
