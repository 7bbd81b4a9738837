//! The API as its clients see it: against a real database, each test with one of its own.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod access;
mod conventions;
mod document;
mod lists;
mod nouns;
mod people;
mod robustness;
mod support;
mod waiting;
mod wire;
mod writes;
