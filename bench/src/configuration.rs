//! What Gatehouse is configured with, of any size: as the gateway's own copy, or as rows of the database.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::copy;

/// The secret of every deployment that is measured.
pub(crate) const SECRET: [u8; 32] = [3; 32];
/// Where ids of each kind begin.
const SERVICE: u128 = 1;
const PLUGINS: u128 = 10;
const CONSUMERS: u128 = 1 << 32;
const KEYS: u128 = 1 << 64;
const ROUTES: u128 = 1 << 96;
/// So many requests in a minute for each consumer: never too few, so that every request is counted and none refused.
const LIMIT: u32 = 4_000_000_000;

/// The size of a configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Configuration {
    /// Where the service is.
    pub(crate) service: SocketAddr,
    /// Routes, each with a path of its own.
    pub(crate) routes: u32,
    /// Keys, shared out among at most a thousand consumers; with none, no key is asked for.
    pub(crate) keys: u32,
}

/// One object.
pub(crate) struct Entry {
    pub(crate) kind: &'static str,
    pub(crate) id: u128,
    pub(crate) body: Value,
}

fn entry(kind: &'static str, id: u128, body: Value) -> Entry {
    Entry { kind, id, body }
}

/// A number in the form of a UUID.
pub(crate) fn uuid(number: u128) -> String {
    let hex = format!("{number:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// The path of a route.
pub(crate) fn path(number: u32) -> String {
    format!("/team-{}/api-{number}", number % 100)
}

/// A key, as one that was made elsewhere: it has no checksum.
pub(crate) fn key(number: u32) -> String {
    format!("bench-{number:08}-5bK7mQ2xV9wR4tY8")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn hash(key: &str) -> String {
    let mut mac = <Hmac<Sha256> as hmac::Mac>::new_from_slice(&SECRET).expect("HMAC takes keys of any length");
    mac.update(key.as_bytes());
    hex(&mac.finalize().into_bytes())
}

/// A route as control stores it; `variant` changes something that does not matter for requests.
pub(crate) fn route(number: u32, variant: u64) -> Entry {
    let body = json!({
        "name": format!("route-{number}"), "service": uuid(SERVICE), "protocols": ["http", "https"], "hosts": [],
        "paths": [path(number)], "methods": [], "headers": {}, "priority": 0, "regex_priority": 0, "strip_path": true,
        "preserve_host": false, "encoded_slashes": "reject", "merge_slashes": true, "tags": [format!("v{variant}")],
        "enabled": true,
    });
    entry("route", ROUTES + u128::from(number), body)
}

impl Configuration {
    /// Every object, one after the other.
    pub(crate) fn entries(self) -> impl Iterator<Item = Entry> {
        let consumers = self.keys.min(1000);
        let routes = (0..self.routes).map(|number| route(number, 0));
        let people = (0..consumers).map(consumer);
        let keys = (0..self.keys).map(move |number| credential(number, number % consumers));
        std::iter::once(self.service_entry())
            .chain(protection().into_iter().filter(move |_| self.keys > 0))
            .chain(people)
            .chain(keys)
            .chain(routes)
    }

    fn service_entry(self) -> Entry {
        let body = json!({
            "name": "service", "url": format!("http://{}", self.service), "connect_timeout_ms": 2000,
            "response_timeout_ms": 15000, "idle_timeout_ms": 60000, "retries": 1, "tls_verify": true, "tags": [],
            "enabled": true,
        });
        entry("service", SERVICE, body)
    }

    /// Writes the gateway's own copy.
    pub(crate) fn write_copy(self, directory: &Path) -> Result<()> {
        copy::write(directory, self.entries())
    }

    /// Writes rows in the text format of `copy`.
    pub(crate) fn write_rows(self, path: &Path) -> Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        for Entry { kind, id, body } in self.entries() {
            let (id, body) = (uuid(id), body.to_string().replace('\\', r"\\"));
            writeln!(file, "{kind}\t{id}\t1\t{body}")?;
        }
        Ok(file.flush()?)
    }

    /// Requests for a body of `size` bytes, spread over a thousand of the routes and of the keys.
    pub(crate) fn requests(self, size: usize) -> Vec<Vec<u8>> {
        let spread = |number: u32, all: u32| {
            if all < 1000 {
                number % all
            } else {
                number * (all / 1000)
            }
        };
        let request = |number: u32| {
            let path = path(spread(number, self.routes));
            let key = if self.keys == 0 {
                String::new()
            } else {
                key(spread(number, self.keys))
            };
            request(&path, &key, size)
        };
        (0..1000).map(request).collect()
    }
}

/// A request as a small client sends it.
pub(crate) fn request(path: &str, key: &str, size: usize) -> Vec<u8> {
    let key = if key.is_empty() {
        String::new()
    } else {
        format!("X-Api-Key: {key}\r\n")
    };
    format!("GET {path}/{size} HTTP/1.1\r\nHost: api.example.test\r\nUser-Agent: bench/1\r\nAccept: */*\r\n{key}\r\n")
        .into_bytes()
}

/// A key is asked for, and each consumer has a limit.
fn protection() -> [Entry; 2] {
    let plugin = |number: u128, name: &str, config: Value| {
        let body = json!({"plugin": name, "config": config, "position": 0, "tags": [], "enabled": true});
        entry("plugin", PLUGINS + number, body)
    };
    let limits = json!({"limits": [{"requests": LIMIT, "window_seconds": 60, "by": "consumer"}]});
    [plugin(0, "key-auth", json!({})), plugin(1, "rate-limit", limits)]
}

fn consumer(number: u32) -> Entry {
    let body = json!({"name": format!("consumer-{number}"), "custom_id": null, "status": "active", "grants": null});
    entry("consumer", CONSUMERS + u128::from(number), body)
}

fn credential(number: u32, consumer: u32) -> Entry {
    let body = json!({
        "consumer": uuid(CONSUMERS + u128::from(consumer)), "kind": "key", "hash": hash(&key(number)),
        "identifier": format!("bench-{number:08}"), "status": "active", "ip_allow": [], "expires_at": null,
    });
    entry("credential", KEYS + u128::from(number), body)
}

/// The secret as the program takes it.
pub(crate) fn secret() -> String {
    hex(&SECRET)
}
