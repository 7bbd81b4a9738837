//! Names of the session cookies.
//!
//! Console and portal may share a host, and cookies do not know ports, so the names differ. The `__Host-` prefix
//! (RFC 6265bis, 4.1.3.2) binds a cookie to this very host and to https; only http on a loopback address goes without.

use super::AccountKind;

/// The console's cookie on an http loopback address.
pub const CONSOLE: &str = "gatehouse_console";
/// The portal's cookie on an http loopback address.
pub const PORTAL: &str = "gatehouse_portal";
/// The console's cookie everywhere else.
pub const HOST_CONSOLE: &str = "__Host-gatehouse_console";
/// The portal's cookie everywhere else.
pub const HOST_PORTAL: &str = "__Host-gatehouse_portal";

/// How to set a session cookie; always also `HttpOnly`, `SameSite=Lax`, `Path=/`, without `Domain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cookie {
    /// Its name.
    pub name: &'static str,
    /// Whether it carries `Secure`.
    pub secure: bool,
}

/// The session cookie of this kind of account under the URL by which browsers reach it.
pub fn cookie(kind: AccountKind, public_url: &str) -> Cookie {
    let secure = !is_plain_loopback(public_url);
    let name = match (kind, secure) {
        (AccountKind::Admin, true) => HOST_CONSOLE,
        (AccountKind::Admin, false) => CONSOLE,
        (AccountKind::Developer, true) => HOST_PORTAL,
        (AccountKind::Developer, false) => PORTAL,
    };
    Cookie { name, secure }
}

fn is_plain_loopback(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let loopback = host
        .parse::<std::net::IpAddr>()
        .is_ok_and(|address| address.is_loopback());
    loopback || host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_on_a_loopback_address_goes_without_the_prefix() {
        for url in [
            "http://localhost:8001",
            "http://127.0.0.1",
            "http://[::1]:8001/",
            "http://shop.localhost:1",
        ] {
            assert_eq!(
                cookie(AccountKind::Admin, url),
                Cookie {
                    name: CONSOLE,
                    secure: false
                },
                "{url}"
            );
        }
        for url in [
            "https://localhost",
            "http://example.com",
            "http://localhost.evil.example",
            "http://10.0.0.1:8001",
        ] {
            assert_eq!(
                cookie(AccountKind::Developer, url),
                Cookie {
                    name: HOST_PORTAL,
                    secure: true
                },
                "{url}"
            );
        }
    }
}
