//! One row of the feed as a source reads it.

use model::Kind;
use uuid::Uuid;

/// The state of one object: JSON as it stands in the database or in the copy, which nothing was made of yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// Which kind of object.
    pub kind: Kind,
    /// Which one.
    pub id: Uuid,
    /// Its state; absent when it was deleted.
    pub body: Option<&'a [u8]>,
}
