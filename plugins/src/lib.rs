//! The plugin contract, the registry, and the built-in plugins.
//!
//! A plugin is a folder: one typed configuration struct gives parsing, validation, JSON Schema, the OpenAPI
//! component, the console's form and the manual, because its doc comments are the words that people read.
//! Adding a plugin is its folder plus one word in the line below.

pub mod arrangement;
pub mod cors;
pub mod counters;
pub mod directory;
pub mod exchange;
pub mod key_auth;
pub mod plugin;
mod protected;
mod query;
pub mod rate_limit;
pub mod registry;
pub mod request_transform;
mod schema;
pub mod services;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use arrangement::{Arranged, Place, arrange};
pub use directory::{Directory, Identity, KeyMatch};
pub use exchange::{Answer, Exchange, Facts, Flow, Outcome, Refusal, ResponseExchange};
pub use plugin::{Combine, Context, Filter, Phase, Plugin};
pub use registry::{PluginType, Registry};
pub use services::Services;

/// Every plugin of this program, in the order in which they are listed.
pub static REGISTRY: Registry = Registry::new(&[
    PluginType::of::<key_auth::KeyAuth>(),
    PluginType::of::<rate_limit::RateLimit>(),
    PluginType::of::<cors::Cors>(),
    PluginType::of::<request_transform::RequestTransform>(),
]);
