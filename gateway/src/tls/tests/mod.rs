//! Handshakes with a real client, against stores made of rows as control writes them.

mod clients;
mod names;
mod support;
