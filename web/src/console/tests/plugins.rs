//! Plugins: the chain of a scope, the form from the schema, and where they are in use.

use control::{ListQuery, list};
use model::plugin::PluginSpec;
use model::route::RouteSpec;
use model::service::ServiceSpec;
use serde_json::json;

use super::make;
use crate::house::House;
use crate::untouched;

async fn route(house: &House) {
    make::<ServiceSpec>(house, json!({"name": "orders", "url": "http://orders.example"})).await;
    make::<RouteSpec>(house, json!({"name": "shop", "service": "orders", "paths": ["/shop"]})).await;
}

async fn all(house: &House) -> Vec<model::Stored<PluginSpec>> {
    let owner = &house.owner().session.actor;
    list::<PluginSpec>(&house.control, owner, &ListQuery::all())
        .await
        .expect("plugins")
        .items
}

#[actix_web::test]
async fn a_plugin_is_added_by_the_form_of_its_schema() {
    let house = House::new().await;
    route(&house).await;
    let chain = house.get("/console/routes/shop/plugins").await;
    chain.shows(&["No plugin here", "plugin=rate-limit", "plugin=key-auth", "plugin=cors"]);
    let form = house.get("/console/plugins/new?plugin=rate-limit&route=shop").await;
    let mut fields = untouched::form(&form.body, "/console/plugins/new");
    for (name, value) in &mut fields {
        match name.as_str() {
            "config.limits.0.requests" => "600".clone_into(value),
            "config.limits.0.window_seconds" => "60".clone_into(value),
            _ => {}
        }
    }
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let answer = house.post("/console/plugins/new", &fields).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let stored = all(&house).await.remove(0);
    assert_eq!(stored.spec.config["limits"][0]["requests"], 600);
    house
        .get("/console/routes/shop/plugins")
        .await
        .shows(&["600 per minute for each consumer"]);
    house
        .get("/console/plugins")
        .await
        .shows(&["Rate limit", "600 per minute", "shop"]);
}

#[actix_web::test]
async fn a_wrong_configuration_stands_beside_its_field() {
    let house = House::new().await;
    route(&house).await;
    let fields = [
        ("plugin", "rate-limit"),
        ("route", "shop"),
        ("_object", "config"),
        ("_list", "config.limits"),
        ("_integer", "config.limits.0.requests"),
        ("config.limits.0.requests", "many"),
        ("_integer", "config.limits.0.window_seconds"),
        ("config.limits.0.window_seconds", "99999999"),
    ];
    let answer = house.post("/console/plugins/new", &fields).await;
    assert_eq!(answer.status, 422);
    answer.shows(&[
        "value=\"many\"",
        "id=\"f-config-limits-0-requests-e\"",
        "id=\"f-config-limits-0-window_seconds-e\"",
    ]);
    assert!(all(&house).await.is_empty());
}

#[actix_web::test]
async fn inherited_plugins_are_locked_and_a_nearer_one_runs_instead() {
    let house = House::new().await;
    route(&house).await;
    let config = |name: &str| json!({ "headers": [name] });
    make::<PluginSpec>(
        &house,
        json!({"plugin": "key-auth", "service": "orders", "config": config("x-wide")}),
    )
    .await;
    let page = house.get("/console/routes/shop/plugins").await;
    page.shows(&["Key in header x-wide", "Service"]);
    page.hides(&["role=\"switch\""]);
    make::<PluginSpec>(
        &house,
        json!({"plugin": "key-auth", "route": "shop", "config": config("x-near")}),
    )
    .await;
    let page = house.get("/console/routes/shop/plugins").await;
    page.shows(&["Key in header x-near", "A nearer one runs instead", "role=\"switch\""]);
}

#[actix_web::test]
async fn a_plugin_that_runs_before_the_caller_is_known_is_not_offered_for_a_consumer() {
    let house = House::new().await;
    make::<model::consumer::ConsumerSpec>(&house, json!({"name": "fjord"})).await;
    let page = house.get("/console/consumers/fjord/plugins").await;
    page.shows(&["plugin=rate-limit"]);
    page.hides(&["plugin=key-auth", "plugin=cors"]);
}

#[actix_web::test]
async fn what_the_form_does_not_know_survives_a_save() {
    let house = House::new().await;
    route(&house).await;
    let body = json!({"plugin": "rate-limit", "route": "shop", "position": 4, "tags": ["a"],
        "config": {"limits": [{"requests": 5, "window_seconds": 1, "by": "ip"}]}});
    let stored = make::<PluginSpec>(&house, body).await;
    let action = format!("/console/plugins/{}/edit", stored.id);
    let page = house.get(&action).await;
    let fields = untouched::form(&page.body, &action);
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(house.post(&action, &fields).await.status, 303);
    assert_eq!(all(&house).await, [stored]);
}
