//! What requests name: paths, hosts, clients.

use std::net::IpAddr;

use gateway::client_ip;
use gateway::host::Authority;
use gateway::path::{canonical, join};
use http::{HeaderMap, HeaderValue};
use ipnet::IpNet;

/// A canonical path is its own canonical form, and has nothing in it that servers read in two ways.
pub fn path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(path) = canonical(text) else { return };
    for merge in [false, true] {
        let seen = path.seen(merge);
        assert!(seen.starts_with('/'), "{seen:?} is no path");
        assert!(
            seen.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\'),
            "{seen:?} has odd bytes"
        );
        let dots = seen
            .split('/')
            .any(|segment| matches!(segment.split(';').next(), Some("." | "..")));
        assert!(!dots, "{seen:?} has a dot segment");
        let again = canonical(seen).map(|again| again.seen(merge).to_owned());
        assert_eq!(again.as_deref(), Ok(seen), "it changes again");
        assert!(
            !join("/base", seen).contains("base//") || seen.starts_with("//"),
            "a slash too many"
        );
    }
}

/// A host is its own canonical form.
pub fn host(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some(authority) = Authority::parse(text) else {
        return;
    };
    let host = authority.host.as_str();
    assert!(
        !host.is_empty() && host == host.to_ascii_lowercase(),
        "{host:?} is not canonical"
    );
    assert!(!host.contains(['/', '@', '?', '#', ' ', '*']), "{host:?} is no host");
    let port = authority.port.map(|port| format!(":{port}")).unwrap_or_default();
    assert_eq!(
        Authority::parse(&format!("{host}{port}")),
        Some(authority),
        "it changes again"
    );
}

/// The client is the peer unless a trusted proxy says otherwise, and never a trusted proxy while there is somebody else.
pub fn client(data: &[u8]) {
    let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"]
        .iter()
        .filter_map(|network| network.parse().ok())
        .collect();
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(100) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append("x-forwarded-for", value);
        }
    }
    let stranger: IpAddr = [203, 0, 113, 9].into();
    assert_eq!(
        client_ip(stranger, &headers, &trusted),
        stranger,
        "a stranger was believed"
    );
    let proxy: IpAddr = [10, 0, 0, 1].into();
    let found = client_ip(proxy, &headers, &trusted);
    // What the client puts on the left changes nothing once a stranger was found.
    if !trusted.iter().any(|network| network.contains(&found)) {
        let mut forged = HeaderMap::new();
        forged.append("x-forwarded-for", HeaderValue::from_static("6.6.6.6, 10.0.0.9"));
        for value in headers.get_all("x-forwarded-for") {
            forged.append("x-forwarded-for", value.clone());
        }
        assert_eq!(client_ip(proxy, &forged, &trusted), found, "a forged address counts");
    }
}
