//! Finds the route of a request; the cost depends on what matches, not on how many routes there are.
//!
//! Routes are indexed by host, within a host by path. Everything that an index yields is a candidate, and the best
//! candidate whose other conditions hold wins. A router is changed route by route: what a change does not touch is shared
//! with the router before.

mod candidate;
#[cfg(test)]
mod compared;
mod conditions;
mod hosts;
mod paths;
mod prefixes;
mod streams;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::net::IpAddr;
use std::sync::Arc;

use http::header::{CONNECTION, CONTENT_TYPE, HeaderName, UPGRADE};
use http::{HeaderMap, Method};
use model::id::RouteId;
use model::route::{EncodedSlashes, HostName, Layer, Rank, RequestKind, RouteSpec};
use model::service::Scheme;
use smallvec::SmallVec;

use crate::path::CanonicalPath;
use candidate::Candidate;
use conditions::{Conditions, Narrowness};
use hosts::HostIndex;
pub use streams::WantedStream;
use streams::{StreamIndex, StreamRule};

/// By what candidates that match are ordered, the best one last: of equally good ones the older one.
type Order = (Rank, Narrowness, Reverse<RouteId>);

/// Candidates that an index yields; few requests have more than fit without an allocation.
type Found<'a> = SmallVec<[&'a Candidate; 16]>;

/// What a request is matched by.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The host; none only from HTTP/1.0 clients.
    pub host: Option<&'a HostName>,
    /// The port that the client named, or the usual one of its scheme.
    pub port: Option<u16>,
    /// How the client connected.
    pub scheme: Scheme,
    /// The path.
    pub path: &'a CanonicalPath<'a>,
    /// The method.
    pub method: &'a Method,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The query, without its question mark.
    pub query: Option<&'a str>,
    /// The server name of the TLS handshake.
    pub sni: Option<&'a str>,
    /// The client's address.
    pub source: IpAddr,
    /// What the request is beyond being one; see [`kind_of`].
    pub kind: RequestKind,
}

/// The route of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Which route.
    pub route: RouteId,
    /// The values of its path parameters, in order.
    pub parameters: Vec<(String, String)>,
    /// How much of the path, in bytes, its pattern has matched.
    pub matched: usize,
}

/// Why a request has no route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoMatch {
    /// None matches.
    NotFound,
    /// Those that match want one of these methods.
    Method(Vec<String>),
    /// The best one refuses encoded slashes.
    EncodedSlash,
}

/// What one route asks for, ready to be indexed.
#[derive(Debug)]
pub struct Rule(Layered);

#[derive(Debug)]
enum Layered {
    Http(Arc<Conditions>),
    Stream(Arc<StreamRule>),
}

/// An index of routes. A clone shares everything with it that does not change.
#[derive(Debug, Clone, Default)]
pub struct Router {
    hosts: HostIndex,
    streams: Arc<StreamIndex>,
}

/// Whether a request calls gRPC (its `content-type` begins with `application/grpc`, which gRPC-Web's does too), opens
/// a WebSocket (RFC 6455, section 4.1, or over HTTP/2 as RFC 8441, where `protocol` is the `:protocol` of an extended
/// CONNECT), or does neither.
pub fn kind_of(headers: &HeaderMap, protocol: Option<&str>) -> RequestKind {
    const GRPC: &[u8] = b"application/grpc";
    let content_type = headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    let is_grpc = content_type
        .and_then(|value| value.get(..GRPC.len()))
        .is_some_and(|start| start.eq_ignore_ascii_case(GRPC));
    if is_grpc {
        return RequestKind::Grpc;
    }
    if opens_websocket(headers) || protocol.is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket")) {
        return RequestKind::WebSocket;
    }
    RequestKind::Plain
}

/// Whether headers ask for a WebSocket, or agree to one, and for nothing else: of several protocols the other side could
/// choose another than the one that was looked at.
pub(crate) fn opens_websocket(headers: &HeaderMap) -> bool {
    let mut protocols = headers.get_all(UPGRADE).iter();
    let websocket = |value: &http::HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket");
    protocols.next().is_some_and(websocket) && protocols.next().is_none() && has_token(headers, &CONNECTION, "upgrade")
}

/// Whether a header with a list between commas has this word.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let mut values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.any(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
}

impl Rule {
    /// Compiles what a route asks for; the error says why that cannot be.
    pub fn compile(id: RouteId, spec: &RouteSpec) -> Result<Self, String> {
        Ok(Self(if spec.layer() == Layer::Http {
            Layered::Http(Arc::new(Conditions::compile(id, spec)?))
        } else {
            Layered::Stream(Arc::new(StreamRule::compile(id, spec)))
        }))
    }
}

