//! Conditions of requests (RFC 9110, 13): `If-Match` and `If-None-Match` against the version of an object.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use control::Precondition;
use model::{Code, Errors};

use crate::problem::Problem;

/// No object has this version.
const NONE: i64 = -1;

/// The `ETag` of a version.
pub(crate) fn etag(version: i64) -> HeaderValue {
    // Digits in quotes are always a header value.
    HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
}

/// What a writer asks of the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Condition {
    /// Nothing.
    #[default]
    None,
    /// That it is there (`If-Match: *`).
    Exists,
    /// That it is not there (`If-None-Match: *`).
    Absent,
    /// That it has this version.
    Version(i64),
}

impl Condition {
    /// Reads the condition of a request that writes.
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, Problem> {
        match (text(headers, &header::IF_MATCH), text(headers, &header::IF_NONE_MATCH)) {
            (None, None) => Ok(Self::None),
            (Some("*"), None) => Ok(Self::Exists),
            (None, Some("*")) => Ok(Self::Absent),
            (Some(tag), None) if !tag.contains(',') => Ok(Self::Version(version(tag).unwrap_or(NONE))),
            (Some(_), _) => Err(refused("If-Match", "must be the one ETag of the object, or `*`")),
            (None, Some(_)) => Err(refused("If-None-Match", "must be `*` on a request that writes")),
        }
    }

    /// The condition as the store checks it.
    pub(crate) fn precondition(self) -> Precondition {
        match self {
            Self::None | Self::Exists => Precondition(None),
            Self::Absent => Precondition(Some(NONE)),
            Self::Version(version) => Precondition(Some(version)),
        }
    }

    /// Whether it can only be met by an object that is there.
    pub(crate) fn needs_object(self) -> bool {
        matches!(self, Self::Exists | Self::Version(_))
    }
}

/// Whether a reader has this version already.
pub(crate) fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let Some(known) = text(headers, &header::IF_NONE_MATCH) else {
        return false;
    };
    let weak = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    known == "*"
        || tag
            .to_str()
            .is_ok_and(|tag| known.split(',').any(|one| weak(one) == tag))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let value = headers.get(name)?;
    Some(value.to_str().unwrap_or("?").trim())
}

/// The version in a strong tag; a weak one never matches.
fn version(tag: &str) -> Option<i64> {
    tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

fn refused(name: &str, message: &str) -> Problem {
    control::Error::InvalidQuery(Errors::one(name, Code::Invalid, message)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: HeaderName, value: &'static str) -> Option<Condition> {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        Condition::read(&headers).ok()
    }

    #[test]
    fn conditions_are_read_as_the_rfc_says() {
        assert_eq!(read(header::IF_MATCH, "\"3\""), Some(Condition::Version(3)));
        assert_eq!(read(header::IF_MATCH, "W/\"3\""), Some(Condition::Version(NONE)));
        assert_eq!(read(header::IF_MATCH, "*"), Some(Condition::Exists));
        assert_eq!(read(header::IF_MATCH, "\"1\", \"2\""), None);
        assert_eq!(read(header::IF_NONE_MATCH, "*"), Some(Condition::Absent));
        assert_eq!(read(header::IF_NONE_MATCH, "\"1\""), None);
    }

    #[test]
    fn a_reader_may_have_the_version_already() {
        let mut headers = HeaderMap::new();
        assert!(!is_known(&headers, &etag(3)));
        headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("\"1\", W/\"3\""));
        assert!(is_known(&headers, &etag(3)));
        assert!(!is_known(&headers, &etag(2)));
    }
}
