//! Where the configuration comes from.

pub(crate) mod copy;
#[cfg(feature = "testing")]
pub(crate) mod file;
pub(crate) mod postgres;
mod report;
mod ship;
