//! `rate-limit`: how many requests may come in how much time.

mod config;
mod filter;
pub(crate) mod gcra;
#[cfg(test)]
mod tests;

pub use config::{Limit, LimitBy, RateLimit};
