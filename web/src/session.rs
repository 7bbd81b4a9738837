//! Cookies, and the token that ties a form to the session it was made for.
//!
//! A session brings its own token. Forms for people who are not signed in are tied to a cookie of the visit:
//! their token is a hash of it, which nobody can know without the cookie.

use actix_web::HttpRequest;
use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use control::accounts::{AccountKind, SecretText, cookies};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Names and flags of the cookies of one site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cookies {
    session: &'static str,
    secure: bool,
}

impl Cookies {
    /// The cookies of the site for these accounts, which browsers reach under `url`.
    pub fn new(kind: AccountKind, url: &str) -> Self {
        let cookies::Cookie { name, secure } = cookies::cookie(kind, url);
        Self { session: name, secure }
    }

    fn name(self, what: &str) -> String {
        format!("{}_{what}", self.session)
    }

    /// The secret of the session, when the browser brought one.
    pub fn session(self, request: &HttpRequest) -> Option<String> {
        value(request, self.session)
    }

    /// Begins a session in this browser, which keeps it for so long at most.
    pub fn start(self, secret: &SecretText, stay: Duration) -> Cookie<'static> {
        let mut cookie = self.build(self.session.to_owned(), secret.expose().to_owned());
        cookie.set_max_age(stay);
        cookie
    }

    /// Ends the session in this browser.
    pub fn end(self) -> Cookie<'static> {
        ended(self.build(self.session.to_owned(), String::new()))
    }

    pub(crate) fn read(self, request: &HttpRequest, what: &str) -> Option<String> {
        value(request, &self.name(what))
    }

    pub(crate) fn make(self, what: &str, value: String) -> Cookie<'static> {
        self.build(self.name(what), value)
    }

    pub(crate) fn removal(self, what: &str) -> Cookie<'static> {
        ended(self.make(what, String::new()))
    }

    /// A cookie that scripts cannot read; without more, it ends with the browser.
    fn build(self, name: String, value: String) -> Cookie<'static> {
        Cookie::build(name, value)
            .path("/")
            .http_only(true)
            .secure(self.secure)
            .same_site(SameSite::Lax)
            .finish()
    }
}

fn value(request: &HttpRequest, name: &str) -> Option<String> {
    request
        .cookie(name)
        .map(|cookie| cookie.value().to_owned())
        .filter(|value| !value.is_empty())
}

fn ended(mut cookie: Cookie<'static>) -> Cookie<'static> {
    cookie.set_max_age(Duration::ZERO);
    cookie
}

/// The form token of a visit without a session.
pub(crate) fn visit_token(visit: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"gatehouse form of a visit\0");
    hash.update(visit.as_bytes());
    URL_SAFE_NO_PAD.encode(hash.finalize())
}

/// Whether two tokens are the same; takes the same time for every wrong one.
pub(crate) fn same_token(expected: &str, presented: &str) -> bool {
    expected.as_bytes().ct_eq(presented.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cookie_is_closed_to_scripts_and_other_hosts() {
        let strict = Cookies::new(AccountKind::Developer, "https://portal.example");
        for cookie in [strict.make("flash", "x".into()), strict.end()] {
            assert!(cookie.name().starts_with("__Host-"), "{cookie}");
            assert!(cookie.secure() == Some(true) && cookie.http_only() == Some(true) && cookie.path() == Some("/"));
        }
        assert_eq!(
            Cookies::new(AccountKind::Admin, "http://127.0.0.1:8001")
                .make("flash", "x".into())
                .secure(),
            Some(false)
        );
    }

    #[test]
    fn a_visit_token_fits_its_visit_only() {
        let token = visit_token("one");
        assert!(same_token(&visit_token("one"), &token));
        assert!(!same_token(&visit_token("two"), &token));
        assert!(!same_token(&token, ""));
    }
}
