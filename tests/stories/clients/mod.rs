//! How people and programs talk to Gatehouse: the REST API, the gateway, and pages without JavaScript.

mod api;
mod proxy;
mod tls;
mod visitor;

pub(crate) use api::{Api, Key};
pub(crate) use proxy::Proxy;
pub(crate) use tls::{Pair, Secure};
pub(crate) use visitor::Visitor;

use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, Response};
use serde_json::Value;

/// A request in the making.
#[derive(Debug)]
pub(crate) struct Call(RequestBuilder);

impl Call {
    /// With a header.
    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value))
    }

    /// With a JSON body.
    pub(crate) fn json(self, body: &Value) -> Self {
        self.bytes("application/json", body.to_string())
    }

    /// With any body.
    pub(crate) fn bytes(self, media_type: &str, body: impl Into<reqwest::Body>) -> Self {
        Self(self.0.header("content-type", media_type).body(body))
    }

    /// The answer; fails when there is none.
    pub(crate) async fn send(self) -> Answer {
        self.try_send().await.expect("an answer")
    }

    /// The answer, or why there is none.
    pub(crate) async fn try_send(self) -> reqwest::Result<Answer> {
        Answer::read(self.0.send().await?).await
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its body: JSON, text, or nothing.
    pub(crate) body: Value,
}

impl Answer {
    async fn read(response: Response) -> reqwest::Result<Self> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or_else(|_| match text.len() {
            0 => Value::Null,
            _ => text.into(),
        });
        Ok(Self { status, headers, body })
    }

    /// A header, empty when it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }

    /// The same, when it has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:#}", self.body);
        self
    }

    /// The same, when the API says that something is wrong: a problem of this status and code.
    #[track_caller]
    pub(crate) fn expect_problem(self, status: u16, code: &str) -> Self {
        self.expect_told(status, ("code", code))
    }

    /// The same, when the gateway itself refused: a problem of this status and reason.
    #[track_caller]
    pub(crate) fn expect_refusal(self, status: u16, reason: &str) -> Self {
        self.expect_told(status, ("reason", reason))
    }

    /// Problems are complete, as RFC 9457 has them.
    #[track_caller]
    fn expect_told(self, status: u16, (member, word): (&str, &str)) -> Self {
        let told = (self.status, self.body[member].as_str());
        assert_eq!(told, (status, Some(word)), "{:#}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["request_id"], self.header("x-request-id"));
        let urn = self.body["type"].as_str().unwrap_or_default();
        assert!(urn.starts_with("urn:gatehouse:") && urn.ends_with(word), "{urn}");
        for member in ["title", "detail"] {
            let text = self.body[member].as_str().unwrap_or_default();
            assert_ne!(text, "", "{member} of {:#}", self.body);
        }
        self
    }

    /// The paths of the mistakes that a problem lists, in order.
    pub(crate) fn paths(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().into_iter().flatten();
        errors.filter_map(|error| error["path"].as_str()).collect()
    }

    /// What a problem says of the mistake at a path.
    pub(crate) fn message(&self, path: &str) -> &str {
        let mut errors = self.body["errors"].as_array().into_iter().flatten();
        let found = errors.find(|error| error["path"] == path);
        found.and_then(|error| error["message"].as_str()).unwrap_or_default()
    }
}
