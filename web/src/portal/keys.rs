//! Keys: made, shown once, rotated, revoked.

use actix_web::web;
use askama::Template;
use control::credentials::Issued;
use control::gateways::{self, WaitFor};
use control::{ListQuery, Mode, applications, keys, offers, subscriptions};
use model::Errors;
use model::application::Application;
use model::clock::Timestamp;
use model::credential::{Credential, CredentialStatus};
use model::id::{ApplicationId, CredentialId};
use model::subscription::SubscriptionState;

use super::form_errors;
use crate::code::Code;
use crate::{Fields, Form, PageError, PageResult, PortalAccount, PortalArea, PortalPage, urls};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/apps/{id}/keys/new", web::get().to(new))
        .route("/apps/{id}/keys/new", web::post().to(issue))
        .route("/apps/{id}/keys/{key}/rotate", web::get().to(ask_rotate))
        .route("/apps/{id}/keys/{key}/rotate", web::post().to(rotate))
        .route("/apps/{id}/keys/{key}/revoke", web::get().to(ask_revoke))
        .route("/apps/{id}/keys/{key}/revoke", web::post().to(revoke));
}

#[derive(Template)]
#[template(path = "portal/apps/key_form.html")]
struct FormPage {
    page: PortalPage,
    application: Application,
    fields: Fields,
    /// The key that is replaced.
    replaced: Option<Credential>,
}

#[derive(Template)]
#[template(path = "portal/apps/key.html")]
struct KeyPage {
    page: PortalPage,
    application: Application,
    /// The key that it replaces.
    replaced: Option<Credential>,
    secret: String,
    curl: Option<Code>,
    /// Whether an administrator has still to approve it.
    pending: bool,
    live: bool,
    now: Timestamp,
}

#[derive(Template)]
#[template(path = "portal/apps/ask.html")]
struct AskPage {
    page: PortalPage,
    action: String,
    title: String,
    text: &'static str,
    danger: &'static str,
    back: String,
    typed: String,
}

async fn form_page(
    account: &PortalAccount,
    id: ApplicationId,
    replaced: Option<CredentialId>,
    fields: Fields,
) -> Result<FormPage, PageError> {
    let application = applications::get(account.control(), account.actor(), id).await?;
    let title = if replaced.is_some() { "Rotate a key" } else { "New key" };
    let replaced = match replaced {
        Some(key) => Some(find(account, id, key).await?),
        None => None,
    };
    Ok(FormPage {
        page: account.page(title, PortalArea::Applications),
        application,
        fields,
        replaced,
    })
}

/// A key of an application.
async fn find(account: &PortalAccount, id: ApplicationId, key: CredentialId) -> Result<Credential, PageError> {
    let keys = keys::list(account.control(), account.actor(), id).await?;
    keys.into_iter()
        .find(|known| known.id == key)
        .ok_or(PageError::NotFound)
}

async fn new(account: PortalAccount, id: web::Path<ApplicationId>) -> PageResult {
    let page = form_page(&account, *id, None, Fields::empty()).await?;
    account.html(&page)
}

async fn issue(account: PortalAccount, id: web::Path<ApplicationId>, form: Form) -> PageResult {
    let (id, submission) = (*id, form.submission());
    let written = account
        .control()
        .write(account.actor(), Mode::Commit, async |change| {
            keys::issue(change, id, submission).await
        })
        .await;
    match written {
        Ok(written) => shown(&account, id, None, &written.value, written.revision).await,
        Err(error) => {
            let fields = Fields::typed(&form).with_errors(&form_errors(error)?);
            let page = form_page(&account, id, None, fields).await?;
            account.invalid(&page)
        }
    }
}

/// The page with a new key: the only time that it is readable.
pub(super) async fn shown(
    account: &PortalAccount,
    id: ApplicationId,
    replaced: Option<Credential>,
    issued: &Issued,
    revision: Option<i64>,
) -> PageResult {
    let (control, actor) = (account.control(), account.actor());
    let application = applications::get(control, actor, id).await?;
    let all = ListQuery::all().with("application", id);
    let subscriptions = subscriptions::list(control, actor, &all).await?.items;
    let of = |state| subscriptions.iter().find(|named| named.subscription.state == state);
    let mut curl = None;
    if let Some(approved) = of(SubscriptionState::Approved) {
        let api = offers::first_of_product(control, approved.subscription.product).await?;
        let key = issued.secret.expose();
        curl = api.and_then(|api| super::apis::first_call(&api, key));
    }
    let behind = match revision {
        Some(revision) => gateways::wait(control, revision, WaitFor::All, crate::visit::PATIENCE)
            .await?
            .len(),
        None => 0,
    };
    account.html(&KeyPage {
        page: account.page("Your new key", PortalArea::Applications),
        application,
        replaced,
        secret: issued.secret.expose().to_owned(),
        now: control.now(),
        curl,
        pending: of(SubscriptionState::Pending).is_some(),
        live: behind == 0,
    })
}

async fn ask_rotate(account: PortalAccount, path: web::Path<(ApplicationId, CredentialId)>) -> PageResult {
    let page = form_page(&account, path.0, Some(path.1), Fields::empty()).await?;
    account.html(&page)
}

async fn rotate(account: PortalAccount, path: web::Path<(ApplicationId, CredentialId)>, form: Form) -> PageResult {
    let (id, key) = *path;
    let Some(grace) = crate::keys::grace(&form) else {
        let unknown = Errors::one("grace", model::Code::Invalid, "is none of the choices");
        let page = form_page(&account, id, Some(key), Fields::typed(&form).with_errors(&unknown)).await?;
        return account.invalid(&page);
    };
    let written = account
        .control()
        .write(account.actor(), Mode::Commit, async |change| {
            keys::rotate(change, id, key, grace).await
        })
        .await;
    match written {
        Ok(written) => {
            let old = find(&account, id, key).await?;
            shown(&account, id, Some(old), &written.value, written.revision).await
        }
        Err(error) => {
            let fields = Fields::typed(&form).with_errors(&form_errors(error)?);
            let page = form_page(&account, id, Some(key), fields).await?;
            account.invalid(&page)
        }
    }
}

async fn ask_revoke(account: PortalAccount, path: web::Path<(ApplicationId, CredentialId)>) -> PageResult {
    let (id, key) = *path;
    let (back, name) = (urls::portal::application(id), find(&account, id, key).await?.name);
    account.html(&AskPage {
        page: account.page("Revoke a key", PortalArea::Applications),
        action: format!("{back}/keys/{key}/revoke"),
        title: format!("Revoke {name}?"),
        text: "Requests with it are refused at once and for good. Programs that use it stop working.",
        danger: "Revoke key",
        back,
        typed: String::new(),
    })
}

async fn revoke(account: PortalAccount, path: web::Path<(ApplicationId, CredentialId)>, _form: Form) -> PageResult {
    let (id, key) = *path;
    let written = account
        .control()
        .write(account.actor(), Mode::Commit, async |change| {
            keys::revoke(change, id, key).await
        })
        .await?;
    account
        .done(&written, "Key revoked", urls::portal::application(id))
        .await
}

impl KeyPage {
    /// When the key that was replaced ends, unless it has ended.
    fn old_end(&self) -> Option<Timestamp> {
        let old = self.replaced.as_ref()?;
        let lives = old.status == CredentialStatus::Active;
        old.rotation_ends_at.filter(|end| lives && *end > self.now)
    }
}
