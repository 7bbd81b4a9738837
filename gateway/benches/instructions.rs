//! How many instructions the steps of a request take, each with the most that it may: `make counts`.
//!
//! Callgrind counts them, so that neither the machine nor its other work matters. A limit is about 15 % above what was
//! counted when it was set; a step that needs more fails. One that was made cheaper gets a lower limit.

#![expect(
    missing_docs,
    unused_qualifications,
    reason = "the macros make public items and name them in full"
)]
#![expect(clippy::expect_used, reason = "a bench that cannot be set up shall fail")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use gateway::router::{self, Match, Wanted};
use gateway::runtime::{Builder, Chain, Link, Runtime};
use gateway::{host, path};
use gungraun::{Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main};
use hmac::{Hmac, Mac as _};
use http::Method;
use model::Kind;
use model::credential::{CredentialKind, CredentialStatus, KeySecret};
use model::id::{ConsumerId, RouteId, ServiceId};
use model::service::Scheme;
use model::snapshot::{ConsumerRow, ConsumerStatus, CredentialRow, Entry};
use pingora_http::RequestHeader;
use plugins::directory::{Directory as _, KeyMatch};
use plugins::{Exchange, Facts, Flow, Outcome, REGISTRY};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

const SECRET: [u8; 32] = [7; 32];
const TARGET: &str = "/v1/resource-5/items/17?page=2";
const KEY: u32 = 5;
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A configuration, and a request that one of its routes takes and whose key is known.
struct World {
    runtime: Arc<Runtime>,
    request: RequestHeader,
    key: KeySecret,
    facts: Facts,
    chain: Chain,
}

/// The objects of each kind have numbers of their own.
fn id(kind: Kind, number: u32) -> Uuid {
    Uuid::from_u64_pair(kind as u64 + 1, number.into())
}

fn entry(kind: Kind, number: u32, body: impl Serialize) -> Entry {
    Entry {
        kind,
        id: id(kind, number),
        revision: 1,
        body: Some(serde_json::to_value(body).expect("JSON")),
    }
}

fn service() -> Value {
    json!({
        "name": "orders", "url": "http://127.0.0.1:9", "connect_timeout_ms": 1, "response_timeout_ms": 1,
        "idle_timeout_ms": 1, "retries": 0, "tls_verify": true, "tags": [], "enabled": true
    })
}

fn route(number: u32) -> Value {
    json!({
        "name": format!("r{number}"), "service": id(Kind::Service, 0), "protocols": ["http", "https"],
        "hosts": ["api.example.com"], "paths": [format!("/v1/resource-{number}/items")], "methods": ["GET"],
        "headers": {}, "priority": 0, "regex_priority": 0, "strip_path": true, "preserve_host": false,
        "encoded_slashes": "reject", "merge_slashes": true, "tags": [], "enabled": true
    })
}

fn plugin(name: &str, config: Value) -> Value {
    json!({"plugin": name, "config": config, "position": 0, "tags": [], "enabled": true})
}

fn key(number: u32) -> KeySecret {
    KeySecret::presented(format!("key-number-{number:024}"))
}

fn consumer() -> ConsumerRow {
    ConsumerRow {
        name: "shop".to_owned(),
        custom_id: None,
        status: ConsumerStatus::Active,
        grants: None,
    }
}

fn credential(number: u32) -> CredentialRow {
    let mut mac = Hmac::<Sha256>::new_from_slice(&SECRET).expect("any length");
    mac.update(key(number).expose().as_bytes());
    CredentialRow {
        consumer: ConsumerId(id(Kind::Consumer, 0)),
        kind: CredentialKind::Key,
        hash: format!("{:x}", mac.finalize().into_bytes()),
        identifier: format!("key-{number}"),
        status: CredentialStatus::Active,
        ip_allow: Vec::new(),
        expires_at: None,
    }
}

fn configuration(routes: u32, keys: u32) -> Vec<Entry> {
    let limits = json!({"limits": [{"requests": 1_000_000, "window_seconds": 60, "by": "consumer"}]});
    let mut entries = vec![
        entry(Kind::Service, 0, service()),
        entry(Kind::Consumer, 0, consumer()),
        entry(Kind::Plugin, 0, plugin("key-auth", json!({}))),
        entry(Kind::Plugin, 1, plugin("rate-limit", limits)),
    ];
    entries.extend((0..routes).map(|number| entry(Kind::Route, number, route(number))));
    entries.extend((0..keys).map(|number| entry(Kind::Credential, number, credential(number))));
    entries
}

