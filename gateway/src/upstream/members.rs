//! The endpoints of an upstream as of one change of its targets or of their addresses.

use std::collections::HashMap;
use std::sync::Arc;

use super::balance::{Ring, Schedule};
use super::endpoint::Endpoint;

/// One endpoint with its part in the whole.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) endpoint: Arc<Endpoint>,
    /// Its share relative to the others; 0 gets none.
    pub(super) weight: u32,
    /// Whether it gets no new requests.
    pub(super) drains: bool,
}

/// All of them, and what balancing needs to know in advance.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// Counts the changes.
    pub(super) generation: u64,
    pub(super) list: Vec<Member>,
    /// What all weights that count sum up to.
    pub(super) weight: u64,
    pub(super) schedule: Schedule,
    /// With consistent hashing only.
    pub(super) ring: Option<Ring>,
    /// With sticky cookies only: the value of each member, and which member has it.
    pub(super) cookies: Vec<String>,
    pub(super) by_cookie: HashMap<String, usize>,
}

impl Members {
    /// The weight of a member as far as it may get requests at all.
    pub(super) fn weight_of(&self, index: usize) -> u32 {
        let member = &self.list[index];
        if member.drains { 0 } else { member.weight }
    }
}
