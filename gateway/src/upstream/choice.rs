//! What of a request decides where it goes.

use std::borrow::Cow;
use std::net::IpAddr;

use http::HeaderMap;
use http::header::COOKIE;
use model::upstream::HashOn;

use super::TargetKey;

/// What hashing and stickiness look at, and what was tried already.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    /// The consumer's id; every credential belongs to one, and the anonymous one stands in where a route has it.
    pub consumer: Option<&'a str>,
    /// The client's address.
    pub ip: IpAddr,
    /// The canonical path.
    pub path: &'a str,
    /// What stands after `?`.
    pub query: Option<&'a str>,
    /// The request's headers as the client sent them.
    pub headers: &'a HeaderMap,
    /// Whether the client's connection is encrypted: then cookies are for such connections only.
    pub secure: bool,
    /// The targets that this request was sent to before.
    pub tried: &'a [TargetKey],
}

impl<'a> Choice<'a> {
    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<&'a str> {
        let lines = self
            .headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok());
        let mut pairs = lines
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(known, _)| known.trim() == name)
            .map(|(_, value)| value.trim().trim_matches('"'))
    }

    /// The value of a header; several are joined.
    pub fn header(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        let mut values = self.headers.get_all(name).iter().map(http::HeaderValue::as_bytes);
        let first = values.next()?;
        let Some(second) = values.next() else {
            return Some(first.into());
        };
        let mut joined = [first, second].join(&b","[..]);
        for value in values {
            joined.push(b',');
            joined.extend_from_slice(value);
        }
        Some(joined.into())
    }

    /// What is hashed; nothing when the request does not have it.
    pub(super) fn hashed(&self, on: HashOn, name: Option<&str>) -> Option<Cow<'a, [u8]>> {
        let name = name.unwrap_or_default();
        let found: Cow<'a, [u8]> = match on {
            HashOn::Consumer => self.consumer?.as_bytes().into(),
            HashOn::Ip => ip_bytes(self.ip).into(),
            HashOn::Path => self.path.as_bytes().into(),
            HashOn::Header => self.header(name)?,
            HashOn::Cookie => self.cookie(name)?.as_bytes().into(),
            HashOn::Query => {
                let pairs = url::form_urlencoded::parse(self.query?.as_bytes());
                let value = pairs.into_iter().find(|(known, _)| known == name)?.1;
                value.into_owned().into_bytes().into()
            }
        };
        Some(found).filter(|found| !found.is_empty())
    }
}

fn ip_bytes(ip: IpAddr) -> Vec<u8> {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row<'a> = (HashOn, Option<&'a str>, Option<&'a [u8]>);

    #[test]
    fn each_part_of_a_request_can_be_hashed() {
        let mut headers = HeaderMap::new();
        headers.append("x-user", "a".parse().expect("a value"));
        headers.append("x-user", "b".parse().expect("a value"));
        headers.append(COOKIE, "session=s1; theme=dark".parse().expect("a value"));
        let choice = Choice {
            consumer: None,
            ip: "::ffff:10.0.0.1".parse().expect("an address"),
            path: "/a",
            query: Some("x=1&user=j%20d"),
            headers: &headers,
            secure: false,
            tried: &[],
        };
        let table: [Row<'_>; 8] = [
            (HashOn::Consumer, None, None),
            (HashOn::Ip, None, Some(&[10, 0, 0, 1])),
            (HashOn::Path, None, Some(b"/a")),
            (HashOn::Header, Some("X-User"), Some(b"a,b")),
            (HashOn::Header, Some("x-none"), None),
            (HashOn::Cookie, Some("theme"), Some(b"dark")),
            (HashOn::Query, Some("user"), Some(b"j d")),
            (HashOn::Query, Some("none"), None),
        ];
        for (on, name, expected) in table {
            assert_eq!(choice.hashed(on, name).as_deref(), expected, "{on:?} {name:?}");
        }
    }
}
