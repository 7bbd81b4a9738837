//! A request and what becomes of it, as the index says. The fuzzers read this file too.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use model::id::RouteId;
use model::route::{HostName, RequestKind, RouteSpec};
use model::service::Scheme;
use uuid::Uuid;

use super::{NoMatch, Router, Wanted, canonical};

/// A request with everything that a route can ask for.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) secure: bool,
    pub(super) kind: RequestKind,
    pub(super) method: &'static str,
    pub(super) host: &'static str,
    pub(super) port: u16,
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, &'static str)>,
    pub(super) query: Vec<(&'static str, &'static str)>,
    pub(super) sni: Option<&'static str>,
    pub(super) source: &'static str,
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Route(usize, Vec<(String, String)>),
    NotFound,
    Methods(Vec<String>),
    EncodedSlash,
}

/// The same question to the index.
pub(super) fn indexed(specs: &[RouteSpec], request: &Request) -> Outcome {
    let id = |index: usize| RouteId(Uuid::from_u128(index as u128));
    let (router, problems) = Router::build(specs.iter().enumerate().map(|(index, spec)| (id(index), spec)));
    assert!(problems.is_empty(), "{problems:?}");
    ask(&router, request)
}

/// What a router says.
pub(super) fn ask(router: &Router, request: &Request) -> Outcome {
    let host = HostName::parse(request.host).expect("a host");
    let path = canonical(&request.path).expect("a path");
    let method = Method::from_bytes(request.method.as_bytes()).expect("a method");
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&request.query)
        .finish();
    let found = router.find(&Wanted {
        host: Some(&host),
        port: Some(request.port),
        scheme: if request.secure { Scheme::Https } else { Scheme::Http },
        path: &path,
        method: &method,
        headers: &headers,
        query: Some(&query).filter(|query| !query.is_empty()).map(String::as_str),
        sni: request.sni,
        source: request.source.parse().expect("an address"),
        kind: request.kind,
    });
    match found {
        Ok(found) => Outcome::Route(
            usize::try_from(found.route.0.as_u128()).expect("an index"),
            found.parameters,
        ),
        Err(NoMatch::NotFound) => Outcome::NotFound,
        Err(NoMatch::Method(methods)) => Outcome::Methods(methods),
        Err(NoMatch::EncodedSlash) => Outcome::EncodedSlash,
    }
}
