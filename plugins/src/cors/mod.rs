//! `cors`: which pages of other origins may call from a browser.

mod config;
mod filter;
#[cfg(test)]
mod tests;

pub use config::Cors;
