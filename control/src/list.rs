//! Lists: page by page, searched, filtered and sorted, with cursors that only we can have made.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::validation::unknown_word;
use model::{Code, Errors};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Control;
use crate::error::{Error, Result};

/// Items of a page when nothing is asked for.
pub const DEFAULT_LIMIT: i64 = 50;
/// The most items of a page.
pub const MAX_LIMIT: i64 = 1000;
/// The orders that stored objects can be listed in.
pub const SORTS: [&str; 6] = [
    "name",
    "-name",
    "created_at",
    "-created_at",
    "updated_at",
    "-updated_at",
];
const COMMON: [&str; 5] = ["limit", "cursor", "q", "tags", "sort"];

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Page<T> {
    /// The objects of this page.
    pub items: Vec<T>,
    /// What to send as `cursor` for the next page; absent on the last one.
    pub next_cursor: Option<String>,
    /// How many objects match, on all pages.
    pub total: i64,
}

impl<T> Page<T> {
    /// The same page of something else.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(change).collect(),
            next_cursor: self.next_cursor,
            total: self.total,
        }
    }
}

/// What a list shall hold.
#[derive(Debug, Clone, PartialEq)]
pub struct ListQuery {
    /// The most items of the page.
    pub limit: i64,
    /// Where the page begins.
    pub cursor: Option<String>,
    /// A part of a name, host, path or tag.
    pub q: Option<String>,
    /// Tags: `a,b` asks for both, `a/b` for either.
    pub tags: Option<String>,
    /// One of [`SORTS`].
    pub sort: String,
    filters: Vec<(String, String)>,
}

impl Default for ListQuery {
    fn default() -> Self {
        Self {
            limit: DEFAULT_LIMIT,
            cursor: None,
            q: None,
            tags: None,
            sort: "name".to_owned(),
            filters: Vec::new(),
        }
    }
}

impl ListQuery {
    /// Reads query parameters; those that are neither common nor among `filters` are errors. Empty ones do not count.
    pub fn read(pairs: &[(String, String)], filters: &[&str]) -> Result<Self> {
        let mut query = Self::default();
        let mut errors = Errors::new();
        for (name, value) in pairs.iter().filter(|(_, value)| !value.trim().is_empty()) {
            let value = value.trim().to_owned();
            match name.as_str() {
                "limit" => match value.parse::<i64>() {
                    Ok(limit) if (1..=MAX_LIMIT).contains(&limit) => query.limit = limit,
                    _ => errors.add("limit", Code::OutOfRange, format!("must be 1 to {MAX_LIMIT}")),
                },
                "cursor" => query.cursor = Some(value),
                "q" => query.q = Some(value.chars().take(200).collect()),
                "tags" => query.tags = Some(value),
                "sort" if SORTS.contains(&value.as_str()) => query.sort = value,
                "sort" => errors.add("sort", Code::Invalid, unknown_word("order", &value, &SORTS)),
                other if filters.contains(&other) => query.filters.push((name.clone(), value)),
                other => {
                    let known: Vec<&str> = COMMON.iter().chain(filters).copied().collect();
                    errors.add(other, Code::UnknownMember, unknown_word("filter", other, &known));
                }
            }
        }
        if errors.is_empty() {
            Ok(query)
        } else {
            Err(Error::InvalidQuery(errors))
        }
    }

    /// As much as a page may hold.
    pub fn all() -> Self {
        Self {
            limit: MAX_LIMIT,
            ..Self::default()
        }
    }

    /// The first so many.
    pub fn first(limit: i64) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// A search for a part of a name.
    pub fn search(text: impl Into<String>) -> Self {
        Self {
            q: Some(text.into()),
            ..Self::default()
        }
    }