impl Router {
    /// Indexes routes; those that are not enabled are left out, those that cannot be compiled are returned with why.
    pub fn build<'a>(routes: impl IntoIterator<Item = (RouteId, &'a RouteSpec)>) -> (Self, Vec<(RouteId, String)>) {
        let (mut router, mut problems) = (Self::default(), Vec::new());
        for (id, spec) in routes.into_iter().filter(|(_, spec)| spec.enabled) {
            match Rule::compile(id, spec) {
                Ok(rule) => router.insert(&rule),
                Err(problem) => problems.push((id, problem)),
            }
        }
        (router, problems)
    }

    /// Adds a route.
    pub fn insert(&mut self, rule: &Rule) {
        match &rule.0 {
            Layered::Stream(rule) => Arc::make_mut(&mut self.streams).insert(rule.clone()),
            Layered::Http(conditions) => {
                for (host, path, pattern, key) in conditions.pairs() {
                    let candidate = Candidate {
                        conditions: conditions.clone(),
                        host,
                        path,
                    };
                    self.hosts.change(pattern, |table| table.insert(key, candidate));
                }
            }
        }
    }

    /// Takes a route out.
    pub fn remove(&mut self, rule: &Rule) {
        match &rule.0 {
            Layered::Stream(rule) => Arc::make_mut(&mut self.streams).remove(rule),
            Layered::Http(conditions) => {
                for (host, path, pattern, key) in conditions.pairs() {
                    let candidate = Candidate {
                        conditions: conditions.clone(),
                        host,
                        path,
                    };
                    self.hosts.change(pattern, |table| table.remove(key, &candidate));
                }
            }
        }
    }

    /// The best route for a request.
    pub fn find(&self, wanted: &Wanted<'_>) -> Result<Match, NoMatch> {
        let mut best: Option<(&Candidate, Order)> = None;
        let mut refusing: SmallVec<[&Candidate; 4]> = SmallVec::new();
        for candidate in self.collect(wanted) {
            let rank = candidate.rank();
            if best.as_ref().is_some_and(|(_, (best, ..))| *best > rank) {
                continue;
            }
            let Some(narrowness) = candidate.matched(wanted) else {
                continue;
            };
            if !candidate.conditions.matches_method(wanted.method) {
                refusing.push(candidate);
                continue;
            }
            let key = (rank, narrowness, Reverse(candidate.conditions.route));
            if best.as_ref().is_none_or(|(_, known)| key > *known) {
                best = Some((candidate, key));
            }
        }
        match best {
            Some((best, _))
                if wanted.path.encoded_slash && best.conditions.encoded_slashes == EncodedSlashes::Reject =>
            {
                Err(NoMatch::EncodedSlash)
            }
            Some((best, _)) => Ok(best.to_match(wanted.path)),
            None if refusing.is_empty() => Err(NoMatch::NotFound),
            None => Err(NoMatch::Method(allowed(&refusing))),
        }
    }

    /// The best route for a connection that is not opened, of protocol `tls` or `tcp`.
    pub fn find_stream(&self, wanted: &WantedStream<'_>) -> Option<RouteId> {
        self.streams.find(wanted)
    }

    /// The gateway's ports that routes of connections name, in order.
    pub fn stream_ports(&self) -> impl Iterator<Item = u16> {
        self.streams.ports()
    }

    /// Whether a connection to this port is to be looked into for a server name before its route is sought. Where not,
    /// nothing may be waited for: in many protocols the server speaks first.
    pub fn reads_server_names(&self, port: u16) -> bool {
        self.streams.reads_names(port)
    }

    fn collect(&self, wanted: &Wanted<'_>) -> Found<'_> {
        let mut found = Found::new();
        self.hosts.each_table(wanted.host, |table| {
            table.collect(wanted.path.seen(true), &mut found);
            if wanted.path.merged.is_some() {
                table.collect(wanted.path.seen(false), &mut found);
            }
        });
        found
    }
}

/// Each entry, or once nothing when there is none.
fn options<T>(list: &[T]) -> impl Iterator<Item = Option<&T>> {
    let none = list.is_empty().then_some(None);
    list.iter().map(Some).chain(none)
}

/// The methods of these routes, each once and in order.
fn allowed(candidates: &[&Candidate]) -> Vec<String> {
    let mut methods: Vec<String> = candidates
        .iter()
        .flat_map(|candidate| candidate.conditions.methods.iter().cloned())
        .collect();
    methods.sort_unstable();
    methods.dedup();
    methods
}
