//! Every URL of the console and the portal, in one place. What varies is percent-encoded.

use std::fmt::Display;

use model::Kind;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::form_urlencoded;

/// What stays readable in a path segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'*');

/// One path segment. A segment that is only dots would climb in every form; no name or id is.
pub fn segment(text: impl Display) -> String {
    utf8_percent_encode(&text.to_string(), SEGMENT).to_string()
}

/// A path with query parameters; those without a value are left out.
pub fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs.iter().filter(|(_, value)| !value.is_empty()));
    let query = query.finish();
    if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{query}")
    }
}

/// The console.
pub mod console {
    use super::{Display, Kind, segment};

    /// The start page.
    pub const HOME: &str = "/console";
    /// Where administrators sign in.
    pub const SIGN_IN: &str = "/console/login";
    /// Where they sign out (POST).
    pub const SIGN_OUT: &str = "/console/logout";
    /// Where the first administrator is made; the link carries `token`.
    pub const SETUP: &str = "/console/setup";
    /// Where an invited administrator chooses a password; the link carries `token`.
    pub const INVITATION: &str = "/console/invitation";
    /// What the command palette asks.
    pub const PALETTE: &str = "/console/palette.json";
    /// The revisions.
    pub const REVISIONS: &str = "/console/revisions";
    /// The audit log.
    pub const AUDIT: &str = "/console/audit";
    /// The settings.
    pub const SETTINGS: &str = "/console/settings";
    /// The running gateways.
    pub const GATEWAYS: &str = "/console/settings/gateways";
    /// The tokens of automation.
    pub const TOKENS: &str = "/console/settings/tokens";
    /// The outgoing mail.
    pub const MAILS: &str = "/console/settings/mail";
    /// The administrators.
    pub const ADMINS: &str = "/console/settings/admins";
    /// One's own account.
    pub const ACCOUNT: &str = "/console/settings/account";
    /// The manual of the REST API, which the same server shows.
    pub const API_MANUAL: &str = "/docs";

    /// The keys of all consumers.
    pub const KEYS: &str = "/console/keys";

    /// One key, by its id.
    pub fn key(id: impl Display) -> String {
        format!("{KEYS}/{}", segment(id))
    }

    /// The list of a kind of object.
    pub fn list(kind: Kind) -> String {
        format!("{HOME}/{}", kind.plural())
    }

    /// Where an object of this kind is made.
    pub fn new(kind: Kind) -> String {
        format!("{}/new", list(kind))
    }

    /// The page of one object, by id or name.
    pub fn object(kind: Kind, reference: impl Display) -> String {
        format!("{}/{}", list(kind), segment(reference))
    }

    /// A part of it: `edit`, `delete`, `plugins`.
    pub fn part(kind: Kind, reference: impl Display, part: &str) -> String {
        format!("{}/{part}", object(kind, reference))
    }

    /// One revision.
    pub fn revision(number: impl Display) -> String {
        format!("{REVISIONS}/{number}")
    }

    /// What differs between the configuration after one revision and after another.
    pub fn difference(from: impl Display, to: impl Display) -> String {
        format!("{REVISIONS}/{from}/diff/{to}")
    }

    /// Where a thing of the settings is made.
    pub fn new_setting(list: &str) -> String {
        format!("{list}/new")
    }

    /// One thing of the settings, such as a token, and what is done with it.
    pub fn setting(list: &str, reference: impl Display, part: &str) -> String {
        let part = if part.is_empty() {
            String::new()
        } else {
            format!("/{part}")
        };
        format!("{list}/{}{part}", segment(reference))
    }
}

/// The developer portal.
pub mod portal {
    use super::{Display, segment};

    /// The catalogue.
    pub const HOME: &str = "/";
    /// Where developers sign in.
    pub const SIGN_IN: &str = "/login";
    /// Where they sign out (POST).
    pub const SIGN_OUT: &str = "/logout";
    /// Where accounts are made.
    pub const SIGN_UP: &str = "/signup";
    /// Where a mail leads to confirm its address; the link carries `token`.
    pub const VERIFY: &str = "/verify";
    /// Where a forgotten password is mended.
    pub const FORGOT: &str = "/forgot";
    /// Where a mail leads to set a new password; the link carries `token`.
    pub const RESET: &str = "/reset";
    /// The developer's applications.
    pub const APPLICATIONS: &str = "/apps";
    /// The developer's account.
    pub const ACCOUNT: &str = "/account";

    /// One API of the catalogue.
    pub fn api(name: impl Display) -> String {
        format!("/apis/{}", segment(name))
    }

    /// Its OpenAPI document.
    pub fn api_document(name: impl Display) -> String {
        format!("{}/openapi.json", api(name))
    }

    /// Where an application subscribes to it.
    pub fn subscribe(name: impl Display) -> String {
        format!("{}/subscribe", api(name))
    }

    /// One application.
    pub fn application(reference: impl Display) -> String {
        format!("{APPLICATIONS}/{}", segment(reference))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn queries_leave_out_what_is_empty() {
        assert_eq!(with_query("/x", &[("q", "a b&c"), ("tags", "")]), "/x?q=a+b%26c");
        assert_eq!(with_query("/x", &[("q", "")]), "/x");
    }

    proptest! {
        #[test]
        fn a_segment_stays_one_segment(text in ".+") {
            prop_assume!(text != "." && text != "..");
            let base = url::Url::parse("http://x/a/").expect("valid");
            let joined = base.join(&format!("./{}", segment(&text))).expect("joins");
            let segments: Vec<_> = joined.path_segments().expect("a path").collect();
            prop_assert_eq!(segments.len(), 2);
            let back = percent_encoding::percent_decode_str(segments[1]).decode_utf8().expect("text");
            prop_assert_eq!(back.as_ref(), text.as_str());
        }
    }
}
