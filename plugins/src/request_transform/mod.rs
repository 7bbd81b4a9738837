//! `request-transform`: headers and query parameters are changed before a request is forwarded.

mod config;
mod filter;
#[cfg(test)]
mod tests;

pub use config::{HeaderChanges, Pair, QueryChanges, Rename, RequestTransform};
