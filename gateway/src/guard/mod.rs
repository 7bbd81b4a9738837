//! What a client may put on a connection, checked byte by byte before Pingora sees any of it.
//!
//! Nothing here reads a socket or a clock: the checks are told the bytes and the time, so that every one of them can be
//! tried with any bytes, cut in any places, at any time.

mod answer;
pub mod http1;
pub mod http2;
mod pace;
mod rule;

pub(crate) use answer::{ALLOWED, problem_json, refusal};
pub(crate) use pace::{BodyPace, HEAD_TIME, WritePace};
pub use rule::Rule;
