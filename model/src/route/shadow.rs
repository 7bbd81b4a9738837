//! Routes that get in each other's way: those that nothing can tell apart, and those that another one always beats.

use super::path::Segment;
use super::rank::{Rank, kinds};
use super::value::{Case, Values};
use super::{HostPattern, PathPattern, RouteSpec};

impl RouteSpec {
    /// Whether no request can tell this route from `other`: then only their age would say which one wins.
    pub fn indistinguishable(&self, other: &Self) -> bool {
        self.priority == other.priority
            && self.regex_priority == other.regex_priority
            && kinds(self) == kinds(other)
            && self.headers == other.headers
            && self.queries == other.queries
            && share(&self.protocols, &other.protocols)
            && share(&self.methods, &other.methods)
            && share(&self.hosts, &other.hosts)
            && share(&self.snis, &other.snis)
            && share(&self.sources, &other.sources)
            && share(&self.ports, &other.ports)
            && meet(&self.paths, &other.paths, same_path)
    }

    /// Whether this route can never win, because every request that it takes is taken by `other` with a higher rank.
    ///
    /// It is sound: `true` is never wrong. It is not complete: a regular expression is known to be covered only by an
    /// equal one, by one that matches it as the text of an exact value, and by what takes everything; several routes
    /// that cover another one only together are not seen; and equal ranks, where age decides, do not count.
    pub fn shadowed_by(&self, other: &Self) -> bool {
        let takes_all = self.enabled
            && other.enabled
            && self.merge_slashes == other.merge_slashes
            && covered(&self.protocols, &other.protocols, |one, all| all.covers(*one))
            && covered_list(&self.methods, &other.methods, |one, all| one == all)
            && covered_list(&self.ports, &other.ports, |one, all| one == all)
            && covered_list(&self.snis, &other.snis, |one, all| all.covers(one))
            && covered_list(&self.sources, &other.sources, |one, all| all.covers(one))
            && covered_values(&self.headers, &other.headers, Case::Ignored)
            && covered_values(&self.queries, &other.queries, Case::Kept);
        takes_all && self.is_outranked(other)
    }

    /// Whether under each host and path `other` has a host and a path that take all of it and rank higher.
    fn is_outranked(&self, other: &Self) -> bool {
        let best_host = |host: Option<&HostPattern>| {
            best(
                &other.hosts,
                |all| host.is_some_and(|host| all.covers(host)),
                |all| Rank::of(other, Some(all), None),
            )
        };
        let best_path = |path: Option<&PathPattern>| {
            best(
                &other.paths,
                |all| covers_path(all, path),
                |all| Rank::of(other, None, Some(all)),
            )
        };
        let hosts: Vec<_> = options(&self.hosts).map(|host| (host, best_host(host))).collect();
        let paths: Vec<_> = options(&self.paths).map(|path| (path, best_path(path))).collect();
        hosts.iter().all(|(host, best_host)| {
            paths.iter().all(|(path, best_path)| {
                let (Some(best_host), Some(best_path)) = (best_host, best_path) else {
                    return false;
                };
                Rank::of(other, *best_host, *best_path) > Rank::of(self, *host, *path)
            })
        })
    }
}

/// Each entry, or once nothing when there is none.
fn options<T>(list: &[T]) -> impl Iterator<Item = Option<&T>> {
    let none = list.is_empty().then_some(None);
    list.iter().map(Some).chain(none)
}

/// The entry of the highest rank that takes all, `Some(None)` when the list leaves everything open.
fn best<T>(list: &[T], takes_all: impl Fn(&T) -> bool, rank: impl Fn(&T) -> Rank) -> Option<Option<&T>> {
    if list.is_empty() {
        return Some(None);
    }
    let taking = list.iter().filter(|entry| takes_all(entry));
    taking.max_by_key(|entry| rank(entry)).map(Some)
}

/// Whether two lists are both empty or have an entry in common.
fn share<T: PartialEq>(one: &[T], other: &[T]) -> bool {
    meet(one, other, T::eq)
}

fn meet<T>(one: &[T], other: &[T], same: impl Fn(&T, &T) -> bool) -> bool {
    (one.is_empty() && other.is_empty()) || one.iter().any(|entry| other.iter().any(|known| same(entry, known)))
}

fn covered<T>(list: &[T], by: &[T], covers: impl Fn(&T, &T) -> bool) -> bool {
    list.iter().all(|one| by.iter().any(|all| covers(one, all)))
}

