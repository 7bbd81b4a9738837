//! The demo: a small web shop to stand behind the gateway, and a configuration that puts it there.

mod seed;
mod server;
mod shop;

pub(crate) use seed::{key, seed};
pub(crate) use server::bind;
