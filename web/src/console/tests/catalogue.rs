//! What developers find and ask for: APIs, products, plans, subscriptions, developers.

use control::{Mode, applications, subscriptions};
use model::actor::Actor;
use model::api::ApiSpec;
use model::application::ApplicationDraft;
use model::plan::PlanSpec;
use model::product::ProductSpec;
use model::service::ServiceSpec;
use model::subscription::SubscriptionState;
use model::{Draft as _, Kind};
use serde_json::json;

use super::make;
use crate::house::House;
use crate::untouched;

async fn offer(house: &House) {
    make::<ServiceSpec>(house, json!({"name": "orders", "url": "http://orders.example"})).await;
    let document = json!({"openapi": "3.1.0", "info": {"title": "Orders", "version": "1"},
        "paths": {"/orders": {"get": {"responses": {"200": {"description": "OK"}}}}}});
    let api = json!({"name": "orders", "title": "Orders", "service": "orders", "state": "published",
        "base_url": "http://localhost:8000/shop", "document": document});
    make::<ApiSpec>(house, api).await;
    make::<ProductSpec>(
        house,
        json!({"name": "commerce", "title": "Commerce", "apis": ["orders"]}),
    )
    .await;
    let plan = json!({"name": "business", "title": "Business", "product": "commerce", "approval": "manual",
        "state": "published", "limits": [{"requests": 600, "window_seconds": 60}]});
    make::<PlanSpec>(house, plan).await;
}

/// A developer, and an application that waits for its subscription.
async fn request(house: &House) {
    let developer = uuid::Uuid::now_v7();
    house
        .sql(format!(
            "insert into developers (id, name, email, password_hash, status, created_at)
             values ('{developer}', 'Dora', 'dora@example.com', 'x', 'active', now())"
        ))
        .await;
    let actor = Actor::developer(developer.into(), "Dora");
    let written = house.control.write(&actor, Mode::Commit, async |change| {
        let draft = ApplicationDraft::read(&json!({"name": "Shop app"}));
        let application = applications::create(change, draft).await?;
        subscriptions::request(change, application.id, "business").await
    });
    assert_eq!(
        written.await.expect("asked").value.subscription.state,
        SubscriptionState::Pending
    );
}

#[actix_web::test]
async fn the_catalogue_is_listed_and_its_forms_change_nothing_by_themselves() {
    let house = House::new().await;
    offer(&house).await;
    house
        .get("/console/apis")
        .await
        .shows(&["Orders", "Published", ">1</td>"]);
    house.get("/console/products").await.shows(&["Commerce", "orders"]);
    house
        .get("/console/plans")
        .await
        .shows(&["Business", "600 per minute", "By hand"]);
    let before = control::revisions::head(&house.control).await.expect("a revision");
    for (kind, name) in [
        (Kind::Api, "orders"),
        (Kind::Product, "commerce"),
        (Kind::Plan, "business"),
    ] {
        let page = house.get(&format!("/console/{}/{name}/edit", kind.plural())).await;
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
        assert_eq!(answer.status, 303, "{name}: {}", answer.body);
    }
    assert_eq!(
        control::revisions::head(&house.control).await.expect("a revision"),
        before
    );
}

#[actix_web::test]
async fn a_document_that_is_no_json_stays_in_the_form() {
    let house = House::new().await;
    offer(&house).await;
    let fields = [
        ("title", "Stock"),
        ("name", "stock"),
        ("_json", "document"),
        ("document", "{\"openapi\": "),
    ];
    let answer = house.post("/console/apis/new", &fields).await;
    assert_eq!(answer.status, 422);
    answer.shows(&["Is not JSON", "&#34;openapi&#34;", "id=\"f-document-e\""]);
}

#[actix_web::test]
async fn a_subscription_that_waits_is_approved() {
    let house = House::new().await;
    offer(&house).await;
    request(&house).await;
    let page = house.get("/console/subscriptions?state=pending").await;
    page.shows(&["Shop app", "dora@example.com", "Business", "Approve", "Reject"]);
    let action = page.body.split("action=\"").find(|rest| rest.contains("/approve\""));
    let action = action
        .and_then(|rest| rest.split('"').next())
        .expect("a button")
        .to_owned();
    assert_eq!(house.post(&action, &[]).await.status, 303);
    house
        .get("/console/subscriptions")
        .await
        .shows(&["Approved", "Suspend"]);
    assert_eq!(
        house.post(&action, &[]).await.status,
        409,
        "what is approved cannot be approved again"
    );
    assert_eq!(house.post(&action.replace("/approve", "/bless"), &[]).await.status, 404);
}

#[actix_web::test]
async fn a_developer_is_suspended_and_resumed() {
    let house = House::new().await;
    offer(&house).await;
    request(&house).await;
    let page = house.get("/console/developers?q=dora").await;
    page.shows(&["dora@example.com", "Active", "never"]);
    let action = page.body.split("action=\"").find(|rest| rest.contains("/suspend\""));
    let action = action
        .and_then(|rest| rest.split('"').next())
        .expect("a button")
        .to_owned();
    house.post(&action, &[]).await;
    house.get("/console/developers").await.shows(&["Suspended", "Resume"]);
    house.post(&action.replace("/suspend", "/resume"), &[]).await;
    house.get("/console/developers").await.shows(&["Active"]);
    house.get("/console/applications").await.shows(&["Shop app", "Suspend"]);
}
