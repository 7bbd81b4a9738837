//! What developers find in the portal, and what became of it: APIs, products, plans, subscriptions, developers.

mod apis;
mod applications;
mod developers;
mod plans;
mod products;
mod subscriptions;

use actix_web::web;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .configure(apis::configure)
        .configure(products::configure)
        .configure(plans::configure)
        .configure(subscriptions::configure)
        .configure(developers::configure)
        .configure(applications::configure);
}

/// The tone of a state that an API or a plan is in.
fn tone(state: &str) -> &'static str {
    match state {
        "published" | "approved" | "active" => "ok",
        "deprecated" | "pending" | "pending_verification" => "warn",
        "suspended" | "rejected" => "bad",
        _ => "",
    }
}
