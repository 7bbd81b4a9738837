//! A route under one of its hosts and one of its paths.

use std::sync::Arc;

use model::route::path::Segment;
use model::route::{PathPattern, Rank};
use regex::Regex;

use super::conditions::{Conditions, Narrowness};
use super::{Match, Wanted};
use crate::path::CanonicalPath;

/// A route under one host and one path.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) conditions: Arc<Conditions>,
    /// Which of the route's hosts and paths; the only one where it has none.
    pub(super) host: u16,
    pub(super) path: u16,
}

/// What the index could not decide about a path, and what its match yields.
#[derive(Debug)]
pub(super) enum PathMatch {
    Any,
    Exact(Box<str>),
    Prefix(Box<str>),
    Parameters(Box<[Segment]>),
    Regex(Box<Regex>),
}

/// Where a path stands in an index.
#[derive(Debug, Clone, Copy)]
pub(super) enum PathKey<'a> {
    Any,
    Exact(&'a str),
    Prefix(&'a str),
    Parameters(&'a [Segment]),
    Regex,
}

impl Candidate {
    /// Whether two are the same one.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.conditions, &other.conditions) && self.host == other.host && self.path == other.path
    }

    pub(super) fn rank(&self) -> Rank {
        self.conditions.rank(self.host, self.path)
    }

    fn matching(&self) -> &PathMatch {
        self.conditions.path(self.path)
    }

    /// Whether everything but the method matches, and how narrowly.
    pub(super) fn matched(&self, wanted: &Wanted<'_>) -> Option<Narrowness> {
        let port = self.conditions.port(self.host);
        if port.is_some_and(|port| wanted.port != Some(port)) {
            return None;
        }
        self.matching()
            .matched(wanted.path.seen(self.conditions.merge_slashes))?;
        self.conditions.matched(wanted)
    }

    pub(super) fn to_match(&self, path: &CanonicalPath<'_>) -> Match {
        let seen = path.seen(self.conditions.merge_slashes);
        Match {
            route: self.conditions.route,
            parameters: self.matching().parameters(seen),
            matched: self.matching().matched(seen).unwrap_or_default(),
        }
    }
}

impl PathMatch {
    pub(super) fn compile(path: Option<&PathPattern>) -> Result<Self, String> {
        Ok(match path {
            None => Self::Any,
            Some(PathPattern::Exact(path)) => Self::Exact(path.as_str().into()),
            Some(PathPattern::Prefix(prefix)) => Self::Prefix(prefix.as_str().into()),
            Some(PathPattern::Parameters(segments)) => Self::Parameters(segments.as_slice().into()),
            Some(PathPattern::Regex(pattern)) => Self::Regex(Box::new(PathPattern::compile(pattern)?)),
        })
    }

    pub(super) fn key(&self) -> PathKey<'_> {
        match self {
            Self::Any => PathKey::Any,
            Self::Exact(path) => PathKey::Exact(path),
            Self::Prefix(prefix) => PathKey::Prefix(prefix),
            Self::Parameters(segments) => PathKey::Parameters(segments),
            Self::Regex(_) => PathKey::Regex,
        }
    }

    /// How many bytes of `path` match; `None` when it does not.
    fn matched(&self, path: &str) -> Option<usize> {
        match self {
            Self::Any => Some(0),
            Self::Exact(exact) => (path == &**exact).then_some(path.len()),
            Self::Prefix(prefix) => path.starts_with(&**prefix).then_some(prefix.len()),
            Self::Regex(regex) => regex
                .find(path)
                .filter(|found| found.start() == 0)
                .map(|found| found.end()),
            Self::Parameters(segments) => {
                let mut parts = path.get(1..)?.split('/');
                let mut matched = 0;
                for segment in segments {
                    let fits = |part: &&str| match segment {
                        Segment::Literal(text) => text == part,
                        Segment::Parameter(_) | Segment::Rest(_) => !part.is_empty(),
                    };
                    if matches!(segment, Segment::Rest(_)) {
                        return Some(matched);
                    }
                    matched += 1 + parts.next().filter(fits)?.len();
                }
                parts.next().is_none().then_some(matched)
            }
        }
    }

    fn parameters(&self, path: &str) -> Vec<(String, String)> {
        let Self::Parameters(segments) = self else {
            return Vec::new();
        };
        let mut left = path.get(1..);
        let values = segments.iter().filter_map(|segment| {
            let (part, others) = match left.unwrap_or_default().split_once('/') {
                Some((part, others)) => (part, Some(others)),
                None => (left.unwrap_or_default(), None),
            };
            let (name, value) = match segment {
                Segment::Literal(_) => (None, part),
                Segment::Parameter(name) => (Some(name), part),
                Segment::Rest(name) => (Some(name), left.unwrap_or_default()),
            };
            left = others;
            name.map(|name| (name.clone(), value.to_owned()))
        });
        values.collect()
    }
}
