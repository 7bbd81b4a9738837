//! Host patterns of a route, and the canonical host names that they are compared with.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Host;

/// The longest host, in bytes (RFC 1035, section 2.3.4).
const LONGEST: usize = 253;

/// A host in the one form in which hosts are compared: lower case, no trailing dot, IPv6 in brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName(String);

impl HostName {
    /// Reads a host without port; `None` when it is not a host.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if is_canonical(text) {
            return Some(Self(text.to_owned()));
        }
        if text.is_empty() || text.contains(['*', '%', '/', '@', ' ']) || text.len() > LONGEST {
            return None;
        }
        Self::parse_in_full(text)
    }

    fn parse_in_full(text: &str) -> Option<Self> {
        match Host::parse(text).ok()? {
            // An empty label would be cut off like a trailing dot when the host is read again.
            Host::Domain(domain) if domain.split('.').any(str::is_empty) => None,
            // Letters beyond ASCII take more room in the form that is compared.
            Host::Domain(domain) if domain.len() > LONGEST => None,
            Host::Domain(domain) => Some(Self(domain)),
            Host::Ipv4(ip) => Some(Self(ip.to_string())),
            Host::Ipv6(ip) => Some(Self(format!("[{ip}]"))),
        }
    }

    /// The host as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a name is one that reading would not change: labels of small letters, digits and single inner hyphens, the last
/// one beginning with a letter, as an address never does. Nearly all are, and reading them in full costs more than
/// finding their route.
fn is_canonical(text: &str) -> bool {
    let (mut before, mut last_begins, mut label) = (b'.', b'.', 0);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' if before == b'.' => (last_begins, label) = (byte, 1),
            b'a'..=b'z' | b'0'..=b'9' => label += 1,
            b'-' if before != b'.' && before != b'-' => label += 1,
            b'.' if before != b'.' && before != b'-' => label = 0,
            _ => return false,
        }
        if label > 63 {
            return false;
        }
        before = byte;
    }
    text.len() <= LONGEST && before != b'.' && before != b'-' && last_begins.is_ascii_lowercase()
}

/// Which part of a host a pattern fixes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostMatch {
    /// The whole host.
    Exact(String),
    /// The end of it, from the dot on: `*.example.com` is `.example.com`.
    Suffix(String),
    /// The beginning of it, to the dot: `example.*` is `example.`.
    Prefix(String),
}

/// A host of a route, perhaps with one `*` at an end and perhaps with a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPattern {
    /// What of the host must be equal.
    pub host: HostMatch,
    /// The port that the client must have named, when the pattern has one.
    pub port: Option<u16>,
}

impl HostPattern {
    /// Reads a pattern; the error is a sentence for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains("://") || text.contains('/') {
            return Err("must be a host name without scheme and path".to_owned());
        }
        let (host, port) = split_port(text)?;
        let name = |part: &str| HostName::parse(part).ok_or_else(|| format!("`{part}` is not a host name"));
        let host = if let Some(rest) = host.strip_prefix("*.") {
            HostMatch::Suffix(format!(".{}", name(rest)?.0))
        } else if let Some(rest) = host.strip_suffix(".*") {
            HostMatch::Prefix(format!("{}.", name(rest)?.0))
        } else if host.contains('*') {
            return Err("may have one `*` only, as the leftmost or rightmost label".to_owned());
        } else {
            HostMatch::Exact(name(host)?.0)
        };
        Ok(Self { host, port })
    }

    /// Whether a request for `host`, which came with `port`, matches.
    pub fn matches(&self, host: &HostName, port: Option<u16>) -> bool {
        let host = host.as_str();
        let same = match &self.host {
            HostMatch::Exact(exact) => host == exact,
            HostMatch::Suffix(suffix) => host.len() > suffix.len() && host.ends_with(suffix.as_str()),
            HostMatch::Prefix(prefix) => host.len() > prefix.len() && host.starts_with(prefix.as_str()),
        };
        same && self.port.is_none_or(|wanted| port == Some(wanted))
    }
}

impl HostPattern {
    /// How much it fixes: exact over wildcard, longer wildcards first, and a named port over none.
    pub(super) fn rank(&self) -> (u8, usize) {
        let port = usize::from(self.port.is_some());
        match &self.host {
            HostMatch::Exact(_) => (2, port),
            HostMatch::Suffix(part) | HostMatch::Prefix(part) => (1, part.len() * 2 + port),
        }
    }

