//! The candidates of one host, by path.

use std::collections::HashMap;

use model::route::PathPattern;
use model::route::path::Segment;

use super::prefixes::PrefixTree;
use crate::path::canonical_pattern;

/// Candidates by path: exact, with parameters, by prefix; regexes are tried one after the other.
#[derive(Debug, Default)]
pub(super) struct PathTable {
    exact: HashMap<String, Vec<usize>>,
    parameters: SegmentNode,
    prefixes: PrefixTree,
    regexes: Vec<usize>,
}

/// A tree of segments.
#[derive(Debug, Default)]
struct SegmentNode {
    literals: HashMap<String, SegmentNode>,
    parameter: Option<Box<SegmentNode>>,
    ends: Vec<usize>,
    rests: Vec<usize>,
}

impl PathTable {
    /// Adds a candidate.
    pub(super) fn insert(&mut self, pattern: Option<&PathPattern>, candidate: usize) {
        match pattern {
            None => self.prefixes.insert("", candidate),
            Some(PathPattern::Prefix(prefix)) => self.prefixes.insert(&canonical_pattern(prefix), candidate),
            Some(PathPattern::Exact(path)) => self.exact.entry(canonical_pattern(path)).or_default().push(candidate),
            Some(PathPattern::Parameters(segments)) => self.parameters.insert(segments, candidate),
            Some(PathPattern::Regex(_)) => self.regexes.push(candidate),
        }
    }

    /// Adds the candidates for a path to `found`.
    pub(super) fn collect(&self, path: &str, found: &mut Vec<usize>) {
        if let Some(exact) = self.exact.get(path) {
            found.extend(exact);
        }
        self.prefixes.collect(path, found);
        found.extend(&self.regexes);
        if let Some(segments) = path.strip_prefix('/') {
            self.parameters.collect(Some(segments), found);
        }
    }
}

impl SegmentNode {
    fn insert(&mut self, segments: &[Segment], candidate: usize) {
        match segments.split_first() {
            None => self.ends.push(candidate),
            Some((Segment::Rest(_), _)) => self.rests.push(candidate),
            Some((Segment::Literal(text), others)) => {
                self.literals
                    .entry(canonical_pattern(text))
                    .or_default()
                    .insert(others, candidate);
            }
            Some((Segment::Parameter(_), others)) => self.parameter.get_or_insert_default().insert(others, candidate),
        }
    }

    /// `left` is what follows the last slash; `None` when the path is at its end.
    fn collect(&self, left: Option<&str>, found: &mut Vec<usize>) {
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
