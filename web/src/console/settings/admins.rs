//! The administrators: invited, given another role, kept out, deleted; their links are shown once.

use actix_web::web;
use askama::Template;
use control::accounts::admins::{self, Invited};
use model::account::Admin;
use model::actor::{Resource, Role};
use model::clock::Timestamp;
use model::id::AdminId;

use super::Question;
use crate::console::listing::Listing;
use crate::times::{self, Time};
use crate::visit::form_errors;
use crate::{Choice, Console, ConsolePage, Fields, Flash, Form, PageError, PageResult, Query, text, urls};

const TAB: (&str, &str) = ("Administrators", urls::console::ADMINS);

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/settings/admins", web::get().to(list))
        .route("/settings/admins/new", web::get().to(new))
        .route("/settings/admins/new", web::post().to(invite))
        .route("/settings/admins/{id}/edit", web::get().to(edit))
        .route("/settings/admins/{id}/edit", web::post().to(update))
        .route("/settings/admins/{id}/link", web::get().to(ask_link))
        .route("/settings/admins/{id}/link", web::post().to(renew_link))
        .route("/settings/admins/{id}/disable", web::get().to(ask_disable))
        .route("/settings/admins/{id}/disable", web::post().to(disable))
        .route("/settings/admins/{id}/enable", web::post().to(enable))
        .route("/settings/admins/{id}/delete", web::get().to(ask_delete))
        .route("/settings/admins/{id}/delete", web::post().to(delete));
}

#[derive(Template)]
#[template(path = "console/settings/admins/list.html")]
struct ListPage {
    page: ConsolePage,
    listing: Listing<Admin>,
    /// Who looks at the list.
    own: AdminId,
    now: Timestamp,
}

#[derive(Template)]
#[template(path = "console/settings/admins/form.html")]
struct FormPage {
    page: ConsolePage,
    fields: Fields,
    admin: Option<Admin>,
}

#[derive(Template)]
#[template(path = "console/settings/admins/link.html")]
struct LinkPage {
    page: ConsolePage,
    admin: Admin,
    link: String,
}

async fn list(console: Console, query: Query) -> PageResult {
    let (control, list) = (console.control(), query.list(&["role"])?);
    let found = admins::list(control, console.actor(), &list).await?;
    console.html(&ListPage {
        page: super::page(&console, TAB.0, None).await?,
        listing: Listing::new(found, &list, query, urls::console::ADMINS),
        own: AdminId(console.session().account),
        now: control.now(),
    })
}

async fn new(console: Console) -> PageResult {
    let fields = Fields::of(&serde_json::json!({ "role": Role::Operator }));
    let page = form_page(&console, fields, None).await?;
    console.html(&page)
}

async fn form_page(console: &Console, fields: Fields, admin: Option<Admin>) -> Result<FormPage, PageError> {
    let title = if admin.is_some() {
        "Change an administrator"
    } else {
        "Invite an administrator"
    };
    Ok(FormPage {
        page: super::page(console, title, Some(TAB)).await?,
        fields,
        admin,
    })
}

async fn invite(console: Console, form: Form) -> PageResult {
    match admins::invite(console.control(), console.actor(), form.submission()).await {
        Ok(invited) => show_link(&console, invited).await,
        Err(error) => {
            let fields = Fields::typed(&form).with_errors(&form_errors(error)?);
            let page = form_page(&console, fields, None).await?;
            console.invalid(&page)
        }
    }
}

async fn show_link(console: &Console, invited: Invited) -> PageResult {
    console.html(&LinkPage {
        page: super::page(console, "A link for an administrator", Some(TAB)).await?,
        admin: invited.admin,
        link: invited.link.expose().to_owned(),
    })
}

async fn edit(console: Console, id: web::Path<AdminId>) -> PageResult {
    let admin = admins::get(console.control(), console.actor(), *id).await?;
    let page = form_page(&console, Fields::of(&admin), Some(admin)).await?;
    console.html(&page)
}

async fn update(console: Console, id: web::Path<AdminId>, form: Form) -> PageResult {
    let control = console.control();
    match admins::update(control, console.actor(), *id, form.submission()).await {
        Ok(admin) => done(&console, format!("{} is saved", admin.name)),
        Err(error) => {
            let fields = Fields::typed(&form).with_errors(&form_errors(error)?);
            let admin = admins::get(control, console.actor(), *id).await?;
            let page = form_page(&console, fields, Some(admin)).await?;
            console.invalid(&page)
        }
    }
}

