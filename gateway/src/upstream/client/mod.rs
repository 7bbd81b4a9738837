//! The gateway's own client of services: HTTP/1.1 and HTTP/2, in the clear or over TLS.
//!
//! One exchange is polled by one task: what the client sends and what the service answers move side by side, and
//! nothing is held but what one read brings. A service's answer is read more strictly than a browser would: what two
//! readers could understand in two ways is a bad answer, and its connection is never used again.

mod connect;
mod exchange;
mod fault;
mod h1;
mod h2;
mod idle;
mod shared;
#[cfg(test)]
mod tests;
mod tls;
mod transport;

pub(crate) use connect::{Client, Dial, Return, Version};
pub(crate) use exchange::{Event, Exchange, Framing, Head};
pub(crate) use fault::Fault;

pub(crate) use super::Failure;
pub(crate) use tls::{Tls, TlsSettings};
pub(super) use tls::{client_config, identity};
pub(crate) use transport::Transport;
