//! How administrators get in and out.

use actix_web::cookie::Cookie;
use control::accounts::admins::{self, AdminDraft};
use model::Draft as _;
use serde_json::json;
use std::time::Duration;

use crate::house::{Answer, House, PASSWORD, call, get, post, token_of};

/// Opens a page without a session and sends its form.
async fn fill(house: &House, page: &str, action: &str, fields: &[(&str, &str)]) -> Answer {
    let app = house.console().await;
    let shown = call(&app, get(page)).await;
    let visit = shown.cookies.iter().find(|cookie| cookie.name().ends_with("_visit"));
    let token = shown.body.split_once("name=\"csrf\" value=\"").expect("a form").1;
    let token = token.split_once('"').expect("quoted").0;
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.append_pair("csrf", token).extend_pairs(fields);
    let request = post(action, &body.finish()).cookie(visit.expect("a visit").clone());
    call(&app, request).await
}

async fn sign_in(house: &House, password: &str, next: &str) -> Answer {
    let fields = [("email", "olga@example.com"), ("password", password), ("_next", next)];
    fill(house, "/console/login", "/console/login", &fields).await
}

fn session_of(answer: &Answer) -> Option<&Cookie<'static>> {
    answer
        .cookies
        .iter()
        .find(|cookie| cookie.name() == "gatehouse_console" && !cookie.value().is_empty())
}

#[actix_web::test]
async fn the_first_administrator_sets_up_and_lands_on_the_overview() {
    let house = House::empty().await;
    let token = house.setup_token().await;
    let page = format!("/console/setup?token={token}");
    let fields = [
        ("_token", token.as_str()),
        ("name", "Olga"),
        ("email", "olga@example.com"),
        ("password", "short"),
    ];
    let wrong = fill(&house, &page, "/console/setup", &fields).await;
    assert_eq!(wrong.status, 422);
    wrong.shows(&["id=\"f-password-e\"", "value=\"olga@example.com\""]);
    wrong.hides(&["value=\"short\""]);
    let fields = [fields[0], fields[1], fields[2], ("password", PASSWORD)];
    let right = fill(&house, &page, "/console/setup", &fields).await;
    assert_eq!(
        (right.status, right.location.as_str()),
        (303, "/console"),
        "{}",
        right.body
    );
    let home = get("/console").cookie(session_of(&right).expect("a session").clone());
    let home = call(&house.console().await, home).await;
    home.shows(&["Welcome to Gatehouse", "Describe a service", "/console/services/new"]);
    let again = call(&house.console().await, get(&page)).await;
    assert_eq!((again.status, again.location.as_str()), (303, "/console/login"));
}

#[actix_web::test]
async fn a_setup_link_that_is_not_ours_opens_nothing() {
    let house = House::empty().await;
    let page = call(&house.console().await, get("/console/setup?token=guessed")).await;
    assert_eq!(page.status, 410);
    page.shows(&["This link does not work any more", "prints a new one"]);
    page.hides(&["name=\"password\""]);
    let sign_in = call(&house.console().await, get("/console/login")).await;
    sign_in.shows(&["Nobody is set up yet", "Set it up"]);
}

#[actix_web::test]
async fn signing_in_leads_back_to_the_page_that_was_asked_for() {
    let house = House::new().await;
    let page = call(&house.console().await, get("/console/login?next=%2Fconsole%2Faudit")).await;
    page.shows(&["name=\"_next\" value=\"/console/audit\""]);
    page.hides(&["Nobody is set up yet"]);
    let answer = sign_in(&house, PASSWORD, "/console/audit").await;
    assert_eq!((answer.status, answer.location.as_str()), (303, "/console/audit"));
    assert!(session_of(&answer).is_some());
    let foreign = sign_in(&house, PASSWORD, "https://evil.example").await;
    assert_eq!(foreign.location, "/console");
    let already = house.get("/console/login?next=%2Fconsole%2Faudit").await;
    assert_eq!(already.location, "/console/audit");
}

#[actix_web::test]
async fn a_wrong_password_says_so_and_opens_nothing() {
    let house = House::new().await;
    let answer = sign_in(&house, "wrong horse battery", "").await;
    assert_eq!(answer.status, 422);
    answer.shows(&["E-mail address or password is wrong", "value=\"olga@example.com\""]);
    assert!(session_of(&answer).is_none());
    let empty = sign_in(&house, "", "").await;
    empty.shows(&["id=\"f-password-e\""]);
}

#[actix_web::test]
async fn after_many_failures_signing_in_has_to_wait() {
    let house = House::new().await;
    for _ in 0..10 {
        sign_in(&house, "wrong horse battery", "").await;
    }
    let waiting = sign_in(&house, PASSWORD, "").await;
    assert_eq!(waiting.status, 422);
    waiting.shows(&["Too many attempts", "try again in 15 minutes"]);
    house.advance(Duration::from_mins(16));
    assert_eq!(sign_in(&house, PASSWORD, "").await.status, 303);
}

#[actix_web::test]
async fn an_invited_administrator_chooses_a_password_once() {
    let house = House::new().await;
    let draft = AdminDraft::read(&json!({"name": "Ivo", "email": "ivo@example.com", "role": "auditor"}));
    let invited = admins::invite(&house.control, &house.owner().session.actor, draft)
        .await
        .expect("invited");
    let token = token_of(invited.link.expose()).to_owned();
    let page = invited
        .link
        .expose()
        .strip_prefix("http://localhost:8001")
        .expect("ours")
        .to_owned();
    let fields = [("_token", token.as_str()), ("password", "short")];
    let wrong = fill(&house, &page, "/console/invitation", &fields).await;
    assert_eq!(wrong.status, 422);
    wrong.shows(&["Welcome, Ivo", "ivo@example.com", "an auditor", "id=\"f-password-e\""]);
    let fields = [fields[0], ("password", PASSWORD)];
    let right = fill(&house, &page, "/console/invitation", &fields).await;
    assert_eq!(
        (right.status, right.location.as_str()),
        (303, "/console"),
        "{}",
        right.body
    );
    let home = get("/console").cookie(session_of(&right).expect("a session").clone());
    let home = call(&house.console().await, home).await;
    home.shows(&["Ivo", "Auditor"]);
    home.hides(&["/console/services/new"]);
    assert_eq!(call(&house.console().await, get(&page)).await.status, 410);
}

#[actix_web::test]
async fn signing_out_ends_the_session() {
    let house = House::new().await;
    let answer = house.post("/console/logout", &[]).await;
    assert_eq!((answer.status, answer.location.as_str()), (303, "/console/login"));
    assert_eq!(house.get("/console").await.status, 303);
}
