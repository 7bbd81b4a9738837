//! The developer portal.

mod account;
mod apis;
mod applications;
mod keys;
mod samples;
mod session;
mod subscribe;

use actix_web::middleware::from_fn;
use actix_web::web;
use control::accounts::AccountKind;

use crate::error::PageError;
use crate::visit::form_errors;
use crate::{assets, security, visit};

/// The pages of the portal, from `/` on, and the assets; needs `web::Data<Control>`.
pub fn configure(config: &mut web::ServiceConfig) {
    assets::configure(config);
    let pages = web::scope("")
        .wrap(from_fn(|request, next| {
            visit::identify(AccountKind::Developer, request, next)
        }))
        .wrap(from_fn(security::guard))
        .configure(session::configure)
        .configure(apis::configure)
        .configure(subscribe::configure)
        .configure(applications::configure)
        .configure(keys::configure)
        .configure(account::configure)
        .default_service(web::to(async || Err::<actix_web::HttpResponse, _>(PageError::NotFound)));
    config.service(pages);
}
