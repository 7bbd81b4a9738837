//! The admin console.

mod audit;
mod catalogue;
mod certificates;
mod consumers;
mod credentials;
mod history;
mod links;
mod listing;
mod matching;
mod objects;
mod overview;
pub mod palette;
mod plugins;
mod references;
mod revisions;
mod routes;
mod services;
mod session;
mod settings;
#[cfg(test)]
mod tests;
mod traffic;
mod upstreams;

use actix_web::middleware::from_fn;
use actix_web::web;
use control::accounts::AccountKind;

use crate::error::PageError;
use crate::{assets, security, urls, visit};

/// The pages under `/console` and the assets; needs `web::Data<Control>`.
pub fn configure(config: &mut web::ServiceConfig) {
    assets::configure(config);
    let pages = web::scope("/console")
        .wrap(from_fn(|request, next| {
            visit::identify(AccountKind::Admin, request, next)
        }))
        .wrap(from_fn(security::guard))
        .configure(palette::configure)
        .configure(services::configure)
        .configure(routes::configure)
        .configure(upstreams::configure)
        .configure(certificates::configure)
        .configure(plugins::configure)
        .configure(consumers::configure)
        .configure(credentials::configure)
        .configure(catalogue::configure)
        .configure(session::configure)
        .configure(overview::configure)
        .configure(revisions::configure)
        .configure(audit::configure)
        .configure(settings::configure)
        .default_service(web::to(async || Err::<actix_web::HttpResponse, _>(PageError::NotFound)));
    config
        .service(web::redirect("/", urls::console::HOME).see_other())
        .service(pages);
}
