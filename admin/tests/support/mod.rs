//! An API for every test: control on a database of its own, and a token that may do everything.

pub(crate) mod world;

use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::Request;
use actix_web::body::to_bytes_limited;
use actix_web::dev::ServiceResponse;
use actix_web::http::header::HeaderMap;
use actix_web::http::{Method, StatusCode};
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, web};
use control::accounts::{Client, sessions, setup};
use control::{Control, Secrets, Settings, tokens};
use database::TestDatabase;
use futures_util::future::LocalBoxFuture;
use model::account::AccountDraft;
use model::clock::SystemClock;
use model::token::TokenDraft;
use serde_json::{Value, json};

/// A password that everybody here has.
pub(crate) const PASSWORD: &str = "correct horse battery";
/// A browser on the test's own machine.
pub(crate) const BROWSER: Client<'static> = Client {
    address: IpAddr::V4(Ipv4Addr::LOCALHOST),
    user_agent: "Test browser",
    session: None,
};

type Server = dyn Fn(Request) -> LocalBoxFuture<'static, ServiceResponse>;

/// The API of one test.
pub(crate) struct Api {
    /// What is behind it.
    pub(crate) control: Control,
    /// The owner's session.
    pub(crate) session: sessions::Opened,
    token: String,
    server: Rc<Server>,
    database: TestDatabase,
}

impl Api {
    /// An empty Gatehouse with an owner.
    pub(crate) async fn start() -> Self {
        let database = TestDatabase::create(&control::MIGRATOR).await.expect("a database");
        let settings = Settings {
            key_brand: "gh".to_owned(),
            console_url: "http://127.0.0.1:8001".to_owned(),
            portal_url: "http://127.0.0.1:8002".to_owned(),
            proxy_url: "http://127.0.0.1:8000".to_owned(),
            trusted_proxies: Vec::new(),
        };
        let control = Control::new(
            database.pool().clone(),
            Arc::new(SystemClock),
            Secrets::new([7; 32]),
            settings,
        );
        let session = owner(&control).await;
        let data = web::Data::new(control.clone());
        let app = Rc::new(init_service(App::new().app_data(data).configure(admin::configure)).await);
        let server = move |request| -> LocalBoxFuture<'static, ServiceResponse> {
            let app = Rc::clone(&app);
            Box::pin(async move { call_service(&*app, request).await })
        };
        let mut api = Self {
            control,
            session,
            token: String::new(),
            server: Rc::new(server),
            database,
        };
        api.token = api.token_for(&["*"]).await;
        api
    }

    /// The database, for what no operation does.
    pub(crate) fn pool(&self) -> &sqlx::PgPool {
        self.database.pool()
    }

    /// An API token with these scopes.
    pub(crate) async fn token_for(&self, scopes: &[&str]) -> String {
        let draft = TokenDraft {
            name: Some(format!("t{}", uuid::Uuid::new_v4().simple())),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            expires_at: None,
        };
        let actor = &self.session.session.actor;
        let issued = tokens::create(&self.control, actor, draft.into())
            .await
            .expect("a token");
        issued.secret.expose().to_owned()
    }

    /// A call below `/api/v1` with the token.
    pub(crate) fn call(&self, method: &str, path: &str) -> Call<'_> {
        self.call_as(Some(&self.token), method, path)
    }

    /// A call with this token, or none.
    pub(crate) fn call_as(&self, token: Option<&str>, method: &str, path: &str) -> Call<'_> {
        let uri = if path.starts_with("/docs") {
            path.to_owned()
        } else {
            format!("/api/v1{path}")
        };
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let request = TestRequest::default().method(method).uri(&uri);
        let call = Call { api: self, request };
        match token {
            Some(token) => call.header("authorization", &format!("Bearer {token}")),
            None => call,
        }
    }

    /// GET, of what must be there.
    pub(crate) async fn get(&self, path: &str) -> Value {
        self.call("GET", path).send().await.expect(StatusCode::OK).body
    }

    /// POST, of what must succeed.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        self.call("POST", path).json(body).send().await.expect_success().body
    }
}

