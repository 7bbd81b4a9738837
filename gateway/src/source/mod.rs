//! Where the configuration comes from.

pub(crate) mod copy;
#[cfg(feature = "testing")]
pub(crate) mod file;
mod point;
pub(crate) mod postgres;
mod report;
mod ship;

pub(crate) use point::Point;
