//! The nouns of Gatehouse and their rules.
//!
//! What a person or a program sends is a *draft*. `validate` turns it into a *spec*, which holds only valid
//! values, or into the list of everything that is wrong with it. Nothing here reads a file, a socket or a clock.

pub mod account;
pub mod acme_account;
pub mod acme_challenge;
pub mod actor;
pub mod api;
pub mod application;
pub mod ca_certificate;
pub mod certificate;
pub mod clock;
pub mod consumer;
pub mod credential;
pub mod draft;
pub mod forwarded;
pub mod id;
pub mod name;
pub mod noun;
pub mod plan;
pub mod plugin;
pub mod product;
pub mod reason;
pub mod route;
pub mod sealing;
pub mod service;
pub mod snapshot;
pub mod sni;
pub mod subscription;
pub mod token;
pub mod upstream;
pub mod usage;
pub mod validation;

pub use draft::{Draft, Submission};
pub use noun::{Kind, Noun, Stored};
pub use validation::{Code, Errors, FieldError, Warning};
