//! The host that a request asks for.

use http::header::HOST;
use http::{Uri, Version};
use model::route::HostName;
use pingora_http::RequestHeader;

/// A host with the port that the client named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// The host in its canonical form.
    pub host: HostName,
    /// The port, when one was named.
    pub port: Option<u16>,
}

impl Authority {
    /// Reads `host` or `host:port`.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (text, None),
        };
        let port = match port {
            // An empty port is allowed and means the default one (RFC 3986, section 3.2.3).
            None | Some("") => None,
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(port.parse().ok().filter(|port| *port > 0)?)
            }
            Some(_) => return None,
        };
        Some(Self {
            host: HostName::parse(host)?,
            port,
        })
    }
}

/// The authority of a request: that of its target or of its `Host` header. When it has both they must be the same
/// (RFC 9113, section 8.3.1; stricter than RFC 9112, section 3.2.2), or what is behind the gateway might believe the
/// other one. `Ok(None)` is an HTTP/1.0 request without one; the error is a sentence for the client.
pub fn authority(request: &RequestHeader) -> Result<Option<Authority>, &'static str> {
    let mut headers = request.headers.get_all(HOST).iter();
    let header = headers.next();
    if headers.next().is_some() {
        return Err("The request has more than one Host header.");
    }
    let header = header.map(|header| {
        let text = header.to_str().ok();
        text.and_then(Authority::parse).ok_or("The Host header is not a host.")
    });
    let target = request.uri.authority().map(|authority| {
        let parsed = Authority::parse(authority.as_str());
        parsed.ok_or("The request's target has no valid host.")
    });
    match (target.transpose()?, header.transpose()?) {
        (Some(target), Some(header)) if !same(&target, &header, &request.uri) => {
            Err("The request's target and its Host header differ.")
        }
        (Some(authority), _) | (None, Some(authority)) => Ok(Some(authority)),
        (None, None) if request.version == Version::HTTP_10 => Ok(None),
        (None, None) => Err("The request has no Host header."),
    }
}

/// Whether two authorities are the same; the usual port of the target's scheme may be left out.
fn same(target: &Authority, header: &Authority, uri: &Uri) -> bool {
    let usual = match uri.scheme_str() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    };
    target.host == header.host && target.port.or(usual) == header.port.or(usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, Option<u16>)> {
        Authority::parse(text).map(|authority| (authority.host.as_str().to_owned(), authority.port))
    }

    #[test]
    fn hosts_have_one_form() {
        assert_eq!(
            read("API.Example.com.:8080"),
            Some(("api.example.com".to_owned(), Some(8080)))
        );
        assert_eq!(read("[2001:DB8::0:1]:80"), Some(("[2001:db8::1]".to_owned(), Some(80))));
        assert_eq!(read("[::1]"), Some(("[::1]".to_owned(), None)));
        assert_eq!(read("a.example:"), Some(("a.example".to_owned(), None)));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "", ":80", "a b", "a/b", "u@a", "a:0", "a:99999", "a:+80", "a:80:90", "*.a", "a%2e",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_target_and_a_host_header_that_differ_are_refused() {
        for (target, host, allowed) in [
            ("http://a.example/x", "a.example", true),
            ("http://A.example./x", "a.Example:80", true),
            ("https://a.example:443/x", "a.example", true),
            ("http://a.example/x", "b.example", false),
            ("http://a.example/x", "a.example:81", false),
            ("http://a.example:81/x", "a.example", false),
            ("http://u@a.example/x", "a.example", false),
            ("http://a.example/x", "", false),
            ("http://a.example/x", "u@a.example", false),
        ] {
            let mut request = RequestHeader::build("GET", b"/", None).expect("a request");
            request.set_uri(target.parse().expect("a target"));
            request.append_header("host", host).expect("room");
            assert_eq!(authority(&request).is_ok(), allowed, "{target} with {host}");
        }
    }

    #[test]
    fn a_repeated_host_is_refused_and_a_missing_one_only_from_http_1_1_on() {
        let mut request = RequestHeader::build("GET", b"/", None).expect("a request");
        assert!(authority(&request).is_err());
        request.set_version(Version::HTTP_10);
        assert_eq!(authority(&request), Ok(None));
        request.append_header("host", "a.example").expect("room");
        assert!(authority(&request).expect("valid").is_some());
        request.append_header("host", "a.example").expect("room");
        assert!(authority(&request).is_err());
    }
}
