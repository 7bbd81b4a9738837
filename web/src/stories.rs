//! Pages through a real server and a real database: who may see them, what forms must prove, what they answer.

use crate::house::{House, call, get, post};
use crate::{Console, ConsolePage, Fields, Form, PageResult, Visit, form_errors, security, urls, visit};
use actix_web::cookie::Cookie;
use actix_web::dev::Service;
use actix_web::dev::ServiceResponse;
use actix_web::middleware::from_fn;
use actix_web::{App, Error, test, web as actix};
use askama::Template;
use control::accounts::AccountKind;
use control::{Mode, create};
use model::Kind;
use model::service::ServiceSpec;

#[derive(Template)]
#[template(
    source = r#"{% extends "console/base.html" %}{% block content %}<form>{{ fields.text("name", "Name") }}{{ fields.text("url", "URL") }}</form>{% endblock %}"#,
    ext = "html"
)]
struct ServiceForm {
    page: ConsolePage,
    fields: Fields,
}

async fn show(console: Console) -> PageResult {
    let page = console.page("New service", crate::Area::Services).await?;
    console.html(&ServiceForm {
        page,
        fields: Fields::empty(),
    })
}

async fn save(console: Console, form: Form) -> PageResult {
    let submission = form.submission();
    let written = console
        .control()
        .write(console.actor(), Mode::Commit, async |change| {
            create::<ServiceSpec>(change, submission).await
        })
        .await;
    match written {
        Ok(written) => {
            console
                .saved(&written, "Service created", urls::console::new(Kind::Service))
                .await
        }
        Err(error) => {
            let fields = Fields::typed(&form).with_errors(&form_errors(error)?);
            let page = console.page("New service", crate::Area::Services).await?;
            console.invalid(&ServiceForm { page, fields })
        }
    }
}

async fn knock(_form: Form, visit: Visit) -> PageResult {
    visit.redirect("/console/in")
}

async fn app(house: &House) -> impl Service<actix_http::Request, Response = ServiceResponse, Error = Error> {
    let scope = actix::scope("/console")
        .wrap(from_fn(|request, next| {
            visit::identify(AccountKind::Admin, request, next)
        }))
        .wrap(from_fn(security::guard))
        .route("/services/new", actix::get().to(show))
        .route("/services/new", actix::post().to(save))
        .route("/knock", actix::post().to(knock))
        .route(
            "/knock",
            actix::get().to(async |visit: Visit| {
                visit.html(&Knock {
                    token: visit.form_token(),
                })
            }),
        );
    test::init_service(
        App::new()
            .app_data(actix::Data::new(house.control.clone()))
            .service(scope),
    )
    .await
}

#[derive(Template)]
#[template(source = "{{ token }}", ext = "html")]
struct Knock {
    token: String,
}

#[actix_web::test]
async fn whoever_is_not_signed_in_is_sent_to_sign_in_with_the_way_back() {
    let house = House::new().await;
    let app = app(&house).await;
    let answer = call(&app, get("/console/services/new?a=b")).await;
    assert_eq!(
        (answer.status, answer.location.as_str()),
        (303, "/console/login?next=%2Fconsole%2Fservices%2Fnew%3Fa%3Db")
    );
    let stale = get("/console/services/new").cookie(Cookie::new("gatehouse_console", "nonsense"));
    assert_eq!(call(&app, stale).await.status, 303);
}

#[actix_web::test]
async fn a_part_of_a_page_is_not_replaced_by_the_page_to_sign_in() {
    let house = House::new().await;
    let app = app(&house).await;
    let request = get("/console/services/new").insert_header(("hx-request", "true"));
    let response = test::call_service(&app, request.to_request()).await;
    assert_eq!(response.status(), 200);
    let leave = response.headers().get("hx-redirect").expect("told to leave");
    assert!(leave.to_str().expect("text").starts_with("/console/login"));
}

#[actix_web::test]
async fn an_error_page_keeps_the_theme_and_shows_the_way_back() {
    let house = House::new().await;
    let app = house.console().await;
    let answer = call(&app, get("/console/nowhere").cookie(Cookie::new("theme", "dark"))).await;
    assert_eq!(answer.status, 404);
    assert!(
        answer.body.contains("data-theme=\"dark\"") && answer.body.contains("href=\"/console\""),
        "{}",
        answer.body
    );
}

#[actix_web::test]
async fn the_bare_address_leads_to_the_console() {
    let house = House::new().await;
    let app = house.console().await;
    assert_eq!(call(&app, get("/")).await.location, "/console");
}

