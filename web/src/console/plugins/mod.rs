//! Plugins: where they are in use, the chain of a scope, and the form of one instance.

mod chain;
mod form;
mod list;
mod scope;

use actix_web::web;
use model::plugin::PluginSpec;

use super::objects;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.route("/plugins", web::get().to(list::show));
    objects::configure::<PluginSpec>(config);
    for kind in ["routes", "services", "consumers"] {
        config.route(&format!("/{kind}/{{id}}/plugins"), web::get().to(chain::show));
    }
    config.route("/plugins/{id}", web::get().to(form::open));
}
