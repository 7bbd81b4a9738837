//! Who is signed in: the extractors that pages for people name in their signatures.

use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use control::accounts::sessions::Session;
use model::actor::{Action, Actor, Resource};

use crate::error::PageError;
use crate::urls;
use crate::visit::Visit;

macro_rules! signed_in {
    ($(#[$doc:meta])* $name:ident, $sign_in:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name {
            visit: Visit,
            session: Session,
        }

        impl $name {
            /// In whose name operations are done.
            pub fn actor(&self) -> &Actor {
                &self.session.actor
            }

            /// The session, which always is.
            pub fn session(&self) -> &Session {
                &self.session
            }
        }

        impl Deref for $name {
            type Target = Visit;
            fn deref(&self) -> &Visit {
                &self.visit
            }
        }

        impl FromRequest for $name {
            type Error = PageError;
            type Future = Ready<Result<Self, PageError>>;

            fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
                ready(Visit::of(request).and_then(|visit| match visit.session().cloned() {
                    Some(session) => Ok(Self { visit, session }),
                    None => Err(visit.sign_in_first($sign_in)),
                }))
            }
        }
    };
}

signed_in! {
    /// An administrator in the console; anybody else is sent to sign in.
    Console, urls::console::SIGN_IN
}

signed_in! {
    /// A developer in the portal; anybody else is sent to sign in.
    PortalAccount, urls::portal::SIGN_IN
}

impl Console {
    /// Whether the administrator may change these, so that the page offers it.
    pub fn may(&self, resource: Resource) -> bool {
        self.session.actor.rights.allow(resource, Action::Write)
    }
}

/// Somebody in the portal, signed in or not.
#[derive(Debug, Clone)]
pub struct Portal(Visit);

impl Deref for Portal {
    type Target = Visit;
    fn deref(&self) -> &Visit {
        &self.0
    }
}

impl FromRequest for Portal {
    type Error = PageError;
    type Future = Ready<Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Visit::of(request).map(Self))
    }
}
