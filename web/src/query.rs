//! Lists: what is asked of them in the address, and what stands around them.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use control::ListQuery;

use crate::error::PageError;
use crate::{text, urls};

/// The query parameters of a page.
#[derive(Debug, Clone, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// The parameter of this name; empty when there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .unwrap_or_default()
    }

    /// What a list shall hold; `filters` are the typed ones of the noun.
    pub fn list(&self, filters: &[&str]) -> Result<ListQuery, PageError> {
        Ok(ListQuery::read(&self.0, filters)?)
    }

    /// The parameters that have a value, without those of these names.
    pub fn kept(&self, without: &[&str]) -> Vec<(&str, &str)> {
        let pairs = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        pairs
            .filter(|(name, value)| !value.is_empty() && !without.contains(name))
            .collect()
    }

    /// The same query with other values, as a link; the cursor goes, as it belongs to one order of one search.
    pub fn link(&self, path: &str, changes: &[(&str, &str)]) -> String {
        let changed = |name: &str| name == "cursor" || changes.iter().any(|(known, _)| *known == name);
        let kept = self.0.iter().filter(|(name, _)| !changed(name));
        let mut pairs: Vec<(&str, &str)> = kept.map(|(name, value)| (name.as_str(), value.as_str())).collect();
        pairs.extend_from_slice(changes);
        urls::with_query(path, &pairs)
    }
}

impl FromRequest for Query {
    type Error = PageError;
    type Future = Ready<Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let pairs = url::form_urlencoded::parse(request.query_string().as_bytes());
        ready(Ok(Self(
            pairs
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        )))
    }
}

/// What stands below a list: how much there is, and the ways on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pager {
    /// `1–50 of 1,204`, or how many match.
    pub text: String,
    /// The first page, when this is another one.
    pub first: Option<String>,
    /// The next page.
    pub next: Option<String>,
}

impl Pager {
    /// The pager of a page of a list under `path`.
    pub fn of<T>(page: &control::Page<T>, query: &Query, path: &str) -> Self {
        let shown = i64::try_from(page.items.len()).unwrap_or(i64::MAX);
        let is_first = query.get("cursor").is_empty();
        let text = match (is_first, shown) {
            (true, shown) if shown >= page.total => format!("{} in all", text::count(page.total)),
            (true, shown) => format!("1–{} of {}", text::count(shown), text::count(page.total)),
            (false, shown) => format!("{} more of {}", text::count(shown), text::count(page.total)),
        };
        Self {
            text,
            first: (!is_first).then(|| query.link(path, &[])),
            next: page
                .next_cursor
                .as_deref()
                .map(|cursor| query.link(path, &[("cursor", cursor)])),
        }
    }
}

/// What a sortable column says of itself to screen readers.
pub fn sort_state(column: &str, sort: &str) -> &'static str {
    match sort.strip_prefix('-') {
        Some(sorted) if sorted == column => "descending",
        None if sort == column => "ascending",
        _ => "none",
    }
}

/// Whether a list is sorted by this column.
pub fn is_sorted(column: &str, sort: &str) -> bool {
    sort_state(column, sort) != "none"
}

/// The icon of a sorted column.
pub fn sort_icon(sort: &str) -> &'static str {
    if sort.starts_with('-') {
        "arrow-down"
    } else {
        "arrow-up"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&str, &str)]) -> Query {
        Query(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn a_changed_query_begins_at_the_first_page() {
        let query = query(&[("q", "a"), ("cursor", "x"), ("sort", "name")]);
        assert_eq!(query.link("/r", &[("sort", "-name")]), "/r?q=a&sort=-name");
        assert_eq!(query.get("q"), "a");
    }

    #[test]
    fn the_pager_says_how_much_there_is() {
        let page = |items: usize, next: Option<&str>| control::Page {
            items: vec![(); items],
            next_cursor: next.map(str::to_owned),
            total: 1_204,
        };
        let first = Pager::of(&page(50, Some("c")), &query(&[("q", "a")]), "/r");
        assert_eq!(
            (first.text.as_str(), first.first, first.next.as_deref()),
            ("1–50 of 1,204", None, Some("/r?q=a&cursor=c"))
        );
        let last = Pager::of(&page(4, None), &query(&[("cursor", "c")]), "/r");
        assert_eq!(
            (last.text.as_str(), last.first.as_deref(), last.next),
            ("4 more of 1,204", Some("/r"), None)
        );
    }

    #[test]
    fn a_column_knows_whether_it_sorts() {
        assert_eq!(sort_state("name", "-name"), "descending");
        assert_eq!(sort_state("name", "name"), "ascending");
        assert!(!is_sorted("name", "created_at"));
    }
}
