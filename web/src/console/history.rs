//! The last changes of one object.

use control::ListQuery;
use control::revisions::{self, Revision};
use uuid::Uuid;

use crate::times::{self, Time};
use crate::{Console, PageError, urls};
use model::clock::Timestamp;

/// Changes that the page of an object shows.
const SHOWN: i64 = 6;

/// The last changes of an object, and where all of them are.
pub(super) struct Recent {
    pub(super) revisions: Vec<Revision>,
    pub(super) all: String,
    now: Timestamp,
}

/// The last changes of the object with this id.
pub(super) async fn recent(console: &Console, id: impl Into<Uuid>) -> Result<Recent, PageError> {
    let id = id.into().to_string();
    let mut query = ListQuery::default().with("object", &id);
    query.limit = SHOWN;
    Ok(Recent {
        revisions: revisions::list(console.control(), console.actor(), &query).await?.items,
        all: urls::with_query(urls::console::REVISIONS, &[("object", &id)]),
        now: console.control().now(),
    })
}

impl Recent {
    pub(super) fn ago(&self, revision: &Revision) -> Time {
        times::time(revision.created_at, self.now)
    }

    pub(super) fn link(revision: &Revision) -> String {
        urls::console::revision(revision.number)
    }

    /// Who and when, for a line below a title.
    pub(super) fn last(&self) -> Option<&Revision> {
        self.revisions.first()
    }
}
