//! What must hold for any bytes that a stranger may send. A target panics where it does not.
//!
//! Each is a program of `cargo fuzz` in the folder above, and is tried with its corpus and mutations of it by the tests.

mod edge;
mod names;
mod routes;

pub use edge::{chunks, frames, guard, proxy_header};
pub use names::{client, host, path};
pub use routes::router;

/// A target with its name, which is that of its corpus.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("guard", guard),
    ("chunks", chunks),
    ("frames", frames),
    ("proxy_header", proxy_header),
    ("path", path),
    ("host", host),
    ("client", client),
    ("router", router),
];
