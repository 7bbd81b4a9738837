//! The targets of a service: which one is next, and where it is.

mod pool;
mod resolver;

pub use pool::{Endpoint, Pool};
pub use resolver::Resolver;
