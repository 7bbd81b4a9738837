//! Services, routes, upstreams and consumers: lists, forms, pages, deletion.

use control::{Mode, Precondition, get, merge};
use model::Stored;
use model::consumer::ConsumerSpec;
use model::route::RouteSpec;
use model::service::ServiceSpec;
use model::upstream::{TargetSpec, UpstreamSpec};
use serde_json::json;

use super::{make, somebody};
use crate::house::House;
use crate::untouched;

async fn service(house: &House) -> Stored<ServiceSpec> {
    make::<ServiceSpec>(house, json!({"name": "orders", "url": "http://orders.example/v1"})).await
}

async fn route(house: &House) -> Stored<RouteSpec> {
    service(house).await;
    let body = json!({"name": "list-orders", "service": "orders", "hosts": ["api.example.com"], "paths": ["/orders"],
        "methods": ["GET", "TRACE"], "headers": {"x-version": ["2", "3"]}, "priority": 7, "tags": ["team:shop"]});
    make::<RouteSpec>(house, body).await
}

async fn now<S: control::Table>(house: &House, name: &str) -> Stored<S> {
    let owner = &house.owner().session.actor;
    get::<S>(&house.control, owner, name).await.expect("there")
}

#[actix_web::test]
async fn an_empty_list_says_what_belongs_there_and_a_search_without_hits_does_not() {
    let house = House::new().await;
    house
        .get("/console/routes")
        .await
        .shows(&["No routes yet", "/console/routes/new"]);
    route(&house).await;
    house
        .get("/console/routes?q=nowhere")
        .await
        .shows(&["Nothing found", "“nowhere”"]);
    house
        .get("/console/routes?q=api.exam")
        .await
        .shows(&["list-orders", "1 in all"]);
    house
        .get("/console/routes?tags=team%3Ashop&service=orders")
        .await
        .shows(&["list-orders", "Without Tags team:shop"]);
    assert_eq!(house.get("/console/routes?colour=red").await.status, 400);
}

#[actix_web::test]
async fn a_new_route_goes_live_and_is_shown() {
    let house = House::new().await;
    let service = service(&house).await.id.to_string();
    let fields = [
        ("name", "list-orders"),
        ("service", service.as_str()),
        ("_list", "paths"),
        ("paths.0", "/orders"),
    ];
    let answer = house.post("/console/routes/new", &fields).await;
    assert_eq!(
        (answer.status, answer.location.as_str()),
        (303, "/console/routes/list-orders")
    );
    let page = house.get("/console/routes/list-orders").await;
    page.shows(&[
        "/orders",
        "href=\"/console/services/orders\"",
        "curl -i",
        "http://localhost:8000/orders",
    ]);
}

#[actix_web::test]
async fn everything_wrong_stands_beside_its_field_and_what_was_typed_is_still_there() {
    let house = House::new().await;
    route(&house).await;
    let fields = [
        ("name", "list-orders"),
        ("service", "nowhere"),
        ("_list", "paths"),
        ("paths.0", "~^/(unclosed"),
        ("_list", "hosts"),
        ("hosts.0", "api.example.com/path"),
        ("_integer", "priority"),
        ("priority", "first"),
    ];
    let answer = house.post("/console/routes/new", &fields).await;
    assert_eq!(answer.status, 422);
    answer.shows(&[
        "value=\"~^/(unclosed\"",
        "value=\"api.example.com/path\"",
        "value=\"first\"",
        "Is not a regular expression",
        "Must be a host name without scheme and path",
        "Must be a whole number",
        "there is no service <code>nowhere</code>",
    ]);
    for field in ["f-paths-0", "f-hosts-0", "f-priority"] {
        answer.shows(&[&format!("id=\"{field}-e\""), &format!("href=\"#{field}\"")]);
    }
}

#[actix_web::test]
async fn a_url_without_scheme_is_explained() {
    let house = House::new().await;
    let answer = house
        .post(
            "/console/services/new",
            &[("name", "orders"), ("url", "orders.example:8080")],
        )
        .await;
    assert_eq!(answer.status, 422);
    answer.shows(&["value=\"orders.example:8080\"", "id=\"f-url-e\"", "http://"]);
}

#[actix_web::test]
async fn a_form_that_nobody_touched_changes_nothing() {
    let house = House::new().await;
    let route = route(&house).await;
    make::<UpstreamSpec>(&house, json!({"name": "eu", "tags": ["a"]})).await;
    let target = make::<TargetSpec>(&house, json!({"upstream": "eu", "address": "10.0.0.1:80", "weight": 3})).await;
    make::<ConsumerSpec>(&house, json!({"name": "fjord", "custom_id": "crm-1", "enabled": false})).await;
    make::<ServiceSpec>(
        &house,
        json!({"name": "stock", "upstream": "eu", "protocol": "https", "retries": 4}),
    )
    .await;
    let before = control::revisions::head(&house.control).await.expect("a revision");
    for path in [
        format!("routes/{}", route.id),
        format!("targets/{}", target.id),
        "upstreams/eu".to_owned(),
        "consumers/fjord".to_owned(),
        "services/orders".to_owned(),
        "services/stock".to_owned(),
    ] {
        let page = house.get(&format!("/console/{path}/edit")).await;
        let action = page
            .body
            .split("<form method=\"post\" action=\"")
            .find(|rest| rest.contains("/edit\""));
        let action = action.and_then(|rest| rest.split('"').next()).expect("a form");
        let fields = untouched::form(&page.body, action);
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let answer = house.post(action, &fields).await;
        assert_eq!(answer.status, 303, "{path}: {}", answer.body);
    }
    assert_eq!(
        control::revisions::head(&house.control).await.expect("a revision"),
        before
    );
}

