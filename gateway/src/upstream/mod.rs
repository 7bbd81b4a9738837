//! The targets of a service: where they are, which is next, and which are to be trusted.
//!
//! A service has a `Pool`. Pools of services that share an upstream share its endpoints and their health, but each has its
//! own breakers and its own retry budget.

mod balance;
mod breaker;
mod budget;
mod changes;
mod check;
mod check_tls;
mod choice;
pub(crate) mod client;
mod endpoint;
mod group;
mod health;
mod keeper;
mod latency;
mod members;
mod metrics;
mod mirror;
mod names;
#[cfg(test)]
mod names_tests;
mod place;
mod pool;
pub(crate) mod preamble;
mod random;
mod reach;
mod split;
mod sticky;
#[cfg(test)]
mod tests;
mod ticks;
mod upstreams;

pub(crate) use check_tls::CheckTls;
pub use choice::Choice;
pub use endpoint::{Endpoint, TargetKey};
pub use group::{Settings, Target};
pub use health::Failure;
pub(crate) use metrics::Measured;
pub use mirror::Mirror;
pub(crate) use names::Names;
pub use place::{Found, Place};
pub use pool::{Picked, Pool};
pub use random::Random;
pub use reach::{Exception, Reach};
pub use split::Split;
pub use upstreams::{GroupKey, Upstreams, Wanted};
