//! One request on its way through the plugins.

use std::borrow::Cow;
use std::net::IpAddr;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue, StatusCode};
use model::clock::Timestamp;
use model::id::{RouteId, ServiceId};
use model::reason::Reason;
use model::service::Scheme;
use pingora_http::{RequestHeader, ResponseHeader};

use crate::directory::{Directory, Identity};

/// What is known of a request; lives from its header to its log line.
#[derive(Debug)]
pub struct Facts {
    /// When the request came.
    pub received_at: Timestamp,
    /// The id that client, service and log see.
    pub request_id: String,
    /// The client, found behind trusted proxies.
    pub client_ip: IpAddr,
    /// How the client connected.
    pub scheme: Scheme,
    /// The host that was asked for, canonical, without port.
    pub host: String,
    /// The canonical path: the one that is matched, limited, logged and forwarded.
    pub path: String,
    /// What stands after `?`; plugins may change what is forwarded.
    pub query: Option<String>,
    /// The values of path parameters, in order.
    pub parameters: Vec<(String, String)>,
    /// The route that matched.
    pub route: RouteId,
    /// The service it leads to.
    pub service: ServiceId,
    /// Who calls, once an authenticating plugin found out.
    pub identity: Option<Identity>,
    /// Headers that the response will carry, whoever makes it.
    pub response_headers: Vec<(HeaderName, HeaderValue)>,
}

/// The request side of an exchange.
pub struct Exchange<'a> {
    /// The request as it will be forwarded; its URI is rebuilt from [`Facts::path`] and [`Facts::query`] later.
    pub request: &'a mut RequestHeader,
    /// What is known of it.
    pub facts: &'a mut Facts,
    /// Who is known, as of the snapshot that this request sees.
    pub directory: &'a dyn Directory,
}

/// The response side of an exchange.
pub struct ResponseExchange<'a> {
    /// The response header on its way to the client.
    pub response: &'a mut ResponseHeader,
    /// What is known of the request.
    pub facts: &'a mut Facts,
}

/// What happens next.
#[derive(Debug)]
pub enum Flow {
    /// The next filter runs.
    Continue,
    /// The request ends here.
    Respond(Box<Answer>),
}

impl Flow {
    /// Ends the request with a refusal.
    pub fn refuse(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::Respond(Box::new(Answer::Refusal(Refusal {
            reason,
            detail: detail.into(),
            headers: Vec::new(),
        })))
    }
}

/// An answer that the gateway gives itself.
#[derive(Debug)]
pub enum Answer {
    /// The request is refused; the body is made by the gateway in the form that the client accepts.
    Refusal(Refusal),
    /// A complete response.
    Response {
        /// Its status.
        status: StatusCode,
        /// Its headers.
        headers: Vec<(HeaderName, HeaderValue)>,
        /// Its body.
        body: Bytes,
    },
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The reason, which decides the status.
    pub reason: Reason,
    /// A sentence with the particulars: the rule, the number and what to do. Never a secret.
    pub detail: Cow<'static, str>,
    /// Headers besides the usual ones, such as `Retry-After`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// The result of a hook that may have to wait; most are ready, and those allocate nothing.
pub enum Outcome<'a> {
    /// Decided.
    Ready(Flow),
    /// Decided later.
    Later(BoxFuture<'a, Flow>),
}

impl Outcome<'_> {
    /// The decision, waited for where necessary.
    pub async fn flow(self) -> Flow {
        match self {
            Self::Ready(flow) => flow,
            Self::Later(future) => future.await,
        }
    }
}
