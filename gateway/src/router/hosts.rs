//! The tables of paths that a host leads to.

use std::sync::Arc;

use model::route::HostName;
use model::route::host::{HostMatch, HostPattern};

use super::paths::PathTable;
use crate::runtime::Sharded;

type Tables = Sharded<Box<str>, Arc<PathTable>>;

/// Tables by host: exact ones, those below a domain, those in any domain, and those without a host.
#[derive(Debug, Clone, Default)]
pub(super) struct HostIndex {
    exact: Tables,
    suffixes: Tables,
    prefixes: Tables,
    any: Arc<PathTable>,
}

impl HostIndex {
    fn tables(&mut self, pattern: &HostPattern) -> (&mut Tables, String) {
        let (tables, text) = match &pattern.host {
            HostMatch::Exact(host) => (&mut self.exact, host),
            HostMatch::Suffix(suffix) => (&mut self.suffixes, suffix),
            HostMatch::Prefix(prefix) => (&mut self.prefixes, prefix),
        };
        (tables, text.clone())
    }

    /// Changes the table of a pattern, which is there only as long as it is not empty.
    pub(super) fn change(&mut self, pattern: Option<&HostPattern>, change: impl FnOnce(&mut PathTable)) {
        let Some(pattern) = pattern else {
            return change(Arc::make_mut(&mut self.any));
        };
        let (tables, text) = self.tables(pattern);
        let table = tables.entry(text.as_str(), || (text.as_str().into(), Arc::default()));
        change(Arc::make_mut(table));
        if table.is_empty() {
            tables.remove(text.as_str());
        }
    }

    /// Every table that matches a host.
    pub(super) fn each_table<'a>(&'a self, host: Option<&HostName>, mut visit: impl FnMut(&'a PathTable)) {
        visit(&self.any);
        let Some(host) = host.map(HostName::as_str) else { return };
        let mut visit_in = |tables: &'a Tables, text: &str| tables.get(text).map(|table| visit(table));
        if !self.exact.is_empty() {
            visit_in(&self.exact, host);
        }
        if self.suffixes.is_empty() && self.prefixes.is_empty() {
            return;
        }
        for (at, _) in host.match_indices('.').filter(|(at, _)| *at > 0) {
            visit_in(&self.suffixes, &host[at..]);
            if at + 1 < host.len() {
                visit_in(&self.prefixes, &host[..=at]);
            }
        }
    }
}