    /// Sets one filter, for callers that do not come from a query string.
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.filters.push((name.to_owned(), value.to_string()));
        self
    }

    /// The value of a filter.
    pub fn filter(&self, name: &str) -> Option<&str> {
        self.filters
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The value of a filter that must be an id.
    pub fn uuid_filter(&self, name: &str) -> Result<Option<Uuid>> {
        let Some(text) = self.filter(name) else { return Ok(None) };
        text.parse()
            .map(Some)
            .map_err(|_| Error::InvalidQuery(Errors::one(name, Code::Invalid, "must be an id")))
    }

    /// The search as a pattern for `ilike`, with its special characters taken literally.
    pub fn pattern(&self) -> Option<String> {
        let escape = |text: &String| text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        self.q.as_ref().map(|text| format!("%{}%", escape(text)))
    }

    /// Tags that must all be there, and tags of which one must be.
    pub fn tag_sets(&self) -> (Vec<String>, Vec<String>) {
        let split = |text: &str, at: char| {
            text.split(at)
                .map(|tag| tag.trim().to_owned())
                .filter(|tag| !tag.is_empty())
                .collect()
        };
        match self.tags.as_deref() {
            None => (Vec::new(), Vec::new()),
            Some(text) if text.contains('/') => (Vec::new(), split(text, '/')),
            Some(text) => (split(text, ','), Vec::new()),
        }
    }

    /// The cursor's parts: the sort key and the id of the last item before this page.
    pub(crate) fn cursor_parts(&self, control: &Control) -> Result<Option<(String, Uuid)>> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        open(control, &self.sort, cursor).map(Some).ok_or_else(|| {
            Error::InvalidQuery(Errors::one(
                "cursor",
                Code::Invalid,
                "is not a cursor of this list; take `next_cursor` of the page before, with the same `sort`",
            ))
        })
    }

    /// The cursor of a list that is ordered by id alone.
    pub(crate) fn cursor_id(&self, control: &Control) -> Result<Option<Uuid>> {
        Ok(self.cursor_parts(control)?.map(|(_, id)| id))
    }

    /// Makes a page of the rows of a list that is ordered by id alone; one row more than `limit` means that more follow.
    pub(crate) fn page_by_id<T>(
        &self,
        control: &Control,
        rows: Vec<T>,
        total: i64,
        id: impl Fn(&T) -> Uuid,
    ) -> Page<T> {
        self.page(control, rows, total, |row| (String::new(), id(row)))
    }

    /// Makes a page of rows; one row more than `limit` means that more follow.
    pub(crate) fn page<T>(
        &self,
        control: &Control,
        mut rows: Vec<T>,
        total: i64,
        key: impl Fn(&T) -> (String, Uuid),
    ) -> Page<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| more).map(key);
        Page {
            next_cursor: last.map(|(key, id)| seal(control, &self.sort, &key, id)),
            items: rows,
            total,
        }
    }
}

fn seal(control: &Control, sort: &str, key: &str, id: Uuid) -> String {
    let text = format!("{sort}\n{id}\n{key}");
    let signature = control.secrets().sign("cursor", &text);
    URL_SAFE_NO_PAD.encode(format!("{signature}\n{text}"))
}

fn open(control: &Control, sort: &str, cursor: &str) -> Option<(String, Uuid)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let (signature, text) = text.split_once('\n')?;
    if control.secrets().sign("cursor", text) != signature {
        return None;
    }
    let mut parts = text.splitn(3, '\n');
    if parts.next()? != sort {
        return None;
    }
    let id = parts.next()?.parse().ok()?;
    Some((parts.next()?.to_owned(), id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<ListQuery> {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        ListQuery::read(&pairs, &["service"])
    }

    #[test]
    fn an_unknown_filter_is_refused_with_a_hint() {
        let Err(Error::InvalidQuery(errors)) = read(&[("servce", "x"), ("limit", "0")]) else {
            panic!("accepted")
        };
        assert!(
            errors
                .at("servce")
                .is_some_and(|error| error.message.contains("`service`"))
        );
        assert!(errors.at("limit").is_some());
    }

    #[test]
    fn what_is_searched_is_taken_literally() {
        let query = read(&[("q", "50%_")]).expect("valid");
        assert_eq!(query.pattern().as_deref(), Some("%50\\%\\_%"));
    }

    #[test]
    fn tags_are_all_or_any() {
        assert_eq!(
            read(&[("tags", "a,b")]).expect("valid").tag_sets(),
            (vec!["a".into(), "b".into()], vec![])
        );
        assert_eq!(
            read(&[("tags", "a/b")]).expect("valid").tag_sets(),
            (vec![], vec!["a".into(), "b".into()])
        );
    }
}
