//! A route under one of its hosts and one of its paths: its rank, and the conditions that no index decides.

use std::cmp::Reverse;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, Method};
use model::id::RouteId;
use model::route::path::Segment;
use model::route::{EncodedSlashes, HeaderPattern, HostPattern, PathPattern, Protocol, RouteSpec};
use model::service::Scheme;
use regex::Regex;

use super::host_length;
use super::{Match, Wanted};
use crate::path::{CanonicalPath, canonical_pattern};

/// What every pair of host and path of a route shares.
#[derive(Debug)]
pub(super) struct Conditions {
    route: RouteId,
    methods: Vec<String>,
    headers: Vec<(HeaderName, Vec<ValuePattern>)>,
    http: bool,
    https: bool,
    merge_slashes: bool,
    encoded_slashes: EncodedSlashes,
    regexes: Vec<(String, Regex)>,
}

#[derive(Debug)]
enum ValuePattern {
    Present,
    Exact(String),
    Regex(Regex),
}

impl Conditions {
    pub(super) fn compile(route: RouteId, spec: &RouteSpec) -> Result<Self, String> {
        let mut regexes = Vec::new();
        for path in &spec.paths {
            if let PathPattern::Regex(pattern) = path {
                regexes.push((pattern.clone(), PathPattern::compile(pattern)?));
            }
        }
        let mut headers = Vec::new();
        for (name, patterns) in &spec.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is no header name"))?;
            headers.push((
                name,
                patterns.iter().map(ValuePattern::compile).collect::<Result<_, _>>()?,
            ));
        }
        Ok(Self {
            route,
            methods: spec.methods.clone(),
            headers,
            http: spec.protocols.contains(&Protocol::Http),
            https: spec.protocols.contains(&Protocol::Https),
            merge_slashes: spec.merge_slashes,
            encoded_slashes: spec.encoded_slashes,
            regexes,
        })
    }

    fn header_matches(&self, headers: &HeaderMap) -> bool {
        self.headers.iter().all(|(name, patterns)| {
            let mut values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
            values.any(|value| patterns.iter().any(|pattern| pattern.matches(value)))
        })
    }
}

impl ValuePattern {
    fn compile(pattern: &HeaderPattern) -> Result<Self, String> {
        Ok(match pattern {
            HeaderPattern::Present => Self::Present,
            HeaderPattern::Exact(text) => Self::Exact(text.clone()),
            HeaderPattern::Regex(pattern) => Self::Regex(HeaderPattern::compile(pattern)?),
        })
    }

    fn matches(&self, value: &str) -> bool {
        match self {
            Self::Present => true,
            Self::Exact(text) => text.eq_ignore_ascii_case(value),
            Self::Regex(regex) => regex.is_match(value),
        }
    }
}

/// How good a match is, best greatest: explicit priority, kinds of condition, host, headers, path, age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    priority: i32,
    kinds: usize,
    host: (u8, usize),
    headers: usize,
    path: (u8, i64),
    oldest: Reverse<RouteId>,
}

impl Rank {
    fn of(route: RouteId, spec: &RouteSpec, host: Option<&HostPattern>, path: Option<&PathPattern>) -> Self {
        let given = [
            !spec.hosts.is_empty(),
            !spec.paths.is_empty(),
            !spec.methods.is_empty(),
            !spec.headers.is_empty(),
        ];
        let path = match path {
            None => (0, 0),
            Some(PathPattern::Prefix(prefix)) => (1, length(prefix.len())),
            Some(PathPattern::Regex(_)) => (2, i64::from(spec.regex_priority)),
            Some(PathPattern::Parameters(segments)) => {
                let literals = segments
                    .iter()
                    .filter(|segment| matches!(segment, Segment::Literal(_)))
                    .count();
                (3, length(literals))
            }
            Some(PathPattern::Exact(_)) => (4, 0),
        };
        Self {
            priority: spec.priority,
            kinds: given.into_iter().filter(|given| *given).count(),
            host: host.map_or((0, 0), host_length),
            headers: spec.headers.len(),
            path,
            oldest: Reverse(route),
        }
    }
}

fn length(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A route under one host and one path.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) rank: Rank,
    conditions: Arc<Conditions>,
    port: Option<u16>,
    path: Path,
}

/// What the index could not decide about a path, and what its match yields.
#[derive(Debug)]
enum Path {
    Any,
    Exact(String),
    Prefix(String),
    /// The names and the positions of the parameters among the segments; the last one may take the rest.
    Parameters {
        names: Vec<(usize, String)>,
        rest: Option<(usize, String)>,
        segments: Vec<Option<String>>,
    },
    Regex(Regex),
}

