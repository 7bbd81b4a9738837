//! The REST API of Gatehouse: JSON for automation, its OpenAPI document, and the pages that explain it.
//!
//! One table of operations, under `api`, drives routing, rights, checks of parameters and bodies, and the
//! document, so that an operation which is not documented cannot exist. Everything they do is in `control`.

mod api;
mod auth;
mod body;
mod call;
mod conditions;
mod docs;
mod noun;
pub mod openapi;
mod operation;
mod problem;
mod query;
mod reply;
mod serve;
mod shape;
mod strict_json;
mod waiting;

use actix_web::web::ServiceConfig;

/// Mounts `/api/v1` and `/docs`; the app's data must hold a `control::Control`.
pub fn configure(config: &mut ServiceConfig) {
    docs::configure(config);
    serve::configure(config);
}
