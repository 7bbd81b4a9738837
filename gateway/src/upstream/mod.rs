//! The targets of a service: which one is next, and where it is.

pub(crate) mod client;
mod pool;
pub(crate) mod preamble;
mod resolver;

pub use pool::{Endpoint, Pool};
pub use resolver::Resolver;
