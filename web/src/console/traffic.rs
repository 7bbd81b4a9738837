//! The traffic of one object in the last day: figures and a chart.

use std::collections::BTreeMap;

use control::usage::{self, Point, Span, Summary, TopBy, UsageFilter};
use model::Stored;
use time::Duration;
use uuid::Uuid;

use super::objects::Screen;
use crate::charts::{Chart, Color};
use crate::spark::{Spark, spark};
use crate::{Console, PageError, text};

/// How far back the figures of an object go.
const DAY: Duration = Duration::hours(24);

/// The figures of one object.
pub(super) struct Traffic {
    pub(super) summary: Summary,
    pub(super) chart: Chart,
    points: Vec<Point>,
}

/// The traffic that `filter` lets through.
pub(super) async fn of(console: &Console, filter: UsageFilter) -> Result<Traffic, PageError> {
    let (control, actor) = (console.control(), console.actor());
    let span = Span::last(control.now(), DAY);
    let summary = usage::summary(control, actor, span, filter).await?;
    let points = usage::series(control, actor, span, filter).await?;
    Ok(Traffic {
        summary,
        chart: by_status(&points),
        points,
    })
}

/// Requests by what became of them.
pub(super) fn by_status(points: &[Point]) -> Chart {
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    let part = |of: fn(&Point) -> i64| points.iter().map(|point| count(of(point))).collect::<Vec<_>>();
    Chart::bars("Requests by status", points.iter().map(|point| point.at).collect())
        .counts(
            "Good",
            Color::Mute,
            &part(|point| point.requests - point.client_errors - point.server_errors),
        )
        .counts("4xx", Color::Warn, &part(|point| point.client_errors))
        .counts("5xx", Color::Bad, &part(|point| point.server_errors))
}

/// The requests of each of these objects in the last day.
pub(super) async fn counts<S: Screen>(
    console: &Console,
    by: TopBy,
    stored: &[Stored<S>],
) -> Result<BTreeMap<Uuid, i64>, PageError> {
    let ids: Vec<Uuid> = stored.iter().map(|stored| stored.id.into()).collect();
    let span = Span::last(console.control().now(), DAY);
    Ok(usage::counts(console.control(), console.actor(), span, by, &ids).await?)
}

impl Traffic {
    pub(super) fn requests(&self) -> String {
        text::count(self.summary.requests)
    }

    /// The share of requests that `errors` are, in percent.
    fn share(&self, errors: i64) -> String {
        if self.summary.requests == 0 {
            return "–".to_owned();
        }
        let share = 100.0 * as_float(errors) / as_float(self.summary.requests);
        format!("{share:.2}")
    }

    pub(super) fn client_errors(&self) -> String {
        self.share(self.summary.client_errors)
    }

    pub(super) fn server_errors(&self) -> String {
        self.share(self.summary.server_errors)
    }

    pub(super) fn p95(&self) -> String {
        self.summary.p95_ms.map_or_else(|| "–".to_owned(), text::trim)
    }

    /// One of the figures over time.
    fn spark(&self, of: impl Fn(&Point) -> f64) -> Spark {
        spark(self.points.iter().map(of).collect())
    }

    pub(super) fn requests_over_time(&self) -> Spark {
        self.spark(|point| as_float(point.requests))
    }

    pub(super) fn client_errors_over_time(&self) -> Spark {
        self.spark(|point| as_float(point.client_errors))
    }

    pub(super) fn server_errors_over_time(&self) -> Spark {
        self.spark(|point| as_float(point.server_errors)).bad()
    }

    pub(super) fn p95_over_time(&self) -> Spark {
        self.spark(|point| point.p95_ms.unwrap_or(0.0))
    }

    /// Why the gateway answered by itself, most often first.
    pub(super) fn reasons(&self) -> Vec<(&str, String)> {
        let mut reasons: Vec<_> = self.summary.reasons.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        reasons
            .into_iter()
            .map(|(reason, count)| (reason.as_str(), text::count(count)))
            .collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
fn as_float(value: i64) -> f64 {
    value as f64
}
