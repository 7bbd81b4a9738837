//! The candidates of one host, by path.

use std::collections::HashMap;
use std::sync::Arc;

use model::route::path::Segment;

use super::Found;
use super::candidate::{Candidate, PathKey};
use super::prefixes::PrefixTree;

/// Candidates by path: exact, with parameters, by prefix; regexes are tried one after the other.
#[derive(Debug, Clone, Default)]
pub(super) struct PathTable {
    exact: PrefixTree<Candidate>,
    parameters: Option<Arc<SegmentNode>>,
    prefixes: PrefixTree<Candidate>,
    regexes: Vec<Candidate>,
}

/// A tree of segments.
#[derive(Debug, Clone, Default)]
struct SegmentNode {
    literals: HashMap<Arc<str>, Arc<SegmentNode>>,
    parameter: Option<Arc<SegmentNode>>,
    ends: Vec<Candidate>,
    rests: Vec<Candidate>,
}

impl PathTable {
    pub(super) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.prefixes.is_empty() && self.parameters.is_none() && self.regexes.is_empty()
    }

    /// Adds a candidate.
    pub(super) fn insert(&mut self, path: PathKey<'_>, candidate: Candidate) {
        match path {
            PathKey::Any => self.prefixes.insert("", candidate),
            PathKey::Prefix(prefix) => self.prefixes.insert(prefix, candidate),
            PathKey::Exact(path) => self.exact.insert(path, candidate),
            PathKey::Parameters(segments) => {
                Arc::make_mut(self.parameters.get_or_insert_default()).insert(segments, candidate);
            }
            PathKey::Regex => self.regexes.push(candidate),
        }
    }

    /// Takes a candidate out.
    pub(super) fn remove(&mut self, path: PathKey<'_>, candidate: &Candidate) {
        let is_meant = |other: &Candidate| other.is(candidate);
        match path {
            PathKey::Any => self.prefixes.remove("", is_meant),
            PathKey::Prefix(prefix) => self.prefixes.remove(prefix, is_meant),
            PathKey::Exact(path) => self.exact.remove(path, is_meant),
            PathKey::Parameters(segments) => SegmentNode::remove(&mut self.parameters, segments, candidate),
            PathKey::Regex => self.regexes.retain(|other| !is_meant(other)),
        }
    }

    /// Adds the candidates for a path to `found`.
    pub(super) fn collect<'a>(&'a self, path: &str, found: &mut Found<'a>) {
        self.exact.collect_exact(path, found);
        self.prefixes.collect(path, found);
        found.extend(&self.regexes);
        if let Some(parameters) = &self.parameters
            && let Some(segments) = path.strip_prefix('/')
        {
            parameters.collect(Some(segments), found);
        }
    }
}

impl SegmentNode {
    fn is_empty(&self) -> bool {
        self.literals.is_empty() && self.parameter.is_none() && self.ends.is_empty() && self.rests.is_empty()
    }

    fn insert(&mut self, segments: &[Segment], candidate: Candidate) {
        let (below, others) = match segments.split_first() {
            None => return self.ends.push(candidate),
            Some((Segment::Rest(_), _)) => return self.rests.push(candidate),
            Some((Segment::Literal(text), others)) => (self.literals.entry(text.as_str().into()).or_default(), others),
            Some((Segment::Parameter(_), others)) => (self.parameter.get_or_insert_default(), others),
        };
        Arc::make_mut(below).insert(others, candidate);
    }

    /// Takes a candidate out of a tree, and what is empty then.
    fn remove(tree: &mut Option<Arc<Self>>, segments: &[Segment], candidate: &Candidate) {
        let Some(node) = tree else { return };
        let node = Arc::make_mut(node);
        match segments.split_first() {
            None => node.ends.retain(|other| !other.is(candidate)),
            Some((Segment::Rest(_), _)) => node.rests.retain(|other| !other.is(candidate)),
            Some((Segment::Parameter(_), others)) => Self::remove(&mut node.parameter, others, candidate),
            Some((Segment::Literal(text), others)) => {
                let mut below = node.literals.remove(text.as_str());
                Self::remove(&mut below, others, candidate);
                if let Some(below) = below {
                    node.literals.insert(text.as_str().into(), below);
                }
            }
        }
        if node.is_empty() {
            *tree = None;
        }
    }

    /// `left` is what follows the last slash; `None` when the path is at its end.
    fn collect<'a>(&'a self, left: Option<&str>, found: &mut Found<'a>) {
        found.extend(&self.rests);
        let Some(left) = left else {
            found.extend(&self.ends);
            return;
        };
        let (segment, others) = match left.split_once('/') {
            Some((segment, others)) => (segment, Some(others)),
            None => (left, None),
        };
        if let Some(node) = self.literals.get(segment) {
            node.collect(others, found);
        }
        if let Some(node) = self.parameter.as_ref().filter(|_| !segment.is_empty()) {
            node.collect(others, found);
        }
    }
}
