//! The candidates of one host, by path.

use std::collections::HashMap;

use model::route::PathPattern;
use model::route::path::Segment;

use super::Found;
use super::prefixes::PrefixTree;

/// Candidates by path: exact, with parameters, by prefix; regexes are tried one after the other.
#[derive(Debug, Default)]
pub(super) struct PathTable {
    exact: HashMap<String, Vec<u32>>,
    parameters: SegmentNode,
    prefixes: PrefixTree,
    regexes: Vec<u32>,
}

/// A tree of segments.
#[derive(Debug, Default)]
struct SegmentNode {
    literals: HashMap<String, SegmentNode>,
    parameter: Option<Box<SegmentNode>>,
    ends: Vec<u32>,
    rests: Vec<u32>,
}

impl PathTable {
    /// Adds a candidate.
    pub(super) fn insert(&mut self, pattern: Option<&PathPattern>, candidate: u32) {
        match pattern {
            None => self.prefixes.insert("", candidate),
            Some(PathPattern::Prefix(prefix)) => self.prefixes.insert(prefix, candidate),
            Some(PathPattern::Exact(path)) => self.exact.entry(path.clone()).or_default().push(candidate),
            Some(PathPattern::Parameters(segments)) => self.parameters.insert(segments, candidate),
            Some(PathPattern::Regex(_)) => self.regexes.push(candidate),
        }
    }

    /// Adds the candidates for a path to `found`.
    pub(super) fn collect(&self, path: &str, found: &mut Found) {
        if let Some(exact) = self.exact.get(path).filter(|_| !self.exact.is_empty()) {
            found.extend_from_slice(exact);
        }
        self.prefixes.collect(path, found);
        found.extend_from_slice(&self.regexes);
        if !self.parameters.is_empty()
            && let Some(segments) = path.strip_prefix('/')
        {
            self.parameters.collect(Some(segments), found);
        }
    }
}

impl SegmentNode {
    fn is_empty(&self) -> bool {
        self.literals.is_empty() && self.parameter.is_none() && self.ends.is_empty() && self.rests.is_empty()
    }

    fn insert(&mut self, segments: &[Segment], candidate: u32) {
        match segments.split_first() {
            None => self.ends.push(candidate),
            Some((Segment::Rest(_), _)) => self.rests.push(candidate),
            Some((Segment::Literal(text), others)) => {
                self.literals.entry(text.clone()).or_default().insert(others, candidate);
            }
            Some((Segment::Parameter(_), others)) => self.parameter.get_or_insert_default().insert(others, candidate),
        }
    }

    /// `left` is what follows the last slash; `None` when the path is at its end.
    fn collect(&self, left: Option<&str>, found: &mut Found) {
        found.extend_from_slice(&self.rests);
        let Some(left) = left else {
            found.extend_from_slice(&self.ends);
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