fn request(key: &KeySecret) -> RequestHeader {
    let mut request = RequestHeader::build("GET", TARGET.as_bytes(), None).expect("a request");
    for (name, value) in [
        ("host", "api.example.com"),
        ("user-agent", "bench/1"),
        ("x-api-key", key.expose()),
    ] {
        request.append_header(name, value).expect("a header");
    }
    request
}

fn facts(route: RouteId) -> Facts {
    Facts {
        received_at: plugins::testing::start(),
        request_id: "bench".to_owned(),
        client_ip: CLIENT,
        scheme: Scheme::Http,
        host: "api.example.com".to_owned(),
        path: TARGET.to_owned(),
        query: None,
        parameters: Vec::new(),
        route,
        service: ServiceId(id(Kind::Service, 0)),
        identity: None,
        response_headers: Vec::new(),
    }
}

/// A configuration of this size with a request that has been served before: what is made when it is first needed is there.
fn world(routes: u32, keys: u32) -> World {
    let entries = configuration(routes, keys);
    let runtime = Builder::new(&SECRET, &REGISTRY, plugins::testing::services()).apply(1, &entries);
    let key = key(KEY);
    let asked = request(&key);
    let found = find(&runtime, &asked).expect("a route").route;
    let mut world = World {
        chain: runtime.routes.get(&found).expect("the route").chain.clone(),
        runtime,
        request: asked,
        key,
        facts: facts(found),
    };
    world.run_all();
    assert!(world.facts.identity.is_some(), "the key is not known");
    // The key is hidden from the service.
    world.request = request(&world.key);
    world.facts = facts(found);
    world
}

/// The same, its caller known.
fn known(routes: u32, keys: u32) -> World {
    let mut world = world(routes, keys);
    let chain = world.chain.clone();
    world.run(chain.before_identity());
    world
}

fn find(runtime: &Runtime, request: &RequestHeader) -> Option<Match> {
    let authority = host::authority(request).ok()??;
    let path = path::canonical(request.uri.path()).ok()?;
    let wanted = Wanted {
        host: Some(&authority.host),
        port: Some(80),
        scheme: Scheme::Http,
        path: &path,
        method: &Method::GET,
        headers: &request.headers,
        query: request.uri.query(),
        sni: None,
        source: CLIENT,
        kind: router::kind_of(&request.headers, None),
    };
    runtime.router.find(&wanted).ok()
}

impl World {
    fn run(&mut self, links: &[Link]) {
        for link in links {
            let mut exchange = Exchange {
                request: &mut self.request,
                facts: &mut self.facts,
                directory: &self.runtime.known,
            };
            let admitted = matches!(link.filter.on_request(&mut exchange), Outcome::Ready(Flow::Continue));
            assert!(admitted, "{} refused", link.plugin);
        }
    }

    fn run_all(&mut self) {
        let chain = self.chain.clone();
        self.run(chain.before_identity());
        self.run(chain.after_identity());
    }
}

fn at_most(instructions: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::default();
    callgrind.hard_limits([(EventKind::Ir, instructions)]);
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    config
}

// Reads host and path, and finds the route.
#[library_benchmark(setup = world)]
#[bench::of_10(args = (10, 10), config = at_most(4_200))]
#[bench::of_10_000(args = (10_000, 10), config = at_most(4_300))]
fn matcher(world: World) -> (World, Option<Match>) {
    let found = find(black_box(&world.runtime), black_box(&world.request));
    (world, found)
}

// Hashes a key and looks for it.
#[library_benchmark(setup = world)]
#[bench::of_10(args = (10, 10), config = at_most(8_900))]
#[bench::of_10_000(args = (10, 10_000), config = at_most(8_900))]
fn probe(world: World) -> (World, Option<KeyMatch>) {
    let found = world.runtime.known.find_key(black_box(&world.key));
    (world, found)
}

// Takes one request off what a consumer may.
#[library_benchmark(setup = known)]
#[bench::of_a_consumer(args = (10, 10), config = at_most(5_100))]
fn limiter(mut world: World) -> World {
    let chain = world.chain.clone();
    world.run(black_box(chain.after_identity()));
    world
}

// The route, who calls, and its limit.
#[library_benchmark(setup = world)]
#[bench::of_10_000(args = (10_000, 10_000), config = at_most(23_000))]
fn chain(mut world: World) -> (World, Option<Match>) {
    let found = find(black_box(&world.runtime), black_box(&world.request));
    world.run_all();
    (world, found)
}

library_benchmark_group!(name = steps, benchmarks = [matcher, probe, limiter, chain]);

main!(library_benchmark_groups = steps);
