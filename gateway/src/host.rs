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

/// The authority of a request: that of an absolute target before the `Host` header (RFC 9112, section 3.2.2).
/// `Ok(None)` is an HTTP/1.0 request without one; the error is a sentence for the client.
pub fn authority(request: &RequestHeader) -> Result<Option<Authority>, &'static str> {
    let mut headers = request.headers.get_all(HOST).iter();
    let header = headers.next();
    if headers.next().is_some() {
        return Err("The request has more than one Host header.");
    }
    let text = match (in_target(&request.uri), header) {
        (Some(target), _) => target,
        (None, Some(header)) => header.to_str().map_err(|_| "The Host header is not a host.")?,
        (None, None) if request.version == Version::HTTP_10 => return Ok(None),
        (None, None) => return Err("The request has no Host header."),
    };
    Authority::parse(text).map(Some).ok_or("The Host header is not a host.")
}

fn in_target(uri: &Uri) -> Option<&str> {
    uri.authority().map(http::uri::Authority::as_str)
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
