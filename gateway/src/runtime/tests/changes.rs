//! Snapshots after changes, held against those of a start.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::Kind;
use model::id::{RouteId, ServiceId};
use model::route::{HostName, RequestKind};
use model::service::Scheme;
use model::snapshot::Entry;
use plugins::directory::Directory as _;
use proptest::prelude::*;
use serde_json::json;

use super::super::{Chain, Runtime};
use super::{builder, consumer, entry, id, limit, plugin, route, service};
use crate::path::canonical;
use crate::router::Wanted;

/// A change of one of a few objects; `None` deletes it.
fn any_change() -> impl Strategy<Value = (Kind, u128, Option<u8>)> {
    let kinds = [
        Kind::Service,
        Kind::Route,
        Kind::Upstream,
        Kind::Target,
        Kind::Plugin,
        Kind::Consumer,
    ];
    let kind = prop::sample::select(kinds.to_vec());
    (kind, 0_u128..6, prop::option::weighted(0.8, 0_u8..24))
}

/// The entry of a change: `look` decides what the object is like.
fn changed(kind: Kind, number: u128, look: Option<u8>) -> Entry {
    let place = kind as u128 * 100 + number;
    let Some(look) = look else {
        return entry(kind, place, None);
    };
    let of = |kind: Kind, number: u8| id(kind as u128 * 100 + u128::from(number));
    let (low, high) = (look % 4, look / 4);
    let is_on = high != 5;
    let mut made = match kind {
        Kind::Service if low == 3 => service(place, &format!("http://10.0.0.{high}:81")),
        Kind::Service => {
            let mut made = service(place, "http://a.test");
            let body = made.body.as_mut().expect("a body");
            body.as_object_mut().expect("an object").remove("url");
            body["upstream"] = json!(of(Kind::Upstream, low));
            made
        }
        Kind::Route => {
            let paths = ["/a", "/a/b", "=/a", "/{one}/b", "~^/a/[a-z]+$", "/b"];
            let mut made = route(place, 0, paths[usize::from(high)]);
            let body = made.body.as_mut().expect("a body");
            body["service"] = json!(of(Kind::Service, low));
            body["hosts"] = [
                json!([]),
                json!(["a.test"]),
                json!(["*.test", "b.test:81"]),
                json!(["a.*"]),
            ][usize::from(low)]
            .clone();
            made
        }
        Kind::Upstream => entry(kind, place, Some(json!({"name": format!("u{low}"), "tags": []}))),
        Kind::Target => {
            let body =
                json!({"upstream": of(Kind::Upstream, low), "address": "10.0.0.9:80", "weight": high, "tags": []});
            entry(kind, place, Some(body))
        }
        Kind::Plugin => {
            let scope = [
                json!({}),
                json!({"service": of(Kind::Service, high % 3)}),
                json!({"route": of(Kind::Route, high % 3)}),
                json!({"consumer": of(Kind::Consumer, high % 3)}),
            ];
            let names = [
                ("cors", json!({})),
                ("key-auth", json!({})),
                ("rate-limit", limit(u32::from(look) + 1)),
            ];
            let (name, config) = names[usize::from(look % 3)].clone();
            plugin(place, name, scope[usize::from(low)].clone(), config)
        }
        _ => consumer(place, None),
    };
    if kind != Kind::Consumer {
        made.body.as_mut().expect("a body")["enabled"] = json!(is_on);
    }
    made
}

