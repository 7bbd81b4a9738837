//! Charts that the server draws: time series, with a table for everybody.
//!
//! A time series is a picture without JavaScript; with it, an island draws the same numbers with a cursor.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "pictures and sums of counts need few digits"
)]

use std::fmt::{self, Write as _};

use askama::Template;
use askama::filters::HtmlSafe;
use model::clock::Timestamp;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::text;

const CLOCK: &[BorrowedFormatItem<'_>] = format_description!("[hour]:[minute]");
const DAY: &[BorrowedFormatItem<'_>] = format_description!("[day padding:none] [month repr:short]");
const DAY_AND_CLOCK: &[BorrowedFormatItem<'_>] =
    format_description!("[day padding:none] [month repr:short], [hour]:[minute]");

/// A colour of a series: a token of the design, and the dot that belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// The calm bulk, so that trouble stands out.
    Mute,
    /// The first series.
    Accent,
    /// The second series.
    Sea,
    /// The third series.
    Plum,
    /// Good.
    Ok,
    /// Refused.
    Warn,
    /// Failed.
    Bad,
    /// In the background.
    Faint,
}

impl Color {
    const fn token(self) -> &'static str {
        match self {
            Self::Mute => "accent-mute",
            Self::Accent => "accent-fill",
            Self::Sea => "sea-fill",
            Self::Plum => "plum-fill",
            Self::Ok => "ok-fill",
            Self::Warn => "warn-fill",
            Self::Bad => "bad-fill",
            Self::Faint => "text-3",
        }
    }

    const fn dot(self) -> &'static str {
        match self {
            Self::Mute => "mute",
            Self::Accent => "info",
            Self::Sea => "sea",
            Self::Plum => "plum",
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Faint => "",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Bars,
    Lines,
}

/// One line of a chart, or one part of its bars.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Series {
    name: String,
    color: &'static str,
    dot: &'static str,
    y: Vec<Option<f64>>,
    dashed: bool,
    area: bool,
}

/// A time series: bars that stand on each other, or lines.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    kind: Kind,
    label: String,
    unit: String,
    times: Vec<Timestamp>,
    series: Vec<Series>,
    short: bool,
}

/// What the island reads.
#[derive(Serialize)]
struct Spec<'a> {
    kind: Kind,
    unit: &'a str,
    x: Vec<i64>,
    series: &'a [Series],
}

#[derive(Template)]
#[template(path = "ui/chart.html")]
struct ChartTemplate<'a> {
    chart: &'a Chart,
    json: String,
}

impl Chart {
    /// Bars that stand on each other; the label states what the chart shows.
    pub fn bars(label: impl Into<String>, times: Vec<Timestamp>) -> Self {
        Self {
            kind: Kind::Bars,
            label: label.into(),
            unit: String::new(),
            times,
            series: Vec::new(),
            short: false,
        }
    }

    /// Lines.
    pub fn lines(label: impl Into<String>, times: Vec<Timestamp>) -> Self {
        Self {
            kind: Kind::Lines,
            ..Self::bars(label, times)
        }
    }

    /// What the values are counted in, such as `ms`.
    pub fn unit(mut self, unit: &str) -> Self {
        unit.clone_into(&mut self.unit);
        self
    }

    /// Less high.
    pub fn short(self) -> Self {
        Self { short: true, ..self }
    }

    /// A series, one value for each time; `None` where nothing was measured.
    pub fn series(mut self, name: impl Into<String>, color: Color, y: Vec<Option<f64>>) -> Self {
        debug_assert_eq!(y.len(), self.times.len(), "one value for each time");
        self.series.push(Series {
            name: name.into(),
            color: color.token(),
            dot: color.dot(),
            y,
            dashed: false,
            area: false,
        });
        self
    }

    /// A series of counts.
    pub fn counts(self, name: impl Into<String>, color: Color, y: &[u64]) -> Self {
        self.series(name, color, y.iter().map(|count| Some(*count as f64)).collect())
    }

    /// The last series gets a dashed line, for a second way to tell it apart.
    pub fn dashed(mut self) -> Self {
        self.series
            .iter_mut()
            .last()
            .into_iter()
            .for_each(|series| series.dashed = true);
        self
    }

    /// The last series gets a tint below its line.
    pub fn area(mut self) -> Self {
        self.series
            .iter_mut()
            .last()
            .into_iter()
            .for_each(|series| series.area = true);
        self
    }

    fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    fn value(&self, value: Option<&f64>) -> String {
        let Some(value) = value else { return "–".to_owned() };
        if self.unit.is_empty() {
            text::count(value.round())
        } else {
            format!("{} {}", text::trim(*value), self.unit)
        }
    }

    /// Name, dot, and the sum where sums mean something.
    fn legend(&self) -> Vec<(&str, &'static str, String)> {
        let sum = |series: &Series| series.y.iter().flatten().sum::<f64>();
        let shown = |series: &Series| {
            if self.kind == Kind::Bars {
                text::short(sum(series).round() as u64)
            } else {
                String::new()
            }
        };
        self.series
            .iter()
            .map(|series| (series.name.as_str(), series.dot, shown(series)))
            .collect()
    }

    fn rows(&self) -> Vec<(String, Vec<String>)> {
        let cells = |at: usize| {
            self.series
                .iter()
                .map(|series| self.value(series.y.get(at).and_then(Option::as_ref)))
                .collect()
        };
        self.times
            .iter()
            .enumerate()
            .map(|(at, time)| (self.when(*time), cells(at)))
            .collect()
    }

