//! A house for every test of pages: a database of its own, a clock that the test moves, and an owner who lives there.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use actix_web::cookie::Cookie;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::{App, Error, test, web as actix};
use control::accounts::sessions::Opened;
use control::accounts::{Client, setup};
use control::{Control, Secrets, Settings};
use database::TestDatabase;
use model::account::AccountDraft;
use model::clock::{ManualClock, Timestamp};
use time::macros::datetime;

/// A password that everybody here has.
pub(crate) const PASSWORD: &str = "correct horse battery";
/// When it is at the beginning of every test.
pub(crate) const NOON: Timestamp = datetime!(2026-11-23 12:00 UTC);

/// A browser on the test's own machine.
pub(crate) const BROWSER: Client<'static> = Client {
    address: IpAddr::V4(Ipv4Addr::LOCALHOST),
    user_agent: "test",
    session: None,
};

/// What is under test, on a database of its own.
pub(crate) struct House {
    pub(crate) control: Control,
    clock: Arc<ManualClock>,
    database: TestDatabase,
    owner: Option<Opened>,
}

impl House {
    /// A house where nobody lives yet.
    pub(crate) async fn empty() -> Self {
        let database = TestDatabase::create(&control::MIGRATOR).await.expect("a database");
        let settings = Settings {
            key_brand: "gh".into(),
            console_url: "http://localhost:8001".into(),
            portal_url: "http://localhost:8002".into(),
            proxy_url: "http://localhost:8000".into(),
            trusted_proxies: Vec::new(),
        };
        let clock = Arc::new(ManualClock::at(NOON));
        let control = Control::new(database.pool().clone(), clock.clone(), Secrets::new([7; 32]), settings);
        Self {
            control,
            clock,
            database,
            owner: None,
        }
    }

    /// A house with an owner, who is signed in.
    pub(crate) async fn new() -> Self {
        let mut house = Self::empty().await;
        let token = house.setup_token().await;
        let draft = AccountDraft {
            name: Some("Olga Owner".into()),
            email: Some("olga@example.com".into()),
            password: Some(PASSWORD.into()),
        };
        let owner = setup::complete(&house.control, &token, draft.into(), &BROWSER)
            .await
            .expect("set up");
        house.owner = Some(owner);
        house
    }

    /// The token of the link that makes the first owner.
    pub(crate) async fn setup_token(&self) -> String {
        let link = setup::link(&self.control)
            .await
            .expect("asked")
            .expect("nobody is there yet");
        token_of(&link).to_owned()
    }

    /// The session of the owner.
    pub(crate) fn owner(&self) -> &Opened {
        self.owner.as_ref().expect("an owner")
    }

    /// The cookie of the owner's session.
    pub(crate) fn cookie(&self) -> Cookie<'static> {
        cookie_of(self.owner())
    }

    /// Lets time go by.
    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Does to the database what no operation does.
    pub(crate) async fn sql(&self, statement: impl Into<String>) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.into()))
            .execute(self.database.pool())
            .await
            .expect("done");
    }

    /// The whole console.
    pub(crate) async fn console(&self) -> impl Service<actix_http::Request, Response = ServiceResponse, Error = Error> {
        let app = App::new().app_data(actix::Data::new(self.control.clone()));
        test::init_service(app.configure(crate::console::configure)).await
    }

    /// A page of the console, as the owner sees it.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.get_as(self.owner(), path).await
    }

    /// A page of the console, as somebody else sees it.
    pub(crate) async fn get_as(&self, who: &Opened, path: &str) -> Answer {
        call(&self.console().await, get(path).cookie(cookie_of(who))).await
    }

    /// The answer to a form that the owner sends.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_as(self.owner(), path, fields).await
    }

    /// The answer to a form that somebody else sends.
    pub(crate) async fn post_as(&self, who: &Opened, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.append_pair("csrf", &who.session.csrf).extend_pairs(fields);
        call(&self.console().await, post(path, &body.finish()).cookie(cookie_of(who))).await
    }
}

/// The cookie of a session.
pub(crate) fn cookie_of(opened: &Opened) -> Cookie<'static> {
    Cookie::new("gatehouse_console", opened.cookie.expose().to_owned())
}

/// The token in a link.
pub(crate) fn token_of(link: &str) -> &str {
    link.split_once("token=").expect("a token").1
}

/// What a page answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: String,
    pub(crate) cookies: Vec<Cookie<'static>>,
    pub(crate) body: String,
}

impl Answer {
    /// Fails unless all of this is on the page.
    pub(crate) fn shows(&self, all: &[&str]) {
        for shown in all {
            assert!(self.body.contains(shown), "{shown} is not in {}", self.body);
        }
    }

    /// Fails if any of this is on the page.
    pub(crate) fn hides(&self, all: &[&str]) {
        for hidden in all {
            assert!(!self.body.contains(hidden), "{hidden} is in {}", self.body);
        }
    }
}

pub(crate) async fn call(
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

pub(crate) fn get(path: &str) -> test::TestRequest {
    test::TestRequest::get().uri(path)
}

pub(crate) fn post(path: &str, body: &str) -> test::TestRequest {
    test::TestRequest::post().uri(path).set_payload(body.to_owned())
}
