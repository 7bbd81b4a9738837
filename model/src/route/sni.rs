//! Server names that a route asks for: what a client names in its TLS handshake (RFC 6066, section 3).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::host::HostName;

/// A server name of a route: exact, or everything below a domain.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SniPattern {
    /// This name, in lower case.
    Exact(String),
    /// `*.example.com`: the end of the name from the dot on, `.example.com`; at least one label stands before it.
    Below(String),
}

impl SniPattern {
    /// Reads a pattern; the error is a sentence for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (below, name) = text.strip_prefix("*.").map_or((false, text), |name| (true, name));
        let host = HostName::parse(name).ok_or("must be a host name, such as `api.example.com` or `*.example.com`")?;
        let host = host.as_str();
        if host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok() {
            return Err("must be a name: clients never send an address as the server name".to_owned());
        }
        Ok(if below {
            Self::Below(format!(".{host}"))
        } else {
            Self::Exact(host.to_owned())
        })
    }

    /// Whether a server name matches; a trailing dot and case do not count.
    pub fn matches(&self, sni: &str) -> bool {
        let sni = sni.strip_suffix('.').unwrap_or(sni);
        match self {
            Self::Exact(name) => sni.eq_ignore_ascii_case(name),
            Self::Below(suffix) => {
                let at = sni.len().checked_sub(suffix.len()).filter(|at| *at > 0);
                let tail = at.and_then(|at| sni.get(at..));
                tail.is_some_and(|tail| tail.eq_ignore_ascii_case(suffix))
            }
        }
    }

    /// How much it fixes, greatest for exact names, then by length.
    pub fn rank(&self) -> (u8, usize) {
        match self {
            Self::Exact(_) => (2, 0),
            Self::Below(suffix) => (1, suffix.len()),
        }
    }

    /// Whether every name that `other` takes is taken.
    pub(super) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(one), Self::Exact(other)) => one == other,
            (Self::Exact(_), Self::Below(_)) => false,
            (Self::Below(_), Self::Exact(name)) => self.matches(name),
            (Self::Below(one), Self::Below(other)) => other.ends_with(one.as_str()),
        }
    }
}

impl fmt::Display for SniPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Below(suffix) => write!(f, "*{suffix}"),
        }
    }
}

impl TryFrom<String> for SniPattern {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<SniPattern> for String {
    fn from(pattern: SniPattern) -> Self {
        pattern.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> SniPattern {
        SniPattern::parse(text).expect(text)
    }

    #[test]
    fn names_are_compared_without_case_and_final_dot() {
        assert!(pattern("API.example.com.").matches("api.EXAMPLE.com"));
        assert!(pattern("*.example.com").matches("a.b.Example.com."));
        assert!(!pattern("*.example.com").matches("example.com"));
        assert!(!pattern("*.example.com").matches("badexample.com"));
        assert!(!pattern("*.example.com").matches(".example.com"));
    }

    #[test]
    fn what_no_client_names_is_refused() {
        for text in ["", "*", "*.*", "a.*", "10.0.0.1", "[::1]", "a:443", "a/b", "*."] {
            assert!(SniPattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_wildcard_covers_the_names_below_it() {
        assert!(pattern("*.example.com").covers(&pattern("a.example.com")));
        assert!(pattern("*.example.com").covers(&pattern("*.a.example.com")));
        assert!(!pattern("*.a.example.com").covers(&pattern("*.example.com")));
        assert!(!pattern("*.example.com").covers(&pattern("example.com")));
    }
}
