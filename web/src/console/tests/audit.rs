//! The audit log, filtered and followed.

use model::actor::Actor;
use model::service::ServiceSpec;
use serde_json::json;

use super::{make, make_as, somebody};
use crate::house::House;

#[actix_web::test]
async fn the_log_says_who_did_what_to_what() {
    let house = House::new().await;
    let service = make::<ServiceSpec>(&house, json!({"name": "orders", "url": "http://orders.example"})).await;
    house.get("/console/audit").await.shows(&[
        "Signed in",
        "Service created",
        &format!("href=\"/console/services/{}\"", service.id),
        "href=\"/console/revisions/1\"",
        "Olga Owner",
        "3 in all",
    ]);
}

#[actix_web::test]
async fn the_log_is_filtered_by_who_and_what() {
    let house = House::new().await;
    make::<ServiceSpec>(&house, json!({"name": "orders", "url": "http://orders.example"})).await;
    make_as::<ServiceSpec>(
        &house,
        &Actor::system(),
        json!({"name": "stock", "url": "http://stock.example"}),
    )
    .await;
    somebody(&house, "auditor").await;
    let system = house.get("/console/audit?actor_kind=system").await;
    system.shows(&["stock", "1 in all", "<option value=\"system\" selected>"]);
    system.hides(&["orders"]);
    let services = house.get("/console/audit?kind=service").await;
    services.shows(&["2 in all", "Service created"]);
    services.hides(&["Signed in</span>"]);
    let action = house.get("/console/audit?action=session.created&q=ivo").await;
    action.shows(&[
        "<b>Signed in</b>",
        "href=\"/console/audit?q=ivo\"",
        "1 in all",
        "Ivo Invited",
    ]);
    house
        .get("/console/audit?q=nothing-like-it")
        .await
        .shows(&["Nothing found", "Show all entries"]);
    assert_eq!(house.get("/console/audit?actr=1").await.status, 400);
}
