//! Finds the route of a request; the cost depends on what matches, not on how many routes there are.
//!
//! Routes are indexed by host, within a host by path. Everything that an index yields is a candidate, and the best
//! candidate whose other conditions hold wins.

mod candidate;
mod hosts;
mod paths;
mod prefixes;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::{HeaderMap, Method};
use model::id::RouteId;
use model::route::{EncodedSlashes, HostName, RouteSpec};
use model::service::Scheme;

use crate::path::CanonicalPath;
use candidate::{Candidate, Conditions};
use hosts::HostIndex;
use hosts::host_length;

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

/// An index of routes. It is built once and never changes.
#[derive(Debug, Default)]
pub struct Router {
    candidates: Vec<Candidate>,
    hosts: HostIndex,
}

impl Router {
    /// Indexes routes; those that are not enabled are left out, those that cannot be compiled are returned with why.
    pub fn build<'a>(routes: impl IntoIterator<Item = (RouteId, &'a RouteSpec)>) -> (Self, Vec<(RouteId, String)>) {
        let (mut router, mut problems) = (Self::default(), Vec::new());
        for (id, spec) in routes.into_iter().filter(|(_, spec)| spec.enabled) {
            match Conditions::compile(id, spec) {
                Ok(conditions) => router.add(&Arc::new(conditions), spec),
                Err(problem) => problems.push((id, problem)),
            }
        }
        (router, problems)
    }

    fn add(&mut self, conditions: &Arc<Conditions>, spec: &RouteSpec) {
        let hosts: Vec<_> = if spec.hosts.is_empty() {
            vec![None]
        } else {
            spec.hosts.iter().map(Some).collect()
        };
        let paths: Vec<_> = if spec.paths.is_empty() {
            vec![None]
        } else {
            spec.paths.iter().map(Some).collect()
        };
        for host in hosts {
            for path in &paths {
                let index = self.candidates.len();
                self.candidates
                    .push(Candidate::new(conditions.clone(), spec, host, *path));
                self.hosts.table(host).insert(*path, index);
            }
        }
    }

    /// The best route for a request.
    pub fn find(&self, wanted: &Wanted<'_>) -> Result<Match, NoMatch> {
        let mut found = Vec::new();
        self.hosts.each_table(wanted.host, |table| {
            table.collect(wanted.path.seen(true), &mut found);
            if wanted.path.merged.is_some() {
                table.collect(wanted.path.seen(false), &mut found);
            }
        });
        let mut best: Option<&Candidate> = None;
        let mut methods: Vec<String> = Vec::new();
        for candidate in found.into_iter().map(|index| &self.candidates[index]) {
            if best.is_some_and(|best| best.rank >= candidate.rank) || !candidate.matches_all_but_method(wanted) {
                continue;
            }
            if candidate.matches_method(wanted.method) {
                best = Some(candidate);
            } else {
                methods.extend(
                    candidate
                        .methods()
                        .iter()
                        .filter(|method| !methods.contains(method))
                        .cloned()
                        .collect::<Vec<_>>(),
                );
            }
        }
        match best {
            Some(best) if wanted.path.encoded_slash && best.encoded_slashes() == EncodedSlashes::Reject => {
                Err(NoMatch::EncodedSlash)
            }
            Some(best) => Ok(best.to_match(wanted.path)),
            None if methods.is_empty() => Err(NoMatch::NotFound),
            None => {
                methods.sort_unstable();
                Err(NoMatch::Method(methods))
            }
        }
    }
}