#[actix_web::test]
async fn a_preview_shows_the_change_and_stores_nothing() {
    let house = House::new().await;
    let stored = service(&house).await;
    let action = format!("/console/services/{}/edit", stored.id);
    let fields = [
        ("name", "orders"),
        ("url", "http://elsewhere.example"),
        ("_preview", "1"),
    ];
    let answer = house.post(&action, &fields).await;
    assert_eq!(answer.status, 200);
    answer.shows(&[
        "Not saved yet",
        "- url: http://orders.example/v1",
        "+ url: http://elsewhere.example",
    ]);
    assert_eq!(now::<ServiceSpec>(&house, "orders").await.version, stored.version);
}

#[actix_web::test]
async fn when_somebody_else_was_faster_the_typed_values_stay_and_the_next_save_counts() {
    let house = House::new().await;
    let stored = service(&house).await;
    let owner = &house.owner().session.actor;
    let other = json!({"retries": 3});
    let written = house.control.write(owner, Mode::Commit, async |change| {
        merge::<ServiceSpec>(change, "orders", Precondition::default(), &other).await
    });
    written.await.expect("changed");
    let action = format!("/console/services/{}/edit", stored.id);
    let typed = ("url", "http://mine.example");
    let answer = house
        .post(&action, &[("_version", "1"), ("name", "orders"), typed])
        .await;
    assert_eq!(answer.status, 422);
    answer.shows(&[
        "Somebody else changed this",
        "value=\"http://mine.example\"",
        "name=\"_version\" value=\"2\"",
    ]);
    let answer = house
        .post(&action, &[("_version", "2"), ("name", "orders"), typed])
        .await;
    assert_eq!(answer.status, 303);
    let service = now::<ServiceSpec>(&house, "orders").await;
    assert_eq!(
        (service.spec.retry.retries, service.spec.url.map(String::from)),
        (3, Some("http://mine.example/".to_owned()))
    );
}

#[actix_web::test]
async fn a_row_more_does_not_hide_that_somebody_else_was_faster() {
    let house = House::new().await;
    let stored = route(&house).await;
    let owner = &house.owner().session.actor;
    let written = house.control.write(owner, Mode::Commit, async |change| {
        merge::<RouteSpec>(change, "list-orders", Precondition::default(), &json!({"priority": 8})).await
    });
    written.await.expect("changed");
    let action = format!("/console/routes/{}/edit", stored.id);
    let answer = house
        .post(&action, &[("_version", "1"), ("_add", "hosts"), ("_list", "hosts")])
        .await;
    answer.shows(&["name=\"_version\" value=\"1\""]);
}

#[actix_web::test]
async fn a_search_keeps_the_filters() {
    let house = House::new().await;
    route(&house).await;
    let page = house.get("/console/routes?service=orders&q=list&sort=-name").await;
    page.shows(&["name=\"service\" value=\"orders\"", "name=\"sort\" value=\"-name\""]);
}

#[actix_web::test]
async fn what_others_need_goes_only_with_its_name_typed() {
    let house = House::new().await;
    route(&house).await;
    let page = house.get("/console/services/orders/delete").await;
    page.shows(&["list-orders", "Type <code>orders</code> to confirm"]);
    let action = page
        .body
        .split("data-question")
        .nth(1)
        .and_then(|rest| rest.split("action=\"").nth(1));
    let action = action
        .and_then(|rest| rest.split('"').next())
        .expect("a form")
        .to_owned();
    let refused = house.post(&action, &[("cascade", "true"), ("_confirm", "order")]).await;
    assert_eq!(refused.status, 303);
    assert_eq!(
        house.post(&action, &[]).await.status,
        409,
        "without the word nothing else goes"
    );
    house.post(&action, &[]).await.shows(&["in use", "list-orders"]);
    let done = house
        .post(&action, &[("cascade", "true"), ("_confirm", "orders")])
        .await;
    assert_eq!((done.status, done.location.as_str()), (303, "/console/services"));
    assert_eq!(house.get("/console/routes/list-orders").await.status, 404);
}

#[actix_web::test]
async fn an_object_is_switched_off_and_on_where_it_stands() {
    let house = House::new().await;
    route(&house).await;
    let switch = "/console/routes/list-orders/enabled";
    assert_eq!(
        house
            .post(switch, &[("enabled", "false"), ("_version", "1")])
            .await
            .status,
        303
    );
    assert!(!now::<RouteSpec>(&house, "list-orders").await.spec.enabled);
    house.get("/console/routes/list-orders").await.shows(&["Switch on"]);
    assert_eq!(
        house
            .post(switch, &[("enabled", "true"), ("_version", "1")])
            .await
            .status,
        412
    );
}

