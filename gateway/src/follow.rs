//! What a source of configuration does with what it reads: compile, swap, keep a copy, tell.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwapOption;
use model::Kind;
use model::snapshot::Entry;
use tokio::sync::watch;
use uuid::Uuid;

use crate::runtime::{Builder, Problem, Runtime};
use crate::source::disk::Copy;
use crate::telemetry::Telemetry;
use crate::upstream::Upstreams;

/// The way from rows to the running snapshot.
#[derive(Debug)]
pub(crate) struct Follower {
    builder: Builder,
    current: Arc<ArcSwapOption<Runtime>>,
    /// Tells conversations that last that there is another snapshot.
    changed: watch::Sender<Option<i64>>,
    telemetry: Arc<Telemetry>,
    copy: Option<Copy>,
    /// Every row as it was last read, for the copy.
    rows: BTreeMap<(Kind, Uuid), Entry>,
    revision: Option<i64>,
}

impl Follower {
    pub(crate) fn new(
        builder: Builder,
        current: Arc<ArcSwapOption<Runtime>>,
        changed: watch::Sender<Option<i64>>,
        telemetry: Arc<Telemetry>,
        copy: Option<Copy>,
    ) -> Self {
        Self {
            builder,
            current,
            changed,
            telemetry,
            copy,
            rows: BTreeMap::new(),
            revision: None,
        }
    }

    /// The revision that is served; none before the first one.
    pub(crate) fn revision(&self) -> Option<i64> {
        self.revision
    }

    /// What is known of upstreams.
    pub(crate) fn upstreams(&self) -> &Arc<Upstreams> {
        self.builder.upstreams()
    }

    /// What of it cannot be used.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        self.builder.problems()
    }

    /// Serves `revision`, whose entries are those before and these.
    pub(crate) fn apply(&mut self, revision: i64, entries: Vec<Entry>) {
        let began = Instant::now();
        let runtime = self.builder.apply(revision, &entries);
        self.current.store(Some(runtime));
        self.changed.send_replace(Some(revision));
        self.revision = Some(revision);
        let problems = self.builder.problems();
        self.telemetry.applied(revision, problems.len(), began.elapsed());
        self.telemetry.certificates(&self.builder.expiries());
        for problem in &problems {
            tracing::warn!(revision, problem = %problem, "a part of the configuration cannot be used");
        }
        tracing::info!(
            revision,
            changed = entries.len(),
            took_us = began.elapsed().as_micros(),
            "configuration applied"
        );
        for entry in entries {
            let key = (entry.kind, entry.id);
            if entry.body.is_some() {
                self.rows.insert(key, entry)
            } else {
                self.rows.remove(&key)
            };
        }
    }

    /// Keeps a copy of what is served, so that a restart needs no database.
    pub(crate) fn keep(&mut self) {
        if let (Some(copy), Some(revision)) = (&mut self.copy, self.revision) {
            copy.write(revision, self.rows.values());
        }
    }

    /// Serves the copy of an earlier run, when there is one.
    pub(crate) fn restore(&mut self) {
        let Some((revision, entries)) = self.copy.as_ref().and_then(Copy::read) else {
            return;
        };
        tracing::info!(revision, "starting with the copy of an earlier run");
        self.apply(revision, entries);
    }

    /// Forgets everything, to load from the beginning: the source's history is another one.
    pub(crate) fn forget(&mut self, secret: &[u8; 32]) {
        self.builder.forget(secret);
        self.rows.clear();
        self.revision = None;
    }
}
