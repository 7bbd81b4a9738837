//! The overview: what the gateways counted, what needs somebody, what changed.

use model::Noun as _;
use model::route::RouteSpec;
use model::service::ServiceSpec;
use model::upstream::UpstreamSpec;
use serde_json::json;

use super::{make, somebody};
use crate::house::House;

/// A service with one route, whose id is in the name of the statement that counts its requests.
async fn shop(house: &House) {
    make::<ServiceSpec>(house, json!({"name": "orders", "url": "http://orders.example"})).await;
    make::<RouteSpec>(
        house,
        json!({"name": "list-orders", "service": "orders", "paths": ["/orders"], "methods": ["GET"]}),
    )
    .await;
}

/// 300 requests of a consumer half an hour ago, 3 of them failed; 200 good ones in the hour before.
const TRAFFIC: &str = "
    insert into usage_buckets
    select at, 10, routes.id, routes.service_id, '00000000-0000-7000-8000-000000000001'::uuid,
           '00000000-0000-0000-0000-000000000000'::uuid, status, '', requests, requests * 40000, 0,
           array_fill(0::bigint, array[5]) || array[requests::bigint] || array_fill(0::bigint, array[HISTOGRAM - 6])
    from routes, (values ('2026-11-23 11:30:00+00'::timestamptz, 200::smallint, 297),
                         ('2026-11-23 11:30:00+00', 502::smallint, 3),
                         ('2026-11-23 10:30:00+00', 200::smallint, 200)) as counted(at, status, requests)
    where routes.name = 'list-orders'";

async fn count(house: &House) {
    let statement = TRAFFIC.replace("HISTOGRAM", &model::usage::LATENCY_BUCKETS.to_string());
    house.sql(statement).await;
}

#[actix_web::test]
async fn a_new_installation_leads_to_the_first_route() {
    let house = House::new().await;
    let empty = house.get("/console").await;
    empty.shows(&[
        "First steps",
        "href=\"/console/services/new\"",
        "http://localhost:8000",
        "Nothing was configured yet",
    ]);
    make::<ServiceSpec>(&house, json!({"name": "orders", "url": "http://orders.example"})).await;
    let half = house.get("/console").await;
    half.shows(&["First steps", "href=\"/console/routes/new\"", "Created service orders"]);
    half.hides(&["href=\"/console/services/new\""]);
}

#[actix_web::test]
async fn without_traffic_the_page_says_how_to_send_some() {
    let house = House::new().await;
    shop(&house).await;
    let page = house.get("/console?span=7d").await;
    page.shows(&[
        "No requests yet",
        "Nothing came through the gateway in the last 7 days",
        "curl -i &#39;http://localhost:8000/orders&#39;",
        "aria-current=\"true\">7d",
    ]);
    page.hides(&["First steps", "data-chart"]);
}

#[actix_web::test]
async fn the_figures_are_what_the_gateways_counted() {
    let house = House::new().await;
    shop(&house).await;
    count(&house).await;
    let hour = house.get("/console?span=1h").await;
    hour.shows(&[
        "<dt>Requests</dt><dd>300",
        "<dt>Server errors</dt><dd>1<small>%</small>",
        "<dt>Active consumers</dt><dd>1<span class=\"delta \">steady</span>",
        "50%<span class=\"sr\"> more than before</span>",
        "300 in all, 0 answered with 4xx, 3 with 5xx",
        "href=\"/console/routes/list-orders\"",
        "/orders</code>",
        ">1%</td>",
    ]);
    let day = house.get("/console").await;
    day.shows(&[
        "<dt>Requests</dt><dd>500",
        "500 in all, 0 answered with 4xx, 3 with 5xx",
    ]);
}

#[actix_web::test]
async fn what_needs_somebody_is_listed_with_the_way_there() {
    let house = House::new().await;
    shop(&house).await;
    make::<UpstreamSpec>(&house, json!({"name": "pool"})).await;
    make::<ServiceSpec>(&house, json!({"name": "pooled", "upstream": "pool"})).await;
    let off = json!({"name": "old", "service": "orders", "paths": ["/old"], "enabled": false});
    let off = make::<RouteSpec>(&house, off).await;
    assert!(!off.spec.enabled());
    somebody(&house, "auditor").await;
    house.sql("update mails set state = 'failed'").await;
    house.get("/console").await.shows(&[
        "No gateway is running",
        "Upstream pool takes no requests",
        "href=\"/console/upstreams/pool\"",
        "Route old is off",
        "1 mail could not be sent",
        "href=\"/console/settings/mail?state=failed\"",
    ]);
    house
        .sql(
            "insert into gateways (id, name, version, started_at, seen_at, applied_revision)
             select '00000000-0000-7000-8000-000000000009', 'edge', '1', '2026-11-23 11:00+00', now() + interval '1 minute',
                    revision from config_head",
        )
        .await;
    house
        .get("/console")
        .await
        .hides(&["No gateway is running", "edge is behind"]);
}