    /// Whether every host that `other` takes is taken.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let hosts = match (&self.host, &other.host) {
            (HostMatch::Exact(one), HostMatch::Exact(other)) => one == other,
            (HostMatch::Suffix(one), HostMatch::Exact(other)) => {
                other.len() > one.len() && other.ends_with(one.as_str())
            }
            (HostMatch::Prefix(one), HostMatch::Exact(other)) => {
                other.len() > one.len() && other.starts_with(one.as_str())
            }
            (HostMatch::Suffix(one), HostMatch::Suffix(other)) => other.ends_with(one.as_str()),
            (HostMatch::Prefix(one), HostMatch::Prefix(other)) => other.starts_with(one.as_str()),
            _ => false,
        };
        hosts && (self.port.is_none() || self.port == other.port)
    }
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), String> {
    let Some((host, port)) = text.rsplit_once(':').filter(|(_, port)| !port.contains(']')) else {
        return Ok((text, None));
    };
    match port.parse::<u16>() {
        Ok(number) if number > 0 => Ok((host, Some(number))),
        _ => Err(format!("`{port}` is not a port from 1 to 65535")),
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            HostMatch::Exact(host) => f.write_str(host)?,
            HostMatch::Suffix(suffix) => write!(f, "*{suffix}")?,
            HostMatch::Prefix(prefix) => write!(f, "{prefix}*")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl TryFrom<String> for HostPattern {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<HostPattern> for String {
    fn from(pattern: HostPattern) -> Self {
        pattern.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_short_way_to_a_name_leads_where_the_long_one_does(text in "[a-c0-2x.-]{0,12}|[a-z0-9-]{60,66}(\\.[a-z]{1,3})?") {
            if is_canonical(&text) {
                prop_assert_eq!(HostName::parse_in_full(&text), Some(HostName(text)));
            }
        }
    }

    #[test]
    fn usual_names_are_canonical_and_addresses_are_not() {
        for text in ["a", "api.example.com", "a-b.c1", "1a.b"] {
            assert!(is_canonical(text), "{text}");
        }
        for text in [
            "",
            "a.",
            ".a",
            "a..b",
            "127.0.0.1",
            "a.1",
            "0x1",
            "a_b",
            "A",
            "xn--a",
            "-a",
            "a-",
            "a-.b",
            "ä",
        ] {
            assert!(!is_canonical(text), "{text}");
        }
    }

    fn matches(pattern: &str, host: &str, port: Option<u16>) -> bool {
        HostPattern::parse(pattern)
            .expect(pattern)
            .matches(&HostName::parse(host).expect(host), port)
    }

    #[test]
    fn hosts_are_compared_without_case_and_final_dot() {
        assert!(matches("API.example.com", "api.Example.com.", None));
        assert!(matches("[::1]", "[0:0::1]", Some(80)));
    }

    #[test]
    fn a_star_stands_for_at_least_one_label() {
        assert!(matches("*.example.com", "a.b.example.com", None));
        assert!(!matches("*.example.com", "example.com", None));
        assert!(matches("example.*", "example.org", None));
    }

    #[test]
    fn a_port_in_the_pattern_matches_that_port_only() {
        assert!(matches("example.com:8443", "example.com", Some(8443)));
        assert!(!matches("example.com:8443", "example.com", None));
    }

    #[test]
    fn a_host_that_is_too_long_in_its_one_form_is_refused() {
        let ascii = vec!["a".repeat(50); 4].join(".");
        assert!(HostName::parse(&format!("{ascii}.{}", "b".repeat(49))).is_some());
        assert_eq!(HostName::parse(&format!("{ascii}.{}", "b".repeat(50))), None);
        let grows = vec!["é"; 60].join(".");
        assert_eq!(HostName::parse(&grows), None, "`é` takes more room");
    }

    #[test]
    fn what_is_not_a_host_is_refused() {
        for text in ["", "*", "a.*.b", "http://a", "a/b", "a:0", "a:x", "a b", "*.*"] {
            assert!(HostPattern::parse(text).is_err(), "{text}");
        }
    }
}
