//! What a source of configuration does with what it reads: compile, swap, keep a copy, tell.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwapOption;
#[cfg(feature = "testing")]
use model::snapshot::Entry;
use tokio::sync::watch;

use crate::runtime::{Builder, Problem, Row, Runtime};
use crate::source::Point;
use crate::source::copy::{Copy, Step};
use crate::telemetry::Telemetry;
use crate::upstream::Upstreams;

/// The way from rows to the running snapshot. Rows are taken one by one and nothing of them is kept but what is made of
/// them.
#[derive(Debug)]
pub(crate) struct Follower {
    builder: Builder,
    current: Arc<ArcSwapOption<Runtime>>,
    /// Tells conversations that last that there is another snapshot.
    changed: watch::Sender<Option<i64>>,
    telemetry: Arc<Telemetry>,
    copy: Option<Copy>,
    secret: [u8; 32],
    /// What is served.
    point: Option<Point>,
    /// Rows that were taken since the last revision.
    rows: usize,
}

impl Follower {
    pub(crate) fn new(
        builder: Builder,
        current: Arc<ArcSwapOption<Runtime>>,
        changed: watch::Sender<Option<i64>>,
        telemetry: Arc<Telemetry>,
        (secret, copy): (&[u8; 32], Option<Copy>),
    ) -> Self {
        Self {
            builder,
            current,
            changed,
            telemetry,
            copy,
            secret: *secret,
            point: None,
            rows: 0,
        }
    }

    /// What is served; nothing before the first revision.
    pub(crate) fn point(&self) -> Option<Point> {
        self.point
    }

    /// What is known of upstreams.
    pub(crate) fn upstreams(&self) -> &Arc<Upstreams> {
        self.builder.upstreams()
    }

    /// What of it cannot be used.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        self.builder.problems()
    }

    /// The copy, to be filled by itself.
    pub(crate) fn copy(&mut self) -> Option<&mut Copy> {
        self.copy.as_mut()
    }

    /// All rows follow, or those above the revision that is served. What an attempt before this one took, which did not
    /// come to its end, does no harm: its rows come again.
    pub(crate) fn begin(&mut self) {
        self.rows = 0;
        if self.point.is_none() {
            self.builder.forget(&self.secret);
        }
        match (&mut self.copy, self.point) {
            (Some(copy), None) => copy.begin_all(),
            (Some(copy), Some(_)) => copy.begin_changes(),
            (None, _) => {}
        }
    }

    /// Takes a row over.
    pub(crate) fn take(&mut self, row: Row<'_>) {
        self.rows += 1;
        self.builder.set(row);
        if let Some(copy) = &mut self.copy {
            copy.add(row);
        }
    }

    /// Waits until the copy has room for more rows.
    pub(crate) async fn make_room(&mut self) {
        if let Some(copy) = &mut self.copy {
            copy.make_room().await;
        }
    }

    /// Serves the revision of `point`, whose rows are those before and those that were taken since, and keeps them.
    pub(crate) async fn finish(&mut self, point: Point) {
        tokio::task::block_in_place(|| self.serve(point));
        if let Some(copy) = &mut self.copy {
            copy.finish(point).await;
        }
    }

    /// Serves a configuration of these entries.
    #[cfg(feature = "testing")]
    pub(crate) fn apply(&mut self, revision: i64, entries: &[Entry]) {
        self.rows = entries.len();
        self.builder.take(entries);
        self.serve(Point::unmarked(revision));
    }

    fn serve(&mut self, point: Point) {
        let (began, revision) = (Instant::now(), point.revision);
        let runtime = self.builder.finish(revision);
        self.current.store(Some(runtime));
        self.changed.send_replace(Some(revision));
        self.point = Some(point);
        let problems = self.builder.problems();
        self.telemetry.applied(revision, problems.len(), began.elapsed());
        self.telemetry.certificates(&self.builder.expiries());
        for problem in &problems {
            tracing::warn!(revision, problem = %problem, "a part of the configuration cannot be used");
        }
        tracing::info!(
            revision,
            changed = std::mem::take(&mut self.rows),
            took_us = began.elapsed().as_micros(),
            "configuration applied"
        );
    }

    /// Waits until the copy is on disk.
    pub(crate) async fn settle(&self) {
        if let Some(copy) = &self.copy {
            copy.settle().await;
        }
    }

    /// Serves the copy of an earlier run, when there is one.
    pub(crate) fn restore(&mut self) {
        let Some(copy) = &self.copy else { return };
        self.builder.forget(&self.secret);
        self.rows = 0;
        let restored = copy.restore(|step| match step {
            Step::Row(row) => {
                self.rows += 1;
                self.builder.set(row);
            }
            Step::Again => {
                self.rows = 0;
                self.builder.forget(&self.secret);
            }
        });
        let Some(point) = restored else { return };
        tracing::info!(revision = point.revision, "starting with the copy of an earlier run");
        self.serve(point);
    }

    /// Forgets everything, to load from the beginning: the source's history is another one.
    pub(crate) fn forget(&mut self) {
        self.builder.forget(&self.secret);
        self.point = None;
    }
}