async fn ask_link(console: Console, id: web::Path<AdminId>) -> PageResult {
    let question = |admin: &Admin| Question {
        action: part(admin.id, "link"),
        title: format!("Make a new link for {}?", admin.name),
        text: "It lets them choose a password, and is mailed to them too. An earlier link stops working; a password that they have goes on until they use the new one.",
        danger: "Make a link",
        keep: "Not now",
        tab: TAB,
        typed: String::new(),
    };
    ask(&console, *id, question).await
}

async fn renew_link(console: Console, id: web::Path<AdminId>, _form: Form) -> PageResult {
    let invited = admins::renew_link(console.control(), console.actor(), *id).await?;
    show_link(&console, invited).await
}

async fn ask_disable(console: Console, id: web::Path<AdminId>) -> PageResult {
    let question = |admin: &Admin| Question {
        action: part(admin.id, "disable"),
        title: format!("Disable {}?", admin.name),
        text: "They are signed out at once and cannot sign in until the account is enabled again.",
        danger: "Disable account",
        keep: "Keep it enabled",
        tab: TAB,
        typed: String::new(),
    };
    ask(&console, *id, question).await
}

async fn disable(console: Console, id: web::Path<AdminId>, _form: Form) -> PageResult {
    set_enabled(&console, *id, false).await
}

async fn enable(console: Console, id: web::Path<AdminId>, _form: Form) -> PageResult {
    set_enabled(&console, *id, true).await
}

async fn set_enabled(console: &Console, id: AdminId, enabled: bool) -> PageResult {
    let admin = admins::set_enabled(console.control(), console.actor(), id, enabled).await?;
    let word = if enabled { "enabled" } else { "disabled" };
    done(console, format!("{} is {word}", admin.name))
}

async fn ask_delete(console: Console, id: web::Path<AdminId>) -> PageResult {
    let question = |admin: &Admin| Question {
        action: part(admin.id, "delete"),
        title: format!("Delete {}?", admin.name),
        text: "They are signed out at once. What they did stays in the audit log under their name.",
        danger: "Delete administrator",
        keep: "Keep them",
        tab: TAB,
        typed: admin.email.clone(),
    };
    ask(&console, *id, question).await
}

async fn delete(console: Console, id: web::Path<AdminId>, form: Form) -> PageResult {
    let (control, actor) = (console.control(), console.actor());
    let admin = admins::get(control, actor, *id).await?;
    if !form.confirms(&admin.email) {
        let flash = Flash::warn("The address was not typed as it is. Nobody is deleted");
        return console.redirect_with(part(*id, "delete"), &flash);
    }
    admins::delete(control, actor, *id).await?;
    done(&console, format!("{} is deleted", admin.name))
}

async fn ask(console: &Console, id: AdminId, question: impl FnOnce(&Admin) -> Question) -> PageResult {
    let admin = admins::get(console.control(), console.actor(), id).await?;
    super::ask(console, question(&admin)).await
}

fn done(console: &Console, words: String) -> PageResult {
    console.redirect_with(urls::console::ADMINS, &Flash::ok(words))
}

fn part(id: impl std::fmt::Display, part: &str) -> String {
    urls::console::setting(urls::console::ADMINS, id, part)
}

impl ListPage {
    fn state(admin: &Admin) -> (&'static str, &'static str) {
        match (admin.disabled_at, admin.invited) {
            (Some(_), _) => ("Disabled", ""),
            (None, true) => ("Invited", "warn"),
            (None, false) => ("Active", "ok"),
        }
    }

    fn menu_label(admin: &Admin) -> String {
        format!("What to do with {}", admin.name)
    }

    /// Nobody locks themselves out: their own account has nothing to do here.
    fn is_own(&self, admin: &Admin) -> bool {
        admin.id == self.own
    }

    fn role(admin: &Admin) -> String {
        text::label(admin.role.as_str())
    }

    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }
}

impl LinkPage {
    fn title(&self) -> String {
        format!("A link for {}", self.admin.name)
    }

    fn warning(&self) -> String {
        format!("Hand it only to {}: whoever has it gets the account.", self.admin.email)
    }
}

impl FormPage {
    fn roles() -> Vec<Choice> {
        let words = |role: Role| match role {
            Role::Owner => "Owner: everything, other administrators included",
            Role::Operator => "Operator: everything but administrators",
            Role::Auditor => "Auditor: looks at everything, changes nothing",
        };
        Role::ALL
            .into_iter()
            .map(|role| Choice::new(role.as_str(), words(role)))
            .collect()
    }

    fn action(&self) -> String {
        match &self.admin {
            Some(admin) => part(admin.id, "edit"),
            None => urls::console::new_setting(urls::console::ADMINS),
        }
    }
}