#[actix_web::test]
async fn a_page_shows_who_is_signed_in_and_what_the_gateways_run() {
    let house = House::new().await;
    let answer = call(&app(&house).await, get("/console/services/new").cookie(house.cookie())).await;
    assert_eq!(answer.status, 200);
    for shown in [
        "Olga Owner",
        "No gateway is running",
        "aria-current=\"page\"",
        "name=\"url\"",
    ] {
        assert!(answer.body.contains(shown), "{shown} is not in {}", answer.body);
    }
}

#[actix_web::test]
async fn a_form_proves_that_it_is_ours() {
    let house = House::new().await;
    let app = app(&house).await;
    let csrf = &house.owner().session.csrf;
    let cookie = || house.cookie();
    assert_eq!(
        call(&app, post("/console/services/new", "name=a").cookie(cookie()))
            .await
            .status,
        403
    );
    assert_eq!(
        call(
            &app,
            post("/console/services/new", "name=a&csrf=wrong").cookie(cookie())
        )
        .await
        .status,
        403
    );
    let right = format!("name=a&csrf={csrf}");
    assert_eq!(
        call(&app, post("/console/services/new", &right).cookie(cookie()))
            .await
            .status,
        422
    );
    let header = post("/console/services/new", "name=a")
        .insert_header(("x-csrf-token", csrf.as_str()))
        .cookie(cookie());
    assert_eq!(call(&app, header).await.status, 422);
    let foreign = post("/console/services/new", &right)
        .insert_header(("origin", "http://evil.example"))
        .cookie(cookie());
    assert_eq!(call(&app, foreign).await.status, 403);
}

#[actix_web::test]
async fn a_form_before_signing_in_is_tied_to_the_visit() {
    let house = House::new().await;
    let app = app(&house).await;
    let page = call(&app, get("/console/knock")).await;
    let visit = page.cookies.first().expect("a visit").clone();
    assert_eq!(visit.name(), "gatehouse_console_visit");
    let body = format!("csrf={}", page.body);
    assert_eq!(
        call(&app, post("/console/knock", &body).cookie(visit.clone()))
            .await
            .status,
        303
    );
    assert_eq!(call(&app, post("/console/knock", &body)).await.status, 403);
    let other = Cookie::new(visit.name().to_owned(), "another");
    assert_eq!(
        call(&app, post("/console/knock", &body).cookie(other)).await.status,
        403
    );
}

#[actix_web::test]
async fn what_was_typed_stays_beside_its_error() {
    let house = House::new().await;
    let body = format!(
        "name=Orders+%3C1%3E&url=orders.example&csrf={}",
        house.owner().session.csrf
    );
    let answer = call(
        &app(&house).await,
        post("/console/services/new", &body).cookie(house.cookie()),
    )
    .await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("value=\"Orders &#60;1&#62;\""), "{}", answer.body);
    assert!(
        answer.body.contains("id=\"f-name-e\"") && answer.body.contains("id=\"f-url-e\""),
        "{}",
        answer.body
    );
}

#[actix_web::test]
async fn a_saved_change_is_told_once_on_the_next_page() {
    let house = House::new().await;
    let app = app(&house).await;
    let body = format!(
        "name=orders&url=http%3A%2F%2Forders.example&csrf={}",
        house.owner().session.csrf
    );
    let answer = call(&app, post("/console/services/new", &body).cookie(house.cookie())).await;
    assert_eq!(
        (answer.status, answer.location.as_str()),
        (303, "/console/services/new"),
        "{}",
        answer.body
    );
    let flash = answer
        .cookies
        .iter()
        .find(|cookie| cookie.name().ends_with("_flash"))
        .expect("a message")
        .clone();
    let next = call(&app, get("/console/services/new").cookie(house.cookie()).cookie(flash)).await;
    assert!(
        next.body
            .contains("Service created as revision 1; no gateway is running"),
        "{}",
        next.body
    );
    let gone = next
        .cookies
        .iter()
        .find(|cookie| cookie.name().ends_with("_flash"))
        .expect("taken back");
    assert!(gone.value().is_empty());
}

#[actix_web::test]
async fn the_palette_finds_objects_areas_and_things_to_do() {
    let house = House::new().await;
    let body = format!(
        "name=orders&url=http%3A%2F%2Forders.example&csrf={}",
        house.owner().session.csrf
    );
    call(
        &app(&house).await,
        post("/console/services/new", &body).cookie(house.cookie()),
    )
    .await;
    let app = house.console().await;
    let found = call(&app, get("/console/palette.json?q=order").cookie(house.cookie())).await;
    assert!(
        found.body.contains("\"href\":\"/console/services/orders\""),
        "{}",
        found.body
    );
    let all = call(&app, get("/console/palette.json").cookie(house.cookie())).await;
    assert!(
        all.body.contains("Revisions") && all.body.contains("New route"),
        "{}",
        all.body
    );
    assert_eq!(call(&app, get("/console/palette.json")).await.status, 303);
}