async fn owner(control: &Control) -> sessions::Opened {
    let link = setup::link(control)
        .await
        .expect("asked")
        .expect("no administrator yet");
    let token = link.split_once("?token=").expect("a token").1;
    setup::complete(
        control,
        token,
        account("Olga Owner", "olga@example.com").into(),
        &BROWSER,
    )
    .await
    .expect("set up")
}

/// What somebody fills in to get an account.
pub(crate) fn account(name: &str, email: &str) -> AccountDraft {
    AccountDraft {
        name: Some(name.to_owned()),
        email: Some(email.to_owned()),
        password: Some(PASSWORD.to_owned()),
    }
}

/// A call in the making.
pub(crate) struct Call<'a> {
    api: &'a Api,
    request: TestRequest,
}

impl Call<'_> {
    /// With a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.insert_header((name, value));
        self
    }

    /// With a JSON body, as a merge patch when it is one.
    pub(crate) fn json(self, body: &Value) -> Self {
        self.bytes("application/json", body.to_string().into_bytes())
    }

    /// With a JSON Merge Patch.
    pub(crate) fn patch(self, body: &Value) -> Self {
        self.bytes("application/merge-patch+json", body.to_string().into_bytes())
    }

    /// With any body.
    pub(crate) fn bytes(mut self, media_type: &str, body: Vec<u8>) -> Self {
        self.request = self
            .request
            .insert_header(("content-type", media_type))
            .set_payload(body);
        self
    }

    /// The answer.
    pub(crate) async fn send(self) -> Answer {
        let asked = tokio::time::timeout(Duration::from_secs(40), (self.api.server)(self.request.to_request()));
        let response = asked.await.expect("an answer in time");
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = to_bytes_limited(response.into_body(), 64 << 20)
            .await
            .expect("small enough")
            .expect("a body");
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| match bytes.len() {
            0 => Value::Null,
            _ => String::from_utf8_lossy(&bytes).into_owned().into(),
        });
        Answer { status, headers, body }
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its body: JSON, text, or nothing.
    pub(crate) body: Value,
}

impl Answer {
    /// A header, empty when it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The same, when it has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: StatusCode) -> Self {
        assert_eq!(self.status, status, "{:#}", self.body);
        self
    }

    /// The same, when it is a success.
    #[track_caller]
    pub(crate) fn expect_success(self) -> Self {
        assert!(self.status.is_success(), "{} {:#}", self.status, self.body);
        self
    }

    /// The same, when it is a problem of this status and code, complete as the RFC has it.
    #[track_caller]
    pub(crate) fn expect_problem(self, status: u16, code: &str) -> Self {
        assert_eq!(
            (self.status.as_u16(), self.body["code"].as_str()),
            (status, Some(code)),
            "{:#}",
            self.body
        );
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.body["type"], format!("urn:gatehouse:problem:{code}"));
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["request_id"], self.header("x-request-id"));
        for member in ["title", "detail"] {
            assert!(
                self.body[member].as_str().is_some_and(|text| !text.is_empty()),
                "{member} of {:#}",
                self.body
            );
        }
        self
    }

    /// The paths of the mistakes, in order.
    pub(crate) fn paths(&self) -> Vec<&str> {
        self.body["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|error| error["path"].as_str())
            .collect()
    }

    /// The mistake at a path.
    pub(crate) fn message(&self, path: &str) -> &str {
        let errors = self.body["errors"].as_array().into_iter().flatten();
        errors
            .filter(|error| error["path"] == path)
            .find_map(|error| error["message"].as_str())
            .unwrap_or_default()
    }
}

/// A service that works.
pub(crate) fn service(name: &str) -> Value {
    json!({"name": name, "url": "http://127.0.0.1:9/base"})
}
