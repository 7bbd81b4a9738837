//! What a route matches, in a line: methods, host and path; and a call that it takes.

use std::fmt;

use askama::Template;
use askama::filters::HtmlSafe;
use model::route::host::HostMatch;
use model::route::{HeaderPattern, PathPattern, RouteSpec, Segment};

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

    fn more_places(&self) -> usize {
        let extra = |count: usize| count.saturating_sub(1);
        extra(self.0.hosts.len()) + extra(self.0.paths.len())
    }
}

/// One line of what a header must be.
pub(super) fn header(name: &str, values: &[impl fmt::Display]) -> String {
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    format!("{name}: {}", values.join(" or "))
}

/// A `curl` line that this route takes, as far as its patterns give an example.
pub(super) fn call(route: &RouteSpec, proxy_url: &str, with_key: bool) -> String {
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
        if let Some(HeaderPattern::Exact(value)) = values.first() {
            parts.push(format!("-H '{name}: {}'", value.replace('\'', "'\\''")));
        }
    }
    if with_key {
        parts.push("-H 'X-API-Key: YOUR_KEY'".to_owned());
    }
    let path = route.paths.first().and_then(example).unwrap_or_else(|| "/".to_owned());
    parts.push(format!("'{proxy_url}{path}'"));
    parts.join(" ")
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
