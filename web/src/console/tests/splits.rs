//! Splits of routes over several services.

use model::Stored;
use model::route::RouteSpec;
use model::service::ServiceSpec;
use serde_json::json;

use super::make;
use crate::house::House;
use crate::untouched;

async fn services(house: &House) -> [Stored<ServiceSpec>; 2] {
    let service = |name: &str| json!({"name": name, "url": "http://orders.example"});
    [
        make::<ServiceSpec>(house, service("stable")).await,
        make::<ServiceSpec>(house, service("canary")).await,
    ]
}

async fn now(house: &House) -> Stored<RouteSpec> {
    let owner = &house.owner().session.actor;
    control::get::<RouteSpec>(&house.control, owner, "orders")
        .await
        .expect("there")
}

#[actix_web::test]
async fn a_split_is_made_shown_kept_and_taken_away_in_the_form() {
    let house = House::new().await;
    let [stable, canary] = services(&house).await.map(|service| service.id.to_string());
    let fields = [
        ("name", "orders"),
        ("service", stable.as_str()),
        ("_list", "paths"),
        ("paths.0", "/orders"),
        ("_optional", "split"),
        ("_list", "split.services"),
        ("split.services.0.service", &stable),
        ("_integer", "split.services.0.weight"),
        ("split.services.0.weight", "90"),
        ("split.services.1.service", &canary),
        ("_integer", "split.services.1.weight"),
        ("split.services.1.weight", "10"),
        ("_choice", "split.sticky"),
        ("split.sticky", "cookie"),
        ("split.sticky_name", "session"),
        ("_list", "split.by_header"),
        ("split.by_header.0.name", "x-canary"),
        ("split.by_header.0.value", "yes"),
        ("split.by_header.0.service", &canary),
    ];
    let answer = house.post("/console/routes/new", &fields).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let page = house.get("/console/routes/orders").await;
    page.shows(&[
        "90%",
        "10%",
        "header x-canary: yes",
        "the cookie session",
        "/console/services/canary",
    ]);
    let before = now(&house).await;
    let action = format!("/console/routes/{}/edit", before.id);
    let page = house.get(&action).await;
    page.shows(&["open><summary>Split over"]);
    let mut fields = untouched::form(&page.body, &action);
    assert_eq!(post(&house, &action, &fields).await, 303);
    assert_eq!(now(&house).await, before);
    let in_split = |name: &str| name.starts_with("split.services") || name.starts_with("split.by_header");
    fields.retain(|(name, _)| !in_split(name) && name != "split.sticky_name");
    assert_eq!(post(&house, &action, &fields).await, 303);
    assert_eq!(now(&house).await.spec.split, None);
}

async fn post(house: &House, action: &str, fields: &[(String, String)]) -> u16 {
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    house.post(action, &fields).await.status
}

#[actix_web::test]
async fn what_is_wrong_with_a_split_stands_beside_it_and_a_service_without_weight_is_not_forgotten() {
    let house = House::new().await;
    let [stable, _] = services(&house).await.map(|service| service.id.to_string());
    let fields = [
        ("name", "orders"),
        ("service", stable.as_str()),
        ("_optional", "split"),
        ("_list", "split.services"),
        ("split.services.0.service", &stable),
        ("_integer", "split.services.0.weight"),
        ("split.services.0.weight", ""),
        ("_choice", "split.sticky"),
        ("split.sticky", "header"),
    ];
    let answer = house.post("/console/routes/new", &fields).await;
    assert_eq!(answer.status, 422, "{}", answer.body);
    answer.shows(&["open><summary>Split over", "weight"]);
    let page = house
        .post(
            "/console/routes/new",
            &[("_add", "split.services"), ("_optional", "split")],
        )
        .await;
    page.shows(&["name=\"split.services.0.weight\"", "value=\"100\"", "Choose a service"]);
}
