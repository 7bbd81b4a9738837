//! What is done with each request.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue};
use pingora_http::RequestHeader;

use super::config::{HeaderChanges, Pair, QueryChanges, Rename, RequestTransform};
use crate::exchange::{Exchange, Flow, Outcome};
use crate::plugin::Filter;
use crate::query;

pub(super) struct TransformFilter {
    remove: Vec<HeaderName>,
    rename: Vec<(HeaderName, HeaderName)>,
    set: Vec<(HeaderName, HeaderValue)>,
    add: Vec<(HeaderName, HeaderValue)>,
    query: QueryChanges,
}

impl TransformFilter {
    pub(super) fn new(config: RequestTransform) -> Result<Self, String> {
        let HeaderChanges {
            remove,
            rename,
            set,
            add,
        } = config.headers;
        let pairs = |pairs: Vec<Pair>| pairs.iter().map(header).collect::<Result<Vec<_>, _>>();
        Ok(Self {
            remove: remove.iter().map(|name| header_name(name)).collect::<Result<_, _>>()?,
            rename: rename
                .iter()
                .map(|rename| Ok((header_name(&rename.from)?, header_name(&rename.to)?)))
                .collect::<Result<_, String>>()?,
            set: pairs(set)?,
            add: pairs(add)?,
            query: config.query,
        })
    }

    fn change_headers(&self, request: &mut RequestHeader) {
        for name in &self.remove {
            request.remove_header(name);
        }
        for (from, to) in &self.rename {
            let values: Vec<HeaderValue> = request.headers.get_all(from).iter().cloned().collect();
            if values.is_empty() || from == to {
                continue;
            }
            request.remove_header(from);
            request.remove_header(to);
            for value in values {
                append(request, to, value);
            }
        }
        for (name, value) in &self.set {
            request.remove_header(name);
            append(request, name, value.clone());
        }
        for (name, value) in &self.add {
            append(request, name, value.clone());
        }
    }

    /// Pairs that nobody asked to change keep their spelling.
    fn change_query(&self, before: Option<&str>) -> Option<String> {
        let QueryChanges {
            remove,
            rename,
            set,
            add,
        } = &self.query;
        let mut pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = before
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| (query::name(pair), Cow::Borrowed(pair)))
            .collect();
        pairs.retain(|(name, _)| !remove.iter().any(|removed| removed == name));
        for Rename { from, to } in rename {
            if !pairs.iter().any(|(name, _)| name == from) || from == to {
                continue;
            }
            pairs.retain(|(name, _)| name != to);
            for (name, pair) in pairs.iter_mut().filter(|(name, _)| name == from) {
                let value = pair.split_once('=').map_or("", |(_, value)| value);
                *pair = format!("{}{value}", query::pair(to, "")).into();
                *name = to.into();
            }
        }
        pairs.retain(|(name, _)| !set.iter().any(|set| set.name == *name));
        let mut changed: Vec<Cow<'_, str>> = pairs.into_iter().map(|(_, pair)| pair).collect();
        changed.extend(
            set.iter()
                .chain(add)
                .map(|pair| query::pair(&pair.name, &pair.value).into()),
        );
        if changed.is_empty() {
            None
        } else {
            Some(changed.join("&"))
        }
    }
}

impl Filter for TransformFilter {
    fn on_request<'a>(&'a self, exchange: &'a mut Exchange<'_>) -> Outcome<'a> {
        self.change_headers(exchange.request);
        if self.query != QueryChanges::default() {
            exchange.facts.query = self.change_query(exchange.facts.query.as_deref());
        }
        Outcome::Ready(Flow::Continue)
    }
}

fn append(request: &mut RequestHeader, name: &HeaderName, value: HeaderValue) {
    // The header map is full at 32,768 names, which the limit of the header block does not let happen.
    let _ = request.append_header(name, value);
}

fn header(pair: &Pair) -> Result<(HeaderName, HeaderValue), String> {
    Ok((
        header_name(&pair.name)?,
        HeaderValue::from_str(&pair.value).map_err(|error| error.to_string())?,
    ))
}

fn header_name(name: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|error| format!("`{name}`: {error}"))
}
