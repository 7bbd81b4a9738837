//! The pages for people: the admin console and the developer portal.
//!
//! A page is a struct with a template; a handler extracts who asks, calls one operation of `control` and renders.
//! Pages are printed by the server and work without JavaScript; islands add comfort. No inline script or style exists.

pub mod assets;
pub mod charts;
pub mod code;
pub mod console;
pub mod delta;
pub mod diff;
pub mod error;
pub mod fields;
pub mod form;
pub mod keys;
pub mod markdown;
pub mod navigation;
pub mod page;
pub mod people;
pub mod plans;
pub mod portal;
pub mod query;
pub mod schema_form;
pub mod security;
pub mod session;
pub mod spark;
pub mod text;
pub mod times;
pub mod urls;
pub mod visit;

pub use error::{PageError, PageResult};
pub use fields::{Choice, Fields};
pub use form::Form;
pub use navigation::{Area, PortalArea};
pub use page::{ConsolePage, Flash, PortalPage};
pub use people::{Console, Portal, PortalAccount};
pub use query::{Pager, Query};
pub use visit::{Visit, form_errors};

#[cfg(test)]
mod house;
#[cfg(test)]
mod kit;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod untouched;