/// As `covered`, where an empty list leaves everything open.
fn covered_list<T>(list: &[T], by: &[T], covers: impl Fn(&T, &T) -> bool) -> bool {
    by.is_empty() || (!list.is_empty() && covered(list, by, covers))
}

/// Whether whatever has the values in `values` has those in `by`.
fn covered_values(values: &Values, by: &Values, case: Case) -> bool {
    by.iter().all(|(name, all)| {
        let own = values.get(name);
        own.is_some_and(|own| own.iter().all(|one| all.iter().any(|all| all.covers(one, case))))
    })
}

/// Whether two patterns match the same paths; what parameters are called does not matter.
fn same_path(one: &PathPattern, other: &PathPattern) -> bool {
    let (PathPattern::Parameters(one), PathPattern::Parameters(other)) = (one, other) else {
        return one == other;
    };
    let same = |(one, other): (&Segment, &Segment)| match (one, other) {
        (Segment::Literal(one), Segment::Literal(other)) => one == other,
        (Segment::Parameter(_), Segment::Parameter(_)) | (Segment::Rest(_), Segment::Rest(_)) => true,
        _ => false,
    };
    one.len() == other.len() && one.iter().zip(other).all(same)
}

/// Whether `all` matches every path that `path` does; no path at all is every path.
fn covers_path(all: &PathPattern, path: Option<&PathPattern>) -> bool {
    let everything = PathPattern::Prefix("/".to_owned());
    let path = path.unwrap_or(&everything);
    match (all, path) {
        (PathPattern::Prefix(prefix), _) if prefix == "/" => true,
        (PathPattern::Prefix(prefix), path) => beginning(path).is_some_and(|text| text.starts_with(prefix.as_str())),
        (PathPattern::Exact(one), PathPattern::Exact(other)) => one == other,
        (PathPattern::Parameters(segments), path) => covers_segments(segments, path),
        (PathPattern::Regex(one), PathPattern::Regex(other)) => one == other,
        (PathPattern::Regex(pattern), PathPattern::Exact(text)) => {
            PathPattern::compile(pattern).is_ok_and(|regex| regex.find(text).is_some_and(|found| found.start() == 0))
        }
        _ => false,
    }
}

/// The text that every path of a pattern begins with; none is known of a regular expression.
fn beginning(path: &PathPattern) -> Option<String> {
    match path {
        PathPattern::Prefix(text) | PathPattern::Exact(text) => Some(text.clone()),
        PathPattern::Regex(_) => None,
        PathPattern::Parameters(segments) => {
            let mut text = String::new();
            for segment in segments {
                match segment {
                    Segment::Literal(literal) => text = format!("{text}/{literal}"),
                    Segment::Parameter(_) => return Some(text + "/"),
                    Segment::Rest(_) => return Some(text),
                }
            }
            Some(text)
        }
    }
}

/// Whether a pattern of segments matches every path that `path` does.
fn covers_segments(segments: &[Segment], path: &PathPattern) -> bool {
    let literal = |text: &str| Segment::Literal(text.to_owned());
    let (others, open) = match path {
        PathPattern::Exact(text) => (text[1..].split('/').map(literal).collect(), false),
        PathPattern::Prefix(text) => {
            // What follows the last slash may go on, so it is no segment yet.
            let (complete, _) = text.rsplit_once('/').unwrap_or_default();
            (complete.split('/').skip(1).map(literal).collect::<Vec<_>>(), true)
        }
        PathPattern::Parameters(others) => match others.split_last() {
            Some((Segment::Rest(_), others)) => (others.to_vec(), true),
            _ => (others.clone(), false),
        },
        PathPattern::Regex(_) => return matches!(segments, [Segment::Rest(_)]),
    };
    let (fixed, takes_rest) = match segments.split_last() {
        Some((Segment::Rest(_), fixed)) => (fixed, true),
        _ => (segments, false),
    };
    let fits = fixed.iter().zip(&others).all(|(all, one)| match (all, one) {
        (Segment::Literal(all), Segment::Literal(one)) => all == one,
        (Segment::Parameter(_), Segment::Literal(one)) => !one.is_empty(),
        (Segment::Parameter(_), Segment::Parameter(_)) => true,
        _ => false,
    });
    let enough = if takes_rest {
        others.len() >= fixed.len()
    } else {
        !open && others.len() == fixed.len()
    };
    fits && enough
}

#[cfg(test)]
mod tests;
