//! Certificates, the names that they answer, the authorities of clients, and the accounts by which certificates are got.

mod accounts;
mod authorities;
mod life;
mod pairs;
mod snis;

use actix_web::web;

/// The pages of all of them.
pub(super) fn configure(config: &mut web::ServiceConfig) {
    pairs::configure(config);
    snis::configure(config);
    authorities::configure(config);
    accounts::configure(config);
}
