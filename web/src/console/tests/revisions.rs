//! The history: every revision, what it changed, and what lies between two.

use control::{Mode, Precondition, delete, merge};
use model::actor::Actor;
use model::service::ServiceSpec;
use serde_json::json;

use super::{make, make_as};
use crate::house::House;

/// Three revisions of a service, and one of another.
async fn history(house: &House) {
    make::<ServiceSpec>(house, json!({"name": "orders", "url": "http://orders.example"})).await;
    let owner = &house.owner().session.actor;
    let patch = json!({"url": "http://orders-2.example"});
    let written = house.control.write(owner, Mode::Commit, async |change| {
        merge::<ServiceSpec>(change, "orders", Precondition::default(), &patch).await
    });
    written.await.expect("changed");
    make_as::<ServiceSpec>(
        house,
        &Actor::system(),
        json!({"name": "stock", "url": "http://stock.example"}),
    )
    .await;
    let written = house.control.write(owner, Mode::Commit, async |change| {
        delete::<ServiceSpec>(change, "stock", Precondition::default(), false).await
    });
    written.await.expect("deleted");
}

#[actix_web::test]
async fn an_empty_history_says_what_will_be_there() {
    let house = House::new().await;
    house.get("/console/revisions").await.shows(&["No revision yet"]);
    assert_eq!(house.get("/console/revisions/1").await.status, 404);
}

#[actix_web::test]
async fn the_list_is_searched_and_paged() {
    let house = House::new().await;
    history(&house).await;
    let all = house.get("/console/revisions").await;
    all.shows(&["4 in all", "href=\"/console/revisions/4\"", "Olga Owner", "Current"]);
    let found = house.get("/console/revisions?q=stock").await;
    found.shows(&["href=\"/console/revisions/3\"", "2 in all"]);
    found.hides(&["href=\"/console/revisions/1\""]);
    house
        .get("/console/revisions?q=nowhere")
        .await
        .shows(&["Nothing found", "“nowhere”"]);
    let first = house.get("/console/revisions?limit=3").await;
    first.shows(&["1–3 of 4"]);
    let next = first.body.split_once("cursor=").expect("a next page").1;
    let cursor = next.split_once('"').expect("quoted").0;
    let rest = house.get(&format!("/console/revisions?limit=3&cursor={cursor}")).await;
    rest.shows(&["1 more of 4", "href=\"/console/revisions/1\""]);
}

#[actix_web::test]
async fn a_revision_shows_what_it_changed_of_each_object() {
    let house = House::new().await;
    history(&house).await;
    let changed = house.get("/console/revisions/2").await;
    changed.shows(&[
        "Revision 2",
        "Olga Owner",
        "http://orders.example",
        "http://orders-2.example",
        "/console/services/",
        "href=\"/console/revisions/1\"",
        "href=\"/console/revisions/2/diff/4\"",
    ]);
    let deleted = house.get("/console/revisions/4").await;
    deleted.shows(&["Deleted", "stock", "http://stock.example"]);
    deleted.hides(&["<a class=\"link\" href=\"/console/services/"]);
}

#[actix_web::test]
async fn any_two_revisions_are_compared() {
    let house = House::new().await;
    history(&house).await;
    let chosen = house.get("/console/revisions/diff?from=1&to=4").await;
    assert_eq!(chosen.location, "/console/revisions/1/diff/4");
    let between = house.get("/console/revisions/1/diff/4").await;
    between.shows(&["1 object differs", "http://orders-2.example"]);
    between.hides(&["http://stock.example"]);
    house
        .get("/console/revisions/2/diff/4")
        .await
        .shows(&["Nothing differs"]);
    let wrong = house.get("/console/revisions/1/diff/9").await;
    assert_eq!(wrong.status, 422);
    wrong.shows(&["id=\"f-to-e\"", "a number from 0 to 4"]);
    let words = house.get("/console/revisions/diff?from=one&to=4").await;
    words.shows(&["id=\"f-from-e\"", "value=\"one\""]);
}