    fn when(&self, time: Timestamp) -> String {
        let step = self.times.get(1).map(|second| *second - self.times[0]);
        let format = match (step, self.times.last()) {
            (Some(step), _) if step.whole_hours() >= 24 => DAY,
            // The same hour comes on several days; in the last 24 hours only the first and the last one are alike.
            (Some(_), Some(last)) if (*last - self.times[0]).whole_hours() > 24 => DAY_AND_CLOCK,
            _ => CLOCK,
        };
        time.format(format).unwrap_or_default()
    }

    /// The times below the axis: first, middle, last.
    fn ticks(&self) -> Vec<String> {
        let last = self.times.len().saturating_sub(1);
        let mut at = vec![0, last / 2, last];
        at.dedup();
        at.into_iter()
            .filter_map(|at| self.times.get(at))
            .map(|time| self.when(*time))
            .collect()
    }

    fn top(&self) -> f64 {
        let sums = (0..self.times.len()).map(|at| {
            let here = self
                .series
                .iter()
                .filter_map(|series| series.y.get(at).copied().flatten());
            if self.kind == Kind::Bars {
                here.sum()
            } else {
                here.fold(0.0, f64::max)
            }
        });
        sums.fold(0.0, f64::max)
    }

    fn top_label(&self) -> String {
        if self.unit.is_empty() {
            text::short(self.top().round() as u64)
        } else {
            format!("{} {}", text::trim(self.top()), self.unit)
        }
    }

    /// The picture, in a box of 1000 by 100.
    fn picture(&self) -> Picture<'_> {
        Picture(self)
    }
}

struct Picture<'a>(&'a Chart);

impl fmt::Display for Picture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chart = self.0;
        let top = chart.top().max(f64::MIN_POSITIVE) * 1.08;
        let step = 1000.0 / chart.times.len().max(1) as f64;
        let mut floor = vec![0.0; chart.times.len()];
        for series in &chart.series {
            let mut path = String::new();
            for (at, floor) in floor.iter_mut().enumerate() {
                let Some(value) = series.y.get(at).copied().flatten() else {
                    continue;
                };
                let x = at as f64 * step;
                if chart.kind == Kind::Bars {
                    let height = value / top * 100.0;
                    write!(
                        path,
                        "M{:.1} {:.2}h{:.1}v{height:.2}h{:.1}Z",
                        x + step * 0.14,
                        100.0 - *floor - height,
                        step * 0.72,
                        -step * 0.72
                    )?;
                    *floor += height;
                } else {
                    let command = if path.is_empty() { 'M' } else { 'L' };
                    write!(
                        path,
                        "{command}{:.1} {:.2}",
                        x + step / 2.0,
                        100.0 - value / top * 100.0
                    )?;
                }
            }
            let class = if chart.kind == Kind::Bars { "bar" } else { "line" };
            write!(f, r#"<path class="{class} {}" d="{path}"/>"#, series.dot)?;
        }
        Ok(())
    }
}

impl HtmlSafe for Picture<'_> {}

impl fmt::Display for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let x = self.times.iter().copied().map(OffsetDateTime::unix_timestamp).collect();
        let spec = Spec {
            kind: self.kind,
            unit: &self.unit,
            x,
            series: &self.series,
        };
        // In a script element only `<` could end the data.
        let json = serde_json::to_string(&spec)
            .map_err(|_| fmt::Error)?
            .replace('<', "\\u003c");
        let html = ChartTemplate { chart: self, json }.render().map_err(|_| fmt::Error)?;
        f.write_str(&html)
    }
}

impl HtmlSafe for Chart {}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn hours(count: i64) -> Vec<Timestamp> {
        (0..count)
            .map(|hour| datetime!(2026-11-09 00:00 UTC) + time::Duration::hours(hour))
            .collect()
    }

    #[test]
    fn every_value_is_in_the_table() {
        let chart = Chart::bars("Requests by status", hours(2))
            .counts("2xx", Color::Mute, &[1_200, 0])
            .counts("5xx", Color::Bad, &[3, 40]);
        let html = chart.to_string();
        for shown in [
            "1,200",
            "<th scope=\"row\">01:00</th>",
            ">40<",
            "Requests by status",
            "2xx",
            "1.2k",
        ] {
            assert!(html.contains(shown), "{shown} is missing in {html}");
        }
    }

    #[test]
    fn an_hour_that_comes_on_several_days_has_its_day() {
        let html = Chart::lines("a", hours(30))
            .counts("p95", Color::Accent, &[1; 30])
            .to_string();
        assert!(
            html.contains("<th scope=\"row\">9 Nov, 03:00</th>") && html.contains("10 Nov, 03:00"),
            "{html}"
        );
    }

    #[test]
    fn a_hostile_name_stays_text() {
        let html = Chart::lines("a", hours(1))
            .counts("</script><b>", Color::Ok, &[1])
            .to_string();
        assert!(!html.contains("</script><b>") && !html.contains("<b>"));
    }

    #[test]
    fn charts_without_values_do_not_divide_by_zero() {
        for times in [0, 1] {
            let zeros = vec![0; usize::try_from(times).expect("small")];
            let html = Chart::bars("none", hours(times))
                .counts("2xx", Color::Mute, &zeros)
                .to_string();
            assert!(!html.contains("NaN") && !html.contains("inf"), "{html}");
        }
    }
}