/// Everything of a snapshot that requests can see, in words.
fn shown(runtime: &Runtime) -> BTreeMap<String, String> {
    let mut shown = BTreeMap::new();
    let chain = |chain: &Chain| -> Vec<String> {
        let links = chain.links().iter();
        links.map(|link| format!("{} {}", link.instance, link.plugin)).collect()
    };
    for (id, route) in runtime.routes.iter() {
        let words = (
            &route.name,
            route.service.id,
            &route.service.host,
            chain(&route.chain),
            route.authenticates,
        );
        shown.insert(format!("route {id}"), format!("{words:?}"));
    }
    for (id, service) in runtime.services.iter() {
        let targets: Vec<_> = service
            .pool
            .endpoints()
            .iter()
            .map(|endpoint| endpoint.socket)
            .collect();
        shown.insert(
            format!("service {id}"),
            format!("{} {:?} {targets:?}", service.name, service.host),
        );
    }
    for (id, of_consumer) in runtime.consumer_chains.iter() {
        shown.insert(format!("consumer {id}"), format!("{:?}", chain(of_consumer)));
    }
    for host in ["a.test", "b.test", "c.a.test", "a.example", "other.example"] {
        let host = HostName::parse(host).expect("a host");
        for (path, port) in [("/a", 80), ("/a/b", 80), ("/x/b", 81), ("/a/bc", 81), ("/", 80)] {
            let canonical = canonical(path).expect("a path");
            let found = runtime.router.find(&Wanted {
                host: Some(&host),
                port: Some(port),
                scheme: Scheme::Http,
                path: &canonical,
                method: &http::Method::GET,
                headers: &http::HeaderMap::new(),
                query: None,
                sni: None,
                source: std::net::Ipv4Addr::LOCALHOST.into(),
                kind: RequestKind::Plain,
            });
            shown.insert(format!("{} {path} {port}", host.as_str()), format!("{found:?}"));
        }
    }
    for name in 0..6 {
        let found = runtime
            .known
            .find_consumer(&format!("c{}", Kind::Consumer as u128 * 100 + name));
        shown.insert(format!("consumer {name}"), format!("{found:?}"));
    }
    shown
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn whatever_changed_a_snapshot_is_that_of_a_start(
        revisions in prop::collection::vec(prop::collection::vec(any_change(), 1..4), 1..25),
    ) {
        let (mut changing, mut rows) = (builder(), BTreeMap::new());
        for changes in revisions {
            let mut last = BTreeMap::new();
            for (kind, number, look) in changes {
                last.insert((kind, number), changed(kind, number, look));
            }
            let entries: Vec<Entry> = last.values().cloned().collect();
            rows.extend(last);
            let after = changing.apply(1, &entries);
            let mut fresh = builder();
            let all: Vec<Entry> = rows.values().filter(|entry| entry.body.is_some()).cloned().collect();
            let start = fresh.apply(1, &all);
            prop_assert_eq!(shown(&after), shown(&start));
            prop_assert_eq!(changing.problems(), fresh.problems());
        }
    }
}

#[test]
fn only_what_a_change_concerns_is_made_anew() {
    let mut builder = builder();
    let entries = [
        service(1, "http://a.test"),
        service(2, "http://b.test"),
        route(3, 1, "/x"),
        route(4, 2, "/y"),
        plugin(5, "cors", json!({"service": id(2)}), json!({})),
    ];
    let mut before = builder.apply(1, &entries);
    let mut stays = |entry: Entry, expected: [bool; 4]| {
        let after = builder.apply(2, &[entry]);
        let route = |number| {
            let (before, after) = (&before.routes, &after.routes);
            let id = RouteId(id(number));
            Arc::ptr_eq(before.get(&id).expect("served"), after.get(&id).expect("served"))
        };
        let service = |number| {
            let id = ServiceId(id(number));
            Arc::ptr_eq(&before.services[&id], &after.services[&id])
        };
        assert_eq!([route(3), route(4), service(1), service(2)], expected);
        before = after;
    };
    stays(route(6, 1, "/z"), [true; 4]);
    stays(consumer(7, None), [true; 4]);
    stays(service(1, "http://c.test"), [false, true, false, true]);
    stays(
        plugin(
            5,
            "cors",
            json!({"service": id(2)}),
            json!({"allow_credentials": true, "allow_origins": ["https://a.test"]}),
        ),
        [true, false, true, true],
    );
    stays(
        plugin(8, "cors", json!({"route": id(3)}), json!({})),
        [false, true, true, true],
    );
    stays(plugin(9, "key-auth", json!({}), json!({})), [false, false, true, true]);
    stays(plugin(10, "key-auth", json!({"consumer": id(7)}), json!({})), [true; 4]);
}