impl Candidate {
    pub(super) fn new(
        conditions: Arc<Conditions>,
        spec: &RouteSpec,
        host: Option<&HostPattern>,
        path: Option<&PathPattern>,
    ) -> Self {
        let rank = Rank::of(conditions.route, spec, host, path);
        let path = match path {
            None => Path::Any,
            Some(PathPattern::Exact(path)) => Path::Exact(canonical_pattern(path)),
            Some(PathPattern::Prefix(prefix)) => Path::Prefix(canonical_pattern(prefix)),
            Some(PathPattern::Parameters(segments)) => parameters(segments),
            Some(PathPattern::Regex(pattern)) => {
                let known = conditions.regexes.iter().find(|(text, _)| text == pattern);
                known.map_or(Path::Any, |(_, regex)| Path::Regex(regex.clone()))
            }
        };
        Self {
            rank,
            conditions,
            port: host.and_then(|host| host.port),
            path,
        }
    }

    pub(super) fn matches_all_but_method(&self, wanted: &Wanted<'_>) -> bool {
        let scheme = match wanted.scheme {
            Scheme::Http => self.conditions.http,
            Scheme::Https => self.conditions.https,
        };
        scheme
            && self.port.is_none_or(|port| wanted.port == Some(port))
            && self
                .path
                .matched(wanted.path.seen(self.conditions.merge_slashes))
                .is_some()
            && self.conditions.header_matches(wanted.headers)
    }

    pub(super) fn matches_method(&self, method: &Method) -> bool {
        self.conditions.methods.is_empty() || self.conditions.methods.iter().any(|known| known == method.as_str())
    }

    pub(super) fn methods(&self) -> &[String] {
        &self.conditions.methods
    }

    pub(super) fn encoded_slashes(&self) -> EncodedSlashes {
        self.conditions.encoded_slashes
    }

    pub(super) fn to_match(&self, path: &CanonicalPath<'_>) -> Match {
        let seen = path.seen(self.conditions.merge_slashes);
        Match {
            route: self.conditions.route,
            parameters: self.path.parameters(seen),
            matched: self.path.matched(seen).unwrap_or_default(),
        }
    }
}

impl Path {
    /// How many bytes of `path` match; `None` when it does not.
    fn matched(&self, path: &str) -> Option<usize> {
        match self {
            Self::Any => Some(0),
            Self::Exact(exact) => (path == exact).then_some(path.len()),
            Self::Prefix(prefix) => path.starts_with(prefix.as_str()).then_some(prefix.len()),
            Self::Regex(regex) => regex
                .find(path)
                .filter(|found| found.start() == 0)
                .map(|found| found.end()),
            Self::Parameters { rest, segments, .. } => {
                let mut parts = path.get(1..)?.split('/');
                let mut matched = 0;
                for segment in segments {
                    let part = parts.next()?;
                    let fits = segment.as_ref().map_or(!part.is_empty(), |literal| literal == part);
                    if !fits {
                        return None;
                    }
                    matched += 1 + part.len();
                }
                if rest.is_none() && parts.next().is_some() {
                    return None;
                }
                Some(matched)
            }
        }
    }

    fn parameters(&self, path: &str) -> Vec<(String, String)> {
        let Self::Parameters { names, rest, .. } = self else {
            return Vec::new();
        };
        let parts: Vec<&str> = path[1..].split('/').collect();
        let mut values: Vec<(String, String)> = names
            .iter()
            .map(|(at, name)| (name.clone(), parts.get(*at).copied().unwrap_or_default().to_owned()))
            .collect();
        if let Some((at, name)) = rest {
            values.push((name.clone(), parts.get(*at..).unwrap_or_default().join("/")));
        }
        values
    }
}

fn parameters(segments: &[Segment]) -> Path {
    let (mut names, mut rest, mut kept) = (Vec::new(), None, Vec::new());
    for (at, segment) in segments.iter().enumerate() {
        match segment {
            Segment::Literal(text) => kept.push(Some(canonical_pattern(text))),
            Segment::Parameter(name) => {
                names.push((at, name.clone()));
                kept.push(None);
            }
            Segment::Rest(name) => rest = Some((at, name.clone())),
        }
    }
    Path::Parameters {
        names,
        rest,
        segments: kept,
    }
}
