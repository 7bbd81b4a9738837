//! Where in the history of a configuration something is.

use uuid::Uuid;

/// A revision, and what tells it from one of the same number in another history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) revision: i64,
    /// None where there is no history, or an earlier version did not note it.
    pub(crate) mark: Option<Uuid>,
}

impl Point {
    /// A revision of which nothing else is known.
    pub(crate) fn unmarked(revision: i64) -> Self {
        Self { revision, mark: None }
    }

    /// Whether a history that goes on to `head`, and has this mark at the revision of this point, is its own.
    pub(crate) fn leads_to(&self, head: Self, mark: Option<Uuid>) -> bool {
        self.revision <= head.revision && self.mark == mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_known_by_its_mark_and_never_goes_back() {
        let (one, other) = (Some(Uuid::from_u128(1)), Some(Uuid::from_u128(2)));
        let point = Point { revision: 5, mark: one };
        let head = |revision| Point { revision, mark: other };
        for (revision, mark, leads) in [
            (5, one, true),
            (9, one, true),
            (9, other, false),
            // So far back that no mark is kept.
            (9, None, false),
            (4, None, false),
            (4, one, false),
        ] {
            assert_eq!(point.leads_to(head(revision), mark), leads, "{revision} {mark:?}");
        }
        // Without a mark numbers are all there is, until there is a history.
        assert!(Point::unmarked(5).leads_to(head(6), None));
        assert!(!Point::unmarked(5).leads_to(head(6), one));
    }
}
