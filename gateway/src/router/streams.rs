//! Finds the route of a connection that is not opened: TLS by its server name, TCP by the port it came to.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use model::id::RouteId;
use model::route::{Layer, Rank, RouteSpec, SniPattern, SourceNetwork};
use smallvec::SmallVec;

use super::conditions::narrowness;

/// Rules that an index yields.
type Found = SmallVec<[u32; 16]>;

/// What a connection is matched by.
#[derive(Debug, Clone, Copy)]
pub struct WantedStream<'a> {
    /// The gateway's port that it came to.
    pub port: u16,
    /// Whether it began with a TLS handshake.
    pub tls: bool,
    /// The server name of the handshake.
    pub sni: Option<&'a str>,
    /// The address that it comes from.
    pub source: IpAddr,
}

/// An index of the routes of connections: by port, within a port by server name.
#[derive(Debug, Clone, Default)]
pub(super) struct StreamIndex {
    candidates: Vec<Arc<StreamRule>>,
    ports: BTreeMap<u16, NameTable>,
    any_port: NameTable,
}

/// What a route of connections asks for.
#[derive(Debug)]
pub(super) struct StreamRule {
    route: RouteId,
    rank: Rank,
    layer: Layer,
    snis: Vec<SniPattern>,
    sources: Vec<SourceNetwork>,
    ports: Vec<u16>,
}

/// Candidates by server name.
#[derive(Debug, Clone, Default)]
struct NameTable {
    exact: HashMap<String, Vec<u32>>,
    below: HashMap<String, Vec<u32>>,
    any: Vec<u32>,
    reads_names: bool,
}

impl StreamIndex {
    pub(super) fn insert(&mut self, rule: Arc<StreamRule>) {
        let Ok(index) = u32::try_from(self.candidates.len()) else {
            return;
        };
        if rule.ports.is_empty() {
            self.any_port.insert(&rule, index);
        }
        for port in &rule.ports {
            self.ports.entry(*port).or_default().insert(&rule, index);
        }
        self.candidates.push(rule);
    }

    /// Takes a rule out. There are few of them, so the others are indexed again.
    pub(super) fn remove(&mut self, rule: &Arc<StreamRule>) {
        let before = std::mem::take(self);
        let others = before.candidates.into_iter().filter(|other| !Arc::ptr_eq(other, rule));
        others.for_each(|other| self.insert(other));
    }

    /// The best route for a connection.
    pub(super) fn find(&self, wanted: &WantedStream<'_>) -> Option<RouteId> {
        let mut found = Found::new();
        let name = wanted
            .sni
            .map(|sni| sni.strip_suffix('.').unwrap_or(sni).to_ascii_lowercase());
        let own = self.ports.get(&wanted.port);
        for table in own.into_iter().chain([&self.any_port]) {
            table.collect(name.as_deref(), &mut found);
        }
        let matching = found.into_iter().filter_map(|index| {
            let candidate = &self.candidates[index as usize];
            if candidate.layer == Layer::Tls && !wanted.tls {
                return None;
            }
            let narrowness = narrowness(&candidate.snis, wanted.sni, &candidate.sources, wanted.source)?;
            Some((candidate.rank, narrowness, Reverse(candidate.route)))
        });
        matching.max().map(|(.., Reverse(route))| route)
    }

    /// The ports that routes name.
    pub(super) fn ports(&self) -> impl Iterator<Item = u16> {
        self.ports.keys().copied()
    }

    /// Whether a route could want the server name of a connection to this port.
    pub(super) fn reads_names(&self, port: u16) -> bool {
        self.any_port.reads_names || self.ports.get(&port).is_some_and(|table| table.reads_names)
    }
}

impl StreamRule {
    pub(super) fn compile(route: RouteId, spec: &RouteSpec) -> Self {
        Self {
            route,
            rank: Rank::of(spec, None, None),
            layer: spec.layer(),
            snis: spec.snis.clone(),
            sources: spec.sources.clone(),
            ports: spec.ports.clone(),
        }
    }
}

impl NameTable {
    fn insert(&mut self, rule: &StreamRule, index: u32) {
        self.reads_names |= rule.layer == Layer::Tls;
        if rule.snis.is_empty() {
            self.any.push(index);
        }
        for sni in &rule.snis {
            let list = match sni {
                SniPattern::Exact(name) => self.exact.entry(name.clone()),
                SniPattern::Below(suffix) => self.below.entry(suffix.clone()),
            };
            list.or_default().push(index);
        }
    }

    fn collect(&self, name: Option<&str>, found: &mut Found) {
        found.extend_from_slice(&self.any);
        let Some(name) = name else { return };
        found.extend_from_slice(self.exact.get(name).map(Vec::as_slice).unwrap_or_default());
        for (at, _) in name.match_indices('.').filter(|(at, _)| *at > 0) {
            found.extend_from_slice(self.below.get(&name[at..]).map(Vec::as_slice).unwrap_or_default());
        }
    }
}
