//! What all pairs of host and path of a route share: the conditions that no index decides.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, Method};
use model::id::RouteId;
use model::route::{
    Case, EncodedSlashes, HostPattern, Protocol, Rank, RouteSpec, SniPattern, SourceNetwork, ValuePattern, Values,
};
use regex::Regex;
use smallvec::SmallVec;
use url::form_urlencoded;

use super::candidate::{PathKey, PathMatch};
use super::{Wanted, options};

/// The conditions of a route, ready to be asked. There are very many of them, and most have few conditions.
#[derive(Debug)]
pub(super) struct Conditions {
    pub(super) route: RouteId,
    pub(super) merge_slashes: bool,
    pub(super) encoded_slashes: EncodedSlashes,
    protocols: SmallVec<[Protocol; 8]>,
    pub(super) methods: Box<[String]>,
    hosts: Box<[HostPattern]>,
    paths: SmallVec<[PathMatch; 1]>,
    /// The rank under each host and path, host by host.
    ranks: SmallVec<[Rank; 1]>,
    rare: Option<Box<Rare>>,
}

/// Conditions that few routes have.
#[derive(Debug)]
struct Rare {
    headers: Vec<(HeaderName, Vec<Value>)>,
    queries: Vec<(String, Vec<Value>)>,
    snis: Vec<SniPattern>,
    sources: Vec<SourceNetwork>,
}

/// How narrow the server name and the network are that matched: it decides between equal ranks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Narrowness {
    sni: (u8, usize),
    source: u8,
}

#[derive(Debug)]
enum Value {
    Present,
    Exact(String),
    Regex(Regex),
}

impl Conditions {
    pub(super) fn compile(route: RouteId, spec: &RouteSpec) -> Result<Self, String> {
        let mut paths = SmallVec::new();
        for path in options(&spec.paths) {
            paths.push(PathMatch::compile(path)?);
        }
        let mut ranks = SmallVec::new();
        for host in options(&spec.hosts) {
            ranks.extend(options(&spec.paths).map(|path| Rank::of(spec, host, path)));
        }
        if u16::try_from(ranks.len()).is_err() {
            return Err("has too many hosts and paths".to_owned());
        }
        Ok(Self {
            route,
            merge_slashes: spec.merge_slashes,
            encoded_slashes: spec.encoded_slashes,
            protocols: SmallVec::from_slice(&spec.protocols),
            methods: spec.methods.as_slice().into(),
            hosts: spec.hosts.as_slice().into(),
            paths,
            ranks,
            rare: Rare::compile(spec)?.map(Box::new),
        })
    }

    /// The numbers of all hosts with all paths, and their patterns.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (u16, u16, Option<&HostPattern>, PathKey<'_>)> {
        (0_u16..).zip(options(&self.hosts)).flat_map(|(host, pattern)| {
            let paths = (0_u16..).zip(&self.paths);
            paths.map(move |(path, matching)| (host, path, pattern, matching.key()))
        })
    }

    pub(super) fn rank(&self, host: u16, path: u16) -> Rank {
        self.ranks[usize::from(host) * self.paths.len() + usize::from(path)]
    }

    pub(super) fn path(&self, path: u16) -> &PathMatch {
        &self.paths[usize::from(path)]
    }

    /// The port that a host wants.
    pub(super) fn port(&self, host: u16) -> Option<u16> {
        self.hosts.get(usize::from(host)).and_then(|host| host.port)
    }

    /// Whether everything but host, path and method matches, and how narrowly.
    pub(super) fn matched(&self, wanted: &Wanted<'_>) -> Option<Narrowness> {
        let takes = |protocol: &Protocol| protocol.takes(wanted.scheme, wanted.kind);
        if !self.protocols.iter().any(takes) {
            return None;
        }
        let Some(rare) = &self.rare else {
            return Some(Narrowness::default());
        };
        let narrowness = narrowness(&rare.snis, wanted.sni, &rare.sources, wanted.source)?;
        let matches = rare.headers_match(wanted.headers) && rare.queries_match(wanted.query);
        matches.then_some(narrowness)
    }

    pub(super) fn matches_method(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.methods.iter().any(|known| known == method.as_str())
    }
}

impl Rare {
    fn compile(spec: &RouteSpec) -> Result<Option<Self>, String> {
        if spec.headers.is_empty() && spec.queries.is_empty() && spec.snis.is_empty() && spec.sources.is_empty() {
            return Ok(None);
        }
        let mut headers = Vec::with_capacity(spec.headers.len());
        for (name, values) in compile_values(&spec.headers, Case::Ignored)? {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is no header name"))?;
            headers.push((name, values));
        }
        Ok(Some(Self {
            headers,
            queries: compile_values(&spec.queries, Case::Kept)?,
            snis: spec.snis.clone(),
            sources: spec.sources.clone(),
        }))
    }

    fn headers_match(&self, headers: &HeaderMap) -> bool {
        self.headers.iter().all(|(name, patterns)| {
            let mut values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
            values.any(|value| patterns.iter().any(|pattern| pattern.matches(value, Case::Ignored)))
        })
    }

    fn queries_match(&self, query: Option<&str>) -> bool {
        let query = query.unwrap_or_default();
        self.queries.iter().all(|(name, patterns)| {
            let mut pairs = form_urlencoded::parse(query.as_bytes()).filter(|(known, _)| known == name);
            pairs.any(|(_, value)| patterns.iter().any(|pattern| pattern.matches(&value, Case::Kept)))
        })
    }
}

/// Whether the server name and the address match, and how narrowly.
pub(super) fn narrowness(
    snis: &[SniPattern],
    sni: Option<&str>,
    sources: &[SourceNetwork],
    source: IpAddr,
) -> Option<Narrowness> {
    let mut narrowness = Narrowness::default();
    if !snis.is_empty() {
        let sni = sni?;
        narrowness.sni = snis
            .iter()
            .filter(|name| name.matches(sni))
            .map(SniPattern::rank)
            .max()?;
    }
    if !sources.is_empty() {
        let holding = sources.iter().filter(|network| network.contains(source));
        narrowness.source = holding.map(SourceNetwork::prefix_length).max()?;
    }
    Some(narrowness)
}

fn compile_values(values: &Values, case: Case) -> Result<Vec<(String, Vec<Value>)>, String> {
    let compile = |pattern: &ValuePattern| {
        Ok(match pattern {
            ValuePattern::Present => Value::Present,
            ValuePattern::Exact(text) => Value::Exact(text.clone()),
            ValuePattern::Regex(pattern) => Value::Regex(ValuePattern::compile(pattern, case)?),
        })
    };
    let all = |patterns: &[ValuePattern]| patterns.iter().map(compile).collect::<Result<Vec<_>, String>>();
    values
        .iter()
        .map(|(name, patterns)| Ok((name.clone(), all(patterns)?)))
        .collect()
}

impl Value {
    fn matches(&self, value: &str, case: Case) -> bool {
        match self {
            Self::Present => true,
            Self::Exact(text) if case == Case::Ignored => text.eq_ignore_ascii_case(value),
            Self::Exact(text) => text == value,
            Self::Regex(regex) => regex.is_match(value),
        }
    }
}
