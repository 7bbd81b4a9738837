//! Every operation against a real database, one database for each test.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on shall say where"
)]

mod acme;
mod admins;
mod certificates;
mod developers;
mod idempotency;
mod jobs;
mod mail;
mod overview;
mod portal;
mod routes;
mod sessions;
mod setup;
mod store;
mod support;
mod tokens;
mod upstreams;
mod usage;
