//! Where the configuration comes from.

pub(crate) mod disk;
pub(crate) mod postgres;
mod report;
mod ship;
