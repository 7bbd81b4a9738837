//! `key-auth`: callers prove themselves with an API key.

mod config;
mod filter;
#[cfg(test)]
mod tests;

pub use config::KeyAuth;
