//! Pages through a real server and a real database: who may see them, what forms must prove, what they answer.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use crate::{Console, ConsolePage, Fields, Form, PageResult, Visit, field_errors, security, urls, visit};
use actix_web::cookie::Cookie;
use actix_web::dev::Service;
use actix_web::dev::ServiceResponse;
use actix_web::middleware::from_fn;
use actix_web::{App, Error, test, web as actix};
use askama::Template;
use control::accounts::sessions::Opened;
use control::accounts::{AccountKind, Client, setup};
use control::{Control, Mode, Secrets, Settings, create};
use database::TestDatabase;
use model::Kind;
use model::account::AccountDraft;
use model::clock::ManualClock;
use model::service::ServiceSpec;
use time::macros::datetime;

const PASSWORD: &str = "correct horse battery";

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
            let fields = Fields::typed(&form).with_errors(&field_errors(error)?);
            let page = console.page("New service", crate::Area::Services).await?;
            console.invalid(&ServiceForm { page, fields })
        }
    }
}

async fn knock(_form: Form, visit: Visit) -> PageResult {
    visit.redirect("/console/in")
}

struct House {
    control: Control,
    owner: Opened,
    _database: TestDatabase,
}

impl House {
    async fn new() -> Self {
        let database = TestDatabase::create(&control::MIGRATOR).await.expect("a database");
        let settings = Settings {
            key_brand: "gh".into(),
            console_url: "http://localhost:8001".into(),
            portal_url: "http://localhost:8002".into(),
            proxy_url: "http://localhost:8000".into(),
        };
        let clock = Arc::new(ManualClock::at(datetime!(2026-11-23 12:00 UTC)));
        let control = Control::new(database.pool().clone(), clock, Secrets::new([7; 32]), settings);
        let link = setup::link(&control)
            .await
            .expect("asked")
            .expect("nobody is there yet");
        let token = link.split_once("token=").expect("a token").1.to_owned();
        let draft = AccountDraft {
            name: Some("Olga Owner".into()),
            email: Some("olga@example.com".into()),
            password: Some(PASSWORD.into()),
        };
        let client = Client {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            user_agent: "test",
            session: None,
        };
        let owner = setup::complete(&control, &token, draft.into(), &client)
            .await
            .expect("set up");
        Self {
            control,
            owner,
            _database: database,
        }
    }

    async fn app(&self) -> impl Service<actix_http::Request, Response = ServiceResponse, Error = Error> {
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
                .app_data(actix::Data::new(self.control.clone()))
                .service(scope),
        )
        .await
    }

    fn cookie(&self) -> Cookie<'static> {
        Cookie::new("gatehouse_console", self.owner.cookie.expose().to_owned())
    }
}

#[derive(Template)]
#[template(source = "{{ token }}", ext = "html")]
struct Knock {
    token: String,
}

struct Answer {
    status: u16,
    location: String,
    cookies: Vec<Cookie<'static>>,
    body: String,
}

async fn call(
    app: &impl Service<actix_http::Request, Response = ServiceResponse, Error = Error>,
    request: test::TestRequest,
) -> Answer {
    let response = test::call_service(app, request.to_request()).await;
    let location = response
        .headers()
        .get("location")
        .map(|value| value.to_str().expect("text").to_owned());
    let cookies = response.response().cookies().map(Cookie::into_owned).collect();
    let status = response.status().as_u16();
    let body = String::from_utf8(test::read_body(response).await.to_vec()).expect("text");
    Answer {
        status,
        location: location.unwrap_or_default(),
        cookies,
        body,
    }
}

fn get(path: &str) -> test::TestRequest {
    test::TestRequest::get().uri(path)
}

fn post(path: &str, body: &str) -> test::TestRequest {
    test::TestRequest::post().uri(path).set_payload(body.to_owned())
}

#[actix_web::test]
async fn whoever_is_not_signed_in_is_sent_to_sign_in_with_the_way_back() {
    let house = House::new().await;
    let app = house.app().await;
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
    let app = house.app().await;
    let request = get("/console/services/new").insert_header(("hx-request", "true"));
    let response = test::call_service(&app, request.to_request()).await;
    assert_eq!(response.status(), 200);
    let leave = response.headers().get("hx-redirect").expect("told to leave");
    assert!(leave.to_str().expect("text").starts_with("/console/login"));
}

#[actix_web::test]
async fn an_error_page_keeps_the_theme_and_shows_the_way_back() {
    let house = House::new().await;
    let control = actix::Data::new(house.control.clone());
    let app = test::init_service(App::new().app_data(control).configure(crate::console::configure)).await;
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
    let control = actix::Data::new(house.control.clone());
    let app = test::init_service(App::new().app_data(control).configure(crate::console::configure)).await;
    assert_eq!(call(&app, get("/")).await.location, "/console");
}

#[actix_web::test]
async fn a_page_shows_who_is_signed_in_and_what_the_gateways_run() {
    let house = House::new().await;
    let answer = call(&house.app().await, get("/console/services/new").cookie(house.cookie())).await;
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
    let app = house.app().await;
    let csrf = &house.owner.session.csrf;
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
    let app = house.app().await;
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
        house.owner.session.csrf
    );
    let answer = call(
        &house.app().await,
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
    let app = house.app().await;
    let body = format!(
        "name=orders&url=http%3A%2F%2Forders.example&csrf={}",
        house.owner.session.csrf
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
        house.owner.session.csrf
    );
    call(
        &house.app().await,
        post("/console/services/new", &body).cookie(house.cookie()),
    )
    .await;
    let app = test::init_service(
        App::new()
            .app_data(actix::Data::new(house.control.clone()))
            .configure(crate::console::configure),
    )
    .await;
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
