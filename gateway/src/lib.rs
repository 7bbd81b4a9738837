//! The data plane: listens, matches, runs plugins, forwards, and follows the configuration.

pub mod host;
pub mod path;
pub mod router;
pub mod runtime;
pub mod upstream;
