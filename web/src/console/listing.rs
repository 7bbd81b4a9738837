//! One page of a list as the console shows it: rows, search, order, filters and the ways on.

use control::{ListQuery, Page};

use crate::query::{Pager, Query};

/// A page of a list.
#[derive(Debug)]
pub(super) struct Listing<T> {
    pub(super) rows: Vec<T>,
    pub(super) pager: Pager,
    pub(super) q: String,
    pub(super) sort: String,
    pub(super) chips: Vec<Chip>,
    path: String,
    query: Query,
}

/// A filter that is set, and the same list without it.
#[derive(Debug)]
pub(super) struct Chip {
    pub(super) label: String,
    pub(super) value: String,
    pub(super) without: String,
}

impl<T> Listing<T> {
    /// The rows under `path`; `list` is what was asked for.
    pub(super) fn new(page: Page<T>, list: &ListQuery, query: Query, path: impl Into<String>) -> Self {
        let path = path.into();
        Self {
            pager: Pager::of(&page, &query, &path),
            rows: page.items,
            q: query.get("q").to_owned(),
            sort: list.sort.clone(),
            chips: Vec::new(),
            path,
            query,
        }
        .chip("Tags", "tags", None)
    }

    /// Shows the filter `name`, when it is set, by its value or by `shown`.
    pub(super) fn chip(mut self, label: &str, name: &str, shown: Option<String>) -> Self {
        let value = self.query.get(name).to_owned();
        if !value.is_empty() {
            self.chips.push(Chip {
                label: label.to_owned(),
                value: shown.unwrap_or(value),
                without: self.query.link(&self.path, &[(name, "")]),
            });
        }
        self
    }

    /// Whether there is nothing at all, rather than nothing that was asked for.
    pub(super) fn is_untouched(&self) -> bool {
        self.rows.is_empty() && self.query.kept(&["sort", "limit"]).is_empty()
    }

    /// What a search keeps: the filters and the order.
    pub(super) fn kept(&self) -> Vec<(&str, &str)> {
        self.query.kept(&["q", "cursor"])
    }

    /// The list without search and filters.
    pub(super) fn clear(&self) -> &str {
        &self.path
    }

    /// The list by this column, the other way round when it is already.
    pub(super) fn by(&self, column: &str) -> String {
        let sort = if self.sort == column {
            format!("-{column}")
        } else {
            column.to_owned()
        };
        self.query.link(&self.path, &[("sort", &sort)])
    }

    /// Whether a filter has this value; an empty one stands for none.
    pub(super) fn has(&self, name: &str, value: &str) -> bool {
        self.query.get(name) == value
    }

    /// The list with only what has this value.
    pub(super) fn only(&self, name: &str, value: &str) -> String {
        self.query.link(&self.path, &[(name, value)])
    }
}
