//! A route under one of its hosts and one of its paths.

use std::sync::Arc;

use model::route::path::Segment;
use model::route::{HostPattern, PathPattern, Rank};
use regex::Regex;

use super::conditions::{Conditions, Narrowness};
use super::{Match, Wanted};
use crate::path::CanonicalPath;

/// A route under one host and one path.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) rank: Rank,
    pub(super) conditions: Arc<Conditions>,
    port: Option<u16>,
    path: Arc<PathMatch>,
}

/// What the index could not decide about a path, and what its match yields.
#[derive(Debug)]
pub(super) enum PathMatch {
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
        rank: Rank,
        host: Option<&HostPattern>,
        path: Arc<PathMatch>,
    ) -> Self {
        Self {
            rank,
            conditions,
            port: host.and_then(|host| host.port),
            path,
        }
    }

    /// Whether everything but the method matches, and how narrowly.
    pub(super) fn matched(&self, wanted: &Wanted<'_>) -> Option<Narrowness> {
        if self.port.is_some_and(|port| wanted.port != Some(port)) {
            return None;
        }
        self.path.matched(wanted.path.seen(self.conditions.merge_slashes))?;
        self.conditions.matched(wanted)
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

impl PathMatch {
    pub(super) fn compile(path: Option<&PathPattern>) -> Result<Self, String> {
        Ok(match path {
            None => Self::Any,
            Some(PathPattern::Exact(path)) => Self::Exact(path.clone()),
            Some(PathPattern::Prefix(prefix)) => Self::Prefix(prefix.clone()),
            Some(PathPattern::Parameters(segments)) => parameters(segments),
            Some(PathPattern::Regex(pattern)) => Self::Regex(PathPattern::compile(pattern)?),
        })
    }

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
        let parts = || path.get(1..).unwrap_or_default().split('/');
        let mut values: Vec<(String, String)> = names
            .iter()
            .map(|(at, name)| (name.clone(), parts().nth(*at).unwrap_or_default().to_owned()))
            .collect();
        if let Some((at, name)) = rest {
            let before: usize = parts().take(*at).map(|part| part.len() + 1).sum();
            values.push((name.clone(), path.get(1 + before..).unwrap_or_default().to_owned()));
        }
        values
    }
}

fn parameters(segments: &[Segment]) -> PathMatch {
    let (mut names, mut rest, mut kept) = (Vec::new(), None, Vec::new());
    for (at, segment) in segments.iter().enumerate() {
        match segment {
            Segment::Literal(text) => kept.push(Some(text.clone())),
            Segment::Parameter(name) => {
                names.push((at, name.clone()));
                kept.push(None);
            }
            Segment::Rest(name) => rest = Some((at, name.clone())),
        }
    }
    PathMatch::Parameters {
        names,
        rest,
        segments: kept,
    }
}
