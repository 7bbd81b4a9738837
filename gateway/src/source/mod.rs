//! Where the configuration comes from.

pub(crate) mod copy;
pub(crate) mod file;
pub(crate) mod postgres;
mod report;
mod ship;
