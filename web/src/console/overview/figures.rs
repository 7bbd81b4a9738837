//! The figures and charts of the overview.

#![expect(clippy::cast_precision_loss, reason = "figures are shown with few digits")]

use control::overview::ActiveConsumers;
use control::usage::{Point, Summary};

use crate::charts::{Chart, Color};
use crate::delta::{Delta, Wish};
use crate::spark::{Spark, spark};
use crate::text;

/// What the gateways counted in the span and in the one before.
pub(super) struct Traffic {
    pub(super) now: Summary,
    pub(super) before: Summary,
    pub(super) points: Vec<Point>,
    pub(super) consumers: ActiveConsumers,
    pub(super) consumers_before: i64,
}

/// One figure with its course.
pub(super) struct Tile {
    pub(super) label: &'static str,
    pub(super) figure: String,
    pub(super) unit: String,
    pub(super) delta: Delta,
    pub(super) spark: Spark,
}

impl Traffic {
    /// The points for a course: not the last one, whose time is not over, so that no line seems to fall.
    fn course(&self) -> impl Iterator<Item = &Point> {
        self.points.iter().take(self.points.len().saturating_sub(1))
    }
}

/// The figures at the top of the page.
pub(super) fn tiles(traffic: &Traffic) -> Vec<Tile> {
    vec![
        requests(traffic),
        server_errors(traffic),
        p95(traffic),
        consumers(traffic),
    ]
}

fn requests(traffic: &Traffic) -> Tile {
    let (figure, unit) = scaled(traffic.now.requests);
    Tile {
        label: "Requests",
        figure,
        unit,
        delta: Delta::relative(traffic.now.requests as f64, traffic.before.requests as f64, Wish::None),
        spark: spark(traffic.course().map(|point| point.requests as f64).collect()),
    }
}

fn server_errors(traffic: &Traffic) -> Tile {
    let rate = |summary: &Summary| percent(summary.server_errors, summary.requests);
    let (now, before) = (rate(&traffic.now), rate(&traffic.before));
    let course = traffic.course();
    let course = course.map(|point| percent(point.server_errors, point.requests).unwrap_or(0.0));
    let course = spark(course.collect());
    Tile {
        label: "Server errors",
        figure: now.map_or_else(|| "–".to_owned(), text::trim),
        unit: now.map(|_| "%".to_owned()).unwrap_or_default(),
        delta: Delta::absolute(now, before, "pt", Wish::Less),
        spark: if traffic.now.server_errors > 0 {
            course.bad()
        } else {
            course
        },
    }
}

fn p95(traffic: &Traffic) -> Tile {
    let (now, before) = (traffic.now.p95_ms, traffic.before.p95_ms);
    let mut last = 0.0;
    let course = traffic.course().map(|point| {
        // Without a request there is no latency: the line goes on where it was.
        last = point.p95_ms.unwrap_or(last);
        last
    });
    Tile {
        label: "Latency p95",
        figure: now.map_or_else(|| "–".to_owned(), text::trim),
        unit: now.map(|_| "ms".to_owned()).unwrap_or_default(),
        delta: Delta::absolute(now, before, "ms", Wish::Less),
        spark: spark(course.collect()),
    }
}

fn consumers(traffic: &Traffic) -> Tile {
    let now = traffic.consumers.total;
    // Compared with a time without traffic every consumer would be a new one.
    let before = (traffic.before.requests > 0).then_some(traffic.consumers_before as f64);
    let (figure, unit) = scaled(now);
    let counts = traffic.consumers.points.iter();
    let counts = counts.take(traffic.points.len().saturating_sub(1));
    Tile {
        label: "Active consumers",
        figure,
        unit,
        delta: Delta::absolute(Some(now as f64), before, "", Wish::None),
        spark: spark(counts.map(|count| *count as f64).collect()),
    }
}

/// A count with few digits, and the letter of its scale apart from it.
fn scaled(count: i64) -> (String, String) {
    let text = text::short(u64::try_from(count).unwrap_or(0));
    let at = text.find(char::is_alphabetic).unwrap_or(text.len());
    let (figure, unit) = text.split_at(at);
    (figure.to_owned(), unit.to_owned())
}

/// A part of a whole in percent; nothing of nothing is no figure.
pub(super) fn percent(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}

/// The traffic by status; the label states what it shows.
pub(super) fn by_status(traffic: &Traffic, range: &str) -> Chart {
    let label = format!(
        "Requests by status in the {range}: {} in all, {} answered with 4xx, {} with 5xx",
        text::count(traffic.now.requests),
        text::count(traffic.now.client_errors),
        text::count(traffic.now.server_errors),
    );
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    let part = |of: fn(&Point) -> i64| {
        let counts = traffic.points.iter().map(|point| count(of(point)));
        counts.collect::<Vec<u64>>()
    };
    let good = part(|point| point.requests - point.client_errors - point.server_errors);
    Chart::bars(label, traffic.points.iter().map(|point| point.at).collect())
        .counts("2xx, 3xx", Color::Mute, &good)
        .counts("4xx", Color::Warn, &part(|point| point.client_errors))
        .counts("5xx", Color::Bad, &part(|point| point.server_errors))
}

/// The latency below which so many of 100 requests stayed.
pub(super) fn latency(points: &[Point], range: &str) -> Chart {
    let part = |of: fn(&Point) -> Option<f64>| points.iter().map(of).collect::<Vec<_>>();
    Chart::lines(
        format!("Latency percentiles in milliseconds in the {range}"),
        points.iter().map(|point| point.at).collect(),
    )
    .unit("ms")
    .series("p50", Color::Faint, part(|point| point.p50_ms))
    .series("p95", Color::Accent, part(|point| point.p95_ms))
    .area()
    .series("p99", Color::Plum, part(|point| point.p99_ms))
    .dashed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_letter_of_a_scale_stands_apart() {
        assert_eq!(scaled(19_660_000), ("19.7".to_owned(), "M".to_owned()));
        assert_eq!(scaled(999), ("999".to_owned(), String::new()));
    }

    #[test]
    fn nothing_of_nothing_is_no_error_rate() {
        assert_eq!(percent(0, 0), None);
        assert_eq!(percent(1, 200), Some(0.5));
    }
}
