//! G-10, G-32: a path has one spelling for matching, keys, limits and the service.

use serde_json::json;

use super::client::converse;
use super::recorder::Recorder;
use super::support::{Configuration, get, id};

/// What stands between the beginning of a path and the protected part.
const WAYS: [&str; 24] = [
    "/",
    "//",
    "///",
    "/./",
    "/.//",
    "/x/../",
    "/x/..;/",
    "/x/..;a=b/",
    "/x/.;/../",
    "/x/%2e%2e/",
    "/x/%2E./",
    "/x/.%2e/",
    "/x/%252e%252e/",
    "/x/..%2f",
    "/x/..%5c",
    "/x/..\\",
    "/\\",
    "/%5c",
    "/%2f",
    "/;/",
    "/%3b/",
    "/x//../",
    "/x/..%00/",
    "/x/%c0%ae%c0%ae/",
];
/// The protected part.
const NAMES: [&str; 12] = [
    "admin",
    "%61dmin",
    "%61%64%6d%69%6e",
    "%2561dmin",
    "admin;",
    "admin;x=y",
    "admin%3b",
    "admin%00",
    "admin%0a",
    "admin%2f",
    "admin%5c",
    "a\\dmin",
];
/// What follows it.
const ENDS: [&str; 9] = ["", "/", "//", "/.", "/x", "/x/..", "/%2e", "?x", "/;y"];

/// What a lenient server might make of a path.
fn lenient(target: &str) -> String {
    let mut path = target.split(['?', '#']).next().unwrap_or_default().to_owned();
    path = decoded(&path).replace('\\', "/");
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment.split([';', '\0', '\n']).next().unwrap_or_default() {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    format!("/{}", segments.join("/"))
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn g_10_no_spelling_of_a_path_gets_around_the_key() {
    let recorder = Recorder::start().await;
    let gateway = Configuration::new()
        .service(1, &format!("http://{}", recorder.address))
        .route_with(2, 1, json!({"paths": ["/"], "strip_path": false}))
        .route_with(3, 1, json!({"paths": ["/admin"], "strip_path": false}))
        .plugin(4, "key-auth", json!({"route": id(3)}), json!({}))
        .start();
    let mut answered = [0; 6];
    for way in WAYS {
        for name in NAMES {
            for end in ENDS {
                let request = format!("GET {way}{name}{end} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
                let conversation = converse(gateway.proxy_addresses()[0], request.as_bytes()).await;
                let [status] = conversation.statuses.as_slice() else {
                    panic!("{request:?}: {}", conversation.text)
                };
                assert!([200, 400, 401].contains(status), "{request:?}: {}", conversation.text);
                answered[usize::from(status / 100)] += 1;
            }
        }
    }
    // Of `;` a service may make what it likes; it is part of the segment here, and of the path that was matched.
    let plain = |target: &String| !target.contains(';') && !target.contains("%3B");
    let reached: Vec<_> = recorder
        .seen()
        .into_iter()
        .map(|seen| seen.target)
        .filter(plain)
        .collect();
    let open: Vec<_> = reached
        .iter()
        .filter(|target| lenient(target).starts_with("/admin"))
        .collect();
    assert!(open.is_empty(), "{open:?}");
    assert!(answered[4] > 1_000, "{answered:?}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_10_what_was_matched_is_what_the_service_gets() {
    let recorder = Recorder::start().await;
    let gateway = Configuration::new()
        .service(1, &format!("http://{}", recorder.address))
        .route_with(2, 1, json!({"paths": ["/api/users"], "strip_path": false}))
        .start();
    for (sent, forwarded) in [
        ("/api/users", "/api/users"),
        ("//api//users", "/api/users"),
        ("/%61pi/users", "/api/users"),
        ("/api/users/%7Ejo", "/api/users/~jo"),
        ("/api/users/a%20b", "/api/users/a%20b"),
    ] {
        let request = format!("GET {sent} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let conversation = converse(gateway.proxy_addresses()[0], request.as_bytes()).await;
        assert_eq!(conversation.statuses, [200], "{sent}: {}", conversation.text);
        assert_eq!(recorder.seen().last().expect("one").target, forwarded);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_32_spellings_of_a_path_and_of_a_key_share_a_limit() {
    let recorder = Recorder::start().await;
    let gateway = Configuration::new()
        .service(1, &format!("http://{}", recorder.address))
        .route_with(2, 1, json!({"paths": ["/api"], "strip_path": false}))
        .plugin(3, "key-auth", json!({"route": id(2)}), json!({}))
        .plugin(
            4,
            "rate-limit",
            json!({"route": id(2)}),
            json!({"limits": [{"requests": 3, "window_seconds": 600}]}),
        )
        .consumer(10, "fjord")
        .key(11, 10, "Secret-Key")
        .start();
    let address = gateway.proxy_addresses()[0];
    for path in ["/api", "//api", "/%61pi"] {
        assert_eq!(
            get(address, path, &[("x-api-key", "Secret-Key")]).await.status,
            200,
            "{path}"
        );
    }
    for (path, name) in [
        ("/api", "x-api-key"),
        ("/api/", "X-Api-Key"),
        ("//%61pi?x", "X-API-KEY"),
    ] {
        assert_eq!(get(address, path, &[(name, "Secret-Key")]).await.status, 429, "{path}");
    }
    // Another spelling of the key is another key.
    assert_eq!(get(address, "/api", &[("x-api-key", "secret-key")]).await.status, 401);
    gateway.stop().await;
}
