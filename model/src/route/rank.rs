//! How good a match is, so that the best of several can win.

use super::path::Segment;
use super::{HostPattern, PathPattern, Protocol, RouteSpec};

/// The rank of a route under one of its hosts and one of its paths, best greatest. Where two are equal, the narrower
/// server name, the narrower network and then the older route wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    priority: i32,
    kinds: usize,
    host: (u8, usize),
    names: usize,
    path: (u8, i64),
}

impl Rank {
    /// The rank of `route` under a host and a path of it, or under none where it has none.
    pub fn of(route: &RouteSpec, host: Option<&HostPattern>, path: Option<&PathPattern>) -> Self {
        Self {
            priority: route.priority,
            kinds: kinds(route),
            host: host.map_or((0, 0), HostPattern::rank),
            names: route.headers.len() + route.queries.len(),
            path: path.map_or((0, 0), |path| path_rank(path, route.regex_priority)),
        }
    }
}

/// How many kinds of condition a route has.
pub(super) fn kinds(route: &RouteSpec) -> usize {
    let given = [
        !route.hosts.is_empty(),
        !route.paths.is_empty(),
        !route.methods.is_empty(),
        !route.headers.is_empty(),
        !route.queries.is_empty(),
        !route.snis.is_empty(),
        !route.sources.is_empty(),
        !route.ports.is_empty(),
        narrows_protocols(route),
    ];
    given.into_iter().filter(|given| *given).count()
}

/// Whether the protocols leave out something that a route takes which names none.
fn narrows_protocols(route: &RouteSpec) -> bool {
    !(route.protocols.contains(&Protocol::Http) && route.protocols.contains(&Protocol::Https))
}

fn path_rank(path: &PathPattern, regex_priority: i32) -> (u8, i64) {
    let length = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    match path {
        PathPattern::Prefix(prefix) => (1, length(prefix.len())),
        PathPattern::Regex(_) => (2, i64::from(regex_priority)),
        PathPattern::Parameters(segments) => {
            let literals = segments.iter().filter(|segment| matches!(segment, Segment::Literal(_)));
            (3, length(literals.count()))
        }
        PathPattern::Exact(_) => (4, 0),
    }
}
