//! Certificates, the names that they answer, and the authorities of clients.

mod authorities;
mod life;
mod pairs;
mod snis;

use actix_web::web;

/// The pages of all three.
pub(super) fn configure(config: &mut web::ServiceConfig) {
    pairs::configure(config);
    snis::configure(config);
    authorities::configure(config);
}