#[actix_web::test]
async fn an_upstream_shows_how_its_targets_share_the_requests() {
    let house = House::new().await;
    let upstream = make::<UpstreamSpec>(&house, json!({"name": "eu"})).await.id.to_string();
    for (address, weight) in [("10.0.0.1:80", "300"), ("10.0.0.2:80", "100"), ("10.0.0.3:80", "0")] {
        let fields = [
            ("upstream", upstream.as_str()),
            ("address", address),
            ("_integer", "weight"),
            ("weight", weight),
        ];
        assert_eq!(house.post("/console/targets/new", &fields).await.status, 303);
    }
    house
        .get("/console/upstreams/eu")
        .await
        .shows(&["2 of 3 targets", "75%", "25%", "Drained"]);
}

#[actix_web::test]
async fn an_auditor_sees_everything_and_changes_nothing() {
    let house = House::new().await;
    route(&house).await;
    let auditor = somebody(&house, "auditor").await;
    for path in [
        "/console/routes",
        "/console/routes/list-orders",
        "/console/services/orders/plugins",
    ] {
        let page = house.get_as(&auditor, path).await;
        assert_eq!(page.status, 200, "{path}");
        page.hides(&["/routes/new", "/edit\"", "/plugins/new"]);
    }
    let refused = house
        .post_as(&auditor, "/console/routes/list-orders/enabled", &[("enabled", "false")])
        .await;
    assert_eq!(refused.status, 403);
    assert!(now::<RouteSpec>(&house, "list-orders").await.spec.enabled);
}

#[actix_web::test]
async fn everything_that_a_route_can_ask_for_has_its_field() {
    let house = House::new().await;
    let service = service(&house).await.id.to_string();
    let fields = [
        ("name", "reports"),
        ("service", service.as_str()),
        ("_multimap", "queries"),
        ("queries.0.name", "version"),
        ("queries.0.value", "2"),
        ("_words", "sources"),
        ("sources", "10.0.0.0/8, 192.0.2.7"),
        ("_words", "snis"),
        ("snis", "api.example.com"),
        ("_list", "protocols"),
        ("protocols.0", "https"),
        ("_integers", "ports"),
        ("ports", ""),
        ("_integer", "timeout_ms"),
        ("timeout_ms", "9000"),
        ("_integer", "max_body_bytes"),
        ("max_body_bytes", "0"),
        ("_choice", "access_log"),
        ("access_log", "full"),
        ("_number", "trace_sampling"),
        ("trace_sampling", "0.25"),
    ];
    let answer = house.post("/console/routes/new", &fields).await;
    assert_eq!(answer.status, 303);
    let page = house.get("/console/routes/reports").await;
    page.shows(&[
        "version=2",
        "10.0.0.0/8",
        "192.0.2.7",
        "api.example.com",
        "9000 ms",
        "without bound",
        "0.25 of all",
    ]);
    let list = house.get("/console/routes").await;
    list.shows(&["query version", "from 10.0.0.0/8 +1", "name api.example.com"]);
    let form = house.get("/console/routes/reports/edit").await;
    form.shows(&["value=\"10.0.0.0/8, 192.0.2.7\"", "value=\"0.25\"", "value=\"9000\""]);
}

#[actix_web::test]
async fn ports_are_numbers_and_what_is_none_is_told_beside_the_field() {
    let house = House::new().await;
    let service = service(&house).await.id.to_string();
    let fields = |ports| {
        [
            ("name", "database"),
            ("service", service.as_str()),
            ("_list", "protocols"),
            ("protocols.0", "tcp"),
            ("_integers", "ports"),
            ("ports", ports),
        ]
    };
    let refused = house.post("/console/routes/new", &fields("5432, five")).await;
    assert_eq!(refused.status, 422);
    refused.shows(&["value=\"5432, five\"", "Must be a whole number", "id=\"f-ports-e\""]);
    assert_eq!(
        house.post("/console/routes/new", &fields("5432, 5433")).await.status,
        303
    );
    house
        .get("/console/routes/database")
        .await
        .shows(&["port 5432", "5432, 5433", "nc GATEWAY 5432"]);
}

#[actix_web::test]
async fn a_route_that_never_matches_is_marked_where_it_is_seen() {
    let house = House::new().await;
    service(&house).await;
    make::<RouteSpec>(
        &house,
        json!({"name": "wide", "service": "orders", "paths": ["/a"], "priority": 1}),
    )
    .await;
    make::<RouteSpec>(
        &house,
        json!({"name": "narrow", "service": "orders", "paths": ["/a/b"]}),
    )
    .await;
    house.get("/console/routes").await.shows(&["Never matches"]);
    house
        .get("/console/routes/narrow")
        .await
        .shows(&["never matches: route <code>wide</code>"]);
    house.get("/console/routes/wide").await.hides(&["never matches"]);
}
