//! The plugin contract, the registry, and the built-in plugins.
//!
//! A plugin is a folder: one typed configuration struct gives parsing, validation, JSON Schema, the OpenAPI
//! component, the console's form and the manual, because its doc comments are the words that people read.
//! Adding a plugin is its folder plus one word in the line below.

pub mod directory;
pub mod exchange;
pub mod plugin;
pub mod registry;
pub mod services;

pub use directory::{Directory, Identity, KeyMatch};
pub use exchange::{Answer, Exchange, Facts, Flow, Outcome, Refusal, ResponseExchange};
pub use plugin::{Combine, Context, Filter, Phase, Plugin};
pub use registry::{PluginType, Registry};
pub use services::Services;
