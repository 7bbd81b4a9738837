//! A shop with several APIs, callers and traffic, for pictures that look like somebody's day.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};

use super::PROXY;
use crate::clients::{Api, Proxy};
use crate::eventually;
use crate::stack::{Stack, Storage};
use crate::upstream::Upstream;

/// Calls that are under way at once.
const AT_ONCE: usize = 12;
/// What the developer's application sends.
const APPLICATION: (&str, usize) = ("GET /v1/orders", 64);

fn read() -> Value {
    serde_json::from_str(include_str!("shop.json")).expect("JSON")
}

fn list<'a>(shop: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    shop[name].as_array().expect("a list").iter()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// Configures the shop, and returns the keys of its consumers.
pub(super) async fn furnish(api: &Api, upstream: &Upstream) -> BTreeMap<String, String> {
    let shop = read();
    api.make("/upstreams", json!({"name": "search-eu"})).await;
    let target = json!({"upstream": "search-eu", "address": upstream.address.to_string()});
    api.make("/targets", target).await;
    for service in list(&shop, "services") {
        let mut service = service.clone();
        if service["upstream"].is_null() {
            service["url"] = upstream.url().into();
        }
        api.make("/services", service).await;
    }
    for (list_name, path) in [
        ("routes", "/routes"),
        ("plugins", "/plugins"),
        ("consumers", "/consumers"),
    ] {
        for object in list(&shop, list_name) {
            api.make(path, object.clone()).await;
        }
    }
    offer(api, &shop).await;
    let mut keys = BTreeMap::new();
    for consumer in list(&shop, "consumers") {
        let name = text(consumer, "name");
        keys.insert(name.to_owned(), api.key(name).await.secret);
    }
    keys
}

/// What developers find in the portal.
async fn offer(api: &Api, shop: &Value) {
    let orders: Value = serde_json::from_str(include_str!("../../../src/demo/openapi.json")).expect("JSON");
    let entry = json!({
        "name": "orders", "title": "Orders", "api_version": "v1.9", "service": "orders", "base_url": format!("{PROXY}/v1"),
        "summary": "Create and track orders from cart to doorstep.", "state": "published", "document": orders
    });
    api.make("/apis", entry).await;
    for listed in list(shop, "apis") {
        let mut entry = listed.clone();
        let operations = entry.as_object_mut().and_then(|entry| entry.remove("operations"));
        entry["document"] = document(operations.as_ref().expect("operations"));
        (entry["base_url"], entry["state"]) = (format!("{PROXY}/v1").into(), "published".into());
        api.make("/apis", entry).await;
    }
    let names: Vec<&str> = list(shop, "apis").map(|api| text(api, "name")).collect();
    let all: Vec<&str> = names.into_iter().chain(["orders"]).collect();
    api.make(
        "/products",
        json!({"name": "commerce", "title": "Commerce", "apis": all}),
    )
    .await;
    for (name, title, requests) in [("free", "Free", 60), ("business", "Business", 600)] {
        let plan = json!({
            "name": name, "title": title, "product": "commerce", "state": "published", "approval": "auto",
            "limits": [{"requests": requests, "window_seconds": 60}]
        });
        api.make("/plans", plan).await;
    }
}

/// A document with these operations, such as `GET /stock`.
fn document(operations: &Value) -> Value {
    let mut paths = json!({});
    for operation in operations.as_array().expect("a list") {
        let (method, path) = operation.as_str().expect("a text").split_once(' ').expect("a method");
        paths[path][method.to_lowercase()] = json!({"responses": {"200": {"description": "What was asked for."}}});
    }
    json!({"openapi": "3.1.0", "info": {"title": "API", "version": "1"}, "paths": paths})
}

/// Sends what the shop's callers and the developer's application send.
pub(super) async fn call(proxy: &Proxy, keys: &BTreeMap<String, String>, application: &str) {
    let shop = read();
    let mut calls = Vec::new();
    for kind in list(&shop, "traffic") {
        let key = keys.get(text(kind, "by")).map_or("", String::as_str);
        let (times, delay) = (
            kind["times"].as_u64().unwrap_or(1),
            kind["delay_ms"].as_u64().unwrap_or(0),
        );
        // Some answers take longer than others.
        calls.extend((0..times).map(|number| (text(kind, "call"), key, delay * (4 + number * number % 7) / 6)));
    }
    calls.extend((0..APPLICATION.1).map(|_| (APPLICATION.0, application, 30)));
    let sent = stream::iter(calls).map(|(line, key, delay)| async move {
        let (method, target) = line.split_once(' ').expect("a method");
        let sign = if target.contains('?') { '&' } else { '?' };
        let call = proxy.call(method, &format!("{target}{sign}delay_ms={delay}"));
        let call = if key.is_empty() {
            call
        } else {
            call.header("x-api-key", key)
        };
        call.send().await;
    });
    let sending = sent.buffer_unordered(AT_ONCE).collect::<Vec<()>>();
    tokio::time::timeout(Duration::from_secs(60), sending)
        .await
        .expect("answers in time");
}

/// Nobody waits two days for a chart: what was counted just now is taken to have been so before, more by day and less
/// by night, with a bad quarter of an hour.
const TWO_DAYS: &str = "
    insert into usage_buckets
    select bucket - ago * interval '10 minutes', seconds, route_id, service_id, consumer_id, credential_id, status, reason,
           scaled.requests, latency_us * scaled.requests / greatest(usage_buckets.requests, 1),
           upstream_us * scaled.requests / greatest(usage_buckets.requests, 1), scaled.histogram
    from usage_buckets
    cross join generate_series(1, 287) as past(ago)
    cross join lateral (
        select (0.7 - 0.3 * cos((extract(epoch from bucket) / 86400 - ago / 144.0 - 3 / 24.0) * 2 * pi()) + 0.06 * sin(ago * 2.3))
               * case when status >= 500 and ago between 40 and 42 then 25 else 1 end as factor
    ) as wave
    cross join lateral (
        select sum(round(count * factor))::bigint as requests, array_agg(round(count * factor)::bigint order by place) as histogram
        from unnest(histogram) with ordinality as latencies(count, place)
    ) as scaled
    where scaled.requests > 0
    on conflict do nothing";

/// Gives the figures a past.
pub(super) async fn live_through_two_days(stack: &Stack) {
    let Storage::Shared(database) = &stack.storage else {
        panic!("the database of a story");
    };
    let all = list(&read(), "traffic")
        .filter_map(|kind| kind["times"].as_i64())
        .sum::<i64>();
    let wanted = all + i64::try_from(APPLICATION.1).expect("few");
    eventually("that all calls are counted", async || {
        let count = "select coalesce(sum(requests), 0)::bigint from usage_buckets";
        let counted: i64 = sqlx::query_scalar(count).fetch_one(database.pool()).await.ok()?;
        (counted >= wanted).then_some(())
    })
    .await;
    let done = sqlx::query(TWO_DAYS).execute(database.pool()).await;
    done.expect("two days");
}
