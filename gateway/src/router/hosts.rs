//! The tables of paths that a host leads to.

use std::collections::HashMap;

use model::route::HostName;
use model::route::host::{HostMatch, HostPattern};

use super::paths::PathTable;

/// Tables by host: exact ones, those below a domain, those in any domain, and those without a host.
#[derive(Debug, Default)]
pub(super) struct HostIndex {
    exact: HashMap<String, PathTable>,
    suffixes: HashMap<String, PathTable>,
    prefixes: HashMap<String, PathTable>,
    any: PathTable,
}

impl HostIndex {
    /// The table of a pattern.
    pub(super) fn table(&mut self, pattern: Option<&HostPattern>) -> &mut PathTable {
        match pattern.map(|pattern| &pattern.host) {
            None => &mut self.any,
            Some(HostMatch::Exact(host)) => self.exact.entry(host.clone()).or_default(),
            Some(HostMatch::Suffix(suffix)) => self.suffixes.entry(suffix.clone()).or_default(),
            Some(HostMatch::Prefix(prefix)) => self.prefixes.entry(prefix.clone()).or_default(),
        }
    }

    /// Every table that matches a host.
    pub(super) fn each_table(&self, host: Option<&HostName>, mut visit: impl FnMut(&PathTable)) {
        visit(&self.any);
        let Some(host) = host.map(HostName::as_str) else { return };
        self.exact.get(host).map(&mut visit);
        if self.suffixes.is_empty() && self.prefixes.is_empty() {
            return;
        }
        for (at, _) in host.match_indices('.').filter(|(at, _)| *at > 0) {
            self.suffixes.get(&host[at..]).map(&mut visit);
            if at + 1 < host.len() {
                self.prefixes.get(&host[..=at]).map(&mut visit);
            }
        }
    }
}
