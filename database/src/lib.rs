//! A Postgres that the program brings up by itself, so that one machine needs no database to be set up first.
//!
//! [`Server`] runs the Postgres that is installed on this machine on a data directory of its own: on loopback only,
//! behind a random password, as another user when the program is root. [`TestDatabase`] gives a test a database with
//! the schema in it for a few milliseconds, [`TestServer`] a server that a test may break.

mod cluster;
mod error;
mod installation;
mod process;
mod server;
mod testing;
mod user;

pub use error::{Error, Result};
pub use server::Server;
pub use testing::{TestDatabase, TestServer};
