//! What a route matches, in a line: methods, host and path, and in a word each what else; and a call that it takes.

use std::fmt;

use askama::Template;
use askama::filters::HtmlSafe;
use model::route::host::HostMatch;
use model::route::{Layer, PathPattern, Protocol, RouteSpec, Segment, ValuePattern};
use url::form_urlencoded;

/// What a route matches.
#[derive(Template)]
#[template(path = "console/routes/matching.html")]
pub(super) struct Matching<'a>(pub(super) &'a RouteSpec);

impl HtmlSafe for Matching<'_> {}

/// Methods that a line shows before it counts the rest.
const METHODS: usize = 2;

impl Matching<'_> {
    fn methods(&self) -> &[String] {
        &self.0.methods[..self.0.methods.len().min(METHODS)]
    }

    fn more_methods(&self) -> usize {
        self.0.methods.len().saturating_sub(METHODS)
    }

    /// The first path with the first host, as a client would write them.
    fn place(&self) -> String {
        if self.0.layer() != Layer::Http {
            return self.stream_place();
        }
        let host = self.0.hosts.first().map(ToString::to_string).unwrap_or_default();
        let path = self.0.paths.first().map(ToString::to_string).unwrap_or_default();
        match (host.is_empty(), path.is_empty()) {
            (true, true) => "any path".to_owned(),
            (false, true) => host,
            // A path with a sign before it, such as `=/exact`, would look odd behind a host.
            (false, false) if !path.starts_with('/') => format!("{host} {path}"),
            _ => format!("{host}{path}"),
        }
    }

    /// The first server name with the first port.
    fn stream_place(&self) -> String {
        let name = self
            .0
            .snis
            .first()
            .map_or_else(|| "any name".to_owned(), ToString::to_string);
        let port = self.0.ports.first().map(|port| format!(":{port}")).unwrap_or_default();
        match self.0.layer() {
            Layer::Tcp => format!("port {}", port.trim_start_matches(':')),
            _ => format!("{name}{port}"),
        }
    }

    fn more_places(&self) -> usize {
        let extra = |count: usize| count.saturating_sub(1);
        let stream = extra(self.0.ports.len())
            + if self.0.layer() == Layer::Http {
                0
            } else {
                extra(self.0.snis.len())
            };
        extra(self.0.hosts.len()) + extra(self.0.paths.len()) + stream
    }

    /// What else it asks for, in a few words each.
    pub(super) fn chips(&self) -> Vec<String> {
        let mut chips = Vec::new();
        let protocols: Vec<&str> = self.0.protocols.iter().map(|protocol| protocol.as_str()).collect();
        let takes_all = [Protocol::Http, Protocol::Https]
            .iter()
            .all(|one| self.0.protocols.contains(one));
        if !takes_all {
            chips.push(protocols.join(", "));
        }
        chips.extend(counted("header", self.0.headers.keys()));
        chips.extend(counted("query", self.0.queries.keys()));
        if self.0.layer() == Layer::Http {
            chips.extend(counted("name", self.0.snis.iter()));
        }
        chips.extend(counted("from", self.0.sources.iter()));
        if self.0.priority != 0 {
            chips.push(format!("priority {}", self.0.priority));
        }
        chips
    }
}

/// The first of several things, with how many more there are.
fn counted(word: &str, things: impl ExactSizeIterator<Item = impl fmt::Display>) -> Option<String> {
    let more = things.len().saturating_sub(1);
    let first = { things }.next()?;
    let more = if more > 0 { format!(" +{more}") } else { String::new() };
    Some(format!("{word} {first}{more}"))
}

/// One line of what a query parameter must be.
pub(super) fn query(name: &str, values: &[impl fmt::Display]) -> String {
    let values: Vec<String> = values.iter().map(|value| format!("{name}={value}")).collect();
    values.join(" or ")
}

/// One line of what a header must be.
pub(super) fn header(name: &str, values: &[impl fmt::Display]) -> String {
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    format!("{name}: {}", values.join(" or "))
}

/// A `curl` line that this route takes, as far as its patterns give an example.
pub(super) fn call(route: &RouteSpec, proxy_url: &str, with_key: bool) -> String {
    if route.layer() != Layer::Http {
        return connection(route);
    }
    let mut parts = vec!["curl -i".to_owned()];
    let takes_get = route.methods.is_empty() || route.methods.iter().any(|method| method == "GET");
    parts.extend(
        route
            .methods
            .first()
            .filter(|_| !takes_get)
            .map(|method| format!("-X {method}")),
    );
    if let Some(HostMatch::Exact(host)) = route.hosts.first().map(|pattern| &pattern.host) {
        parts.push(format!("-H 'Host: {}'", host.as_str()));
    }
    for (name, values) in &route.headers {
        if let Some(ValuePattern::Exact(value)) = values.first() {
            parts.push(format!("-H '{name}: {}'", value.replace('\'', "'\\''")));
        }
    }
    if with_key {
        parts.push("-H 'X-API-Key: YOUR_KEY'".to_owned());
    }
    let path = route.paths.first().and_then(example).unwrap_or_else(|| "/".to_owned());
    parts.push(format!("'{proxy_url}{path}{}'", query_string(route)));
    parts.join(" ")
}

/// The query parameters whose values are known, ready for an address.
fn query_string(route: &RouteSpec) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, values) in &route.queries {
        match values.first() {
            Some(ValuePattern::Exact(value)) => drop(query.append_pair(name, value)),
            Some(ValuePattern::Present) => drop(query.append_key_only(name)),
            _ => {}
        }
    }
    let query = query.finish().replace('\'', "%27");
    if query.is_empty() { query } else { format!("?{query}") }
}

/// A line that opens a connection.
fn connection(route: &RouteSpec) -> String {
    let port = route
        .ports
        .first()
        .map_or_else(|| "PORT".to_owned(), ToString::to_string);
    if route.layer() == Layer::Tcp {
        return format!("nc GATEWAY {port}");
    }
    let name = route.snis.first().map(|sni| sni.to_string().replacen('*', "any", 1));
    let name = name.map(|name| format!(" -servername {name}")).unwrap_or_default();
    format!("openssl s_client -connect GATEWAY:{port}{name}")
}

/// A path that the pattern takes; none for a regular expression.
fn example(pattern: &PathPattern) -> Option<String> {
    match pattern {
        PathPattern::Prefix(path) | PathPattern::Exact(path) => Some(path.clone()),
        PathPattern::Parameters(segments) => {
            let part = |segment: &Segment| match segment {
                Segment::Literal(text) => text.clone(),
                Segment::Parameter(_) => "1".to_owned(),
                Segment::Rest(_) => String::new(),
            };
            Some(format!("/{}", segments.iter().map(part).collect::<Vec<_>>().join("/")))
        }
        PathPattern::Regex(_) => None,
    }
}
