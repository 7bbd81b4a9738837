//! What must hold, and whether it does.

use anstyle::{AnsiColor, Style};

use crate::results::{Figure, Results};

const HOLDS: Style = AnsiColor::Green.on_default();
const FAILS: Style = AnsiColor::Red.on_default();

/// One bar: what is measured, the figure, and the most that it may be.
struct Bar {
    what: &'static str,
    figure: Option<f64>,
    most: f64,
}

/// Prints each bar that was measured.
pub(crate) fn print(results: &Results) {
    anstream::println!("\nwhat must hold");
    for Bar { what, figure, most } in all(results) {
        let Some(figure) = figure else { continue };
        let (style, word) = if figure <= most {
            (HOLDS, "holds")
        } else {
            (FAILS, "fails")
        };
        anstream::println!("{style}{word}{style:#} {what}: {figure:.2}, at most {most}");
    }
}

/// The results, asked for what bars need.
struct Asked<'a>(&'a Results);

impl Asked<'_> {
    /// How much more processor time a request takes with one contender than with another.
    fn ratio(&self, scenario: &str, one: &str, other: &str) -> Option<f64> {
        let cpu = |contender| {
            Some(
                self.0
                    .find(scenario, contender, "saturated")?
                    .median(|round| round.cpu_us),
            )
        };
        Some(cpu(one)? / cpu(other)?)
    }

    fn value(&self, scenario: &str, contender: &str, what: &str) -> Option<f64> {
        let mut figures = self.0.of(scenario).filter(|figure| figure.contender == contender);
        figures.find_map(|figure| figure.values.get(what).copied())
    }

    /// Bytes for each of so many more objects.
    fn each(&self, scenario: &str, large: &str, small: &str, more: f64) -> Option<f64> {
        let resident = |contender| self.value(scenario, contender, "MiB");
        Some((resident(large)? - resident(small)?) * 1_048_576.0 / more)
    }

    /// How much later the latest requests are with changes than without.
    fn late(&self, load: &str) -> Option<f64> {
        let late = |load| self.0.find("changes", "gatehouse", load).map(p999);
        Some(late(load)? / late("0 changes/s")?)
    }
}

fn all(results: &Results) -> Vec<Bar> {
    let mut bars = of_requests(&Asked(results));
    bars.extend(of_the_rest(&Asked(results)));
    bars
}

fn bar(what: &'static str, figure: Option<f64>, most: f64) -> Bar {
    Bar { what, figure, most }
}

fn of_requests(asked: &Asked<'_>) -> Vec<Bar> {
    let protected = |other| asked.ratio("protected", "gatehouse", other);
    let (routes, keys) = (
        asked.ratio("routes", "gatehouse-100000", "gatehouse-10"),
        asked.ratio("keys", "gatehouse-1000000", "gatehouse-100"),
    );
    vec![
        bar(
            "full chain over bare Pingora that passes through",
            protected("bare-pingora"),
            1.15,
        ),
        bar(
            "pass-through over nginx",
            asked.ratio("pass", "gatehouse", "nginx"),
            1.6,
        ),
        bar(
            "key and limit over nginx with map and limit_req",
            protected("nginx"),
            1.7,
        ),
        bar("key and limit over nginx with Lua", protected("nginx-lua"), 1.2),
        bar("100,000 routes over 10", routes, 1.05),
        bar("1,000,000 keys over 100", keys, 1.05),
        bar(
            "p99.9 with 10 changes a second over none",
            asked.late("10 changes/s"),
            1.1,
        ),
        bar(
            "p99.9 with 100 changes a second over none",
            asked.late("100 changes/s"),
            1.25,
        ),
    ]
}

fn of_the_rest(asked: &Asked<'_>) -> Vec<Bar> {
    let effective = |what| asked.value("changes", "gatehouse-effective", what);
    let start = |from| asked.value("start", from, "s");
    let key = asked.each("keys", "gatehouse-1000000", "gatehouse-100", 999_900.0);
    let route = asked.each("routes", "gatehouse-100000", "gatehouse-10", 99_990.0);
    vec![
        bar("commit to effective, median ms", effective("p50 ms"), 30.0),
        bar("commit to effective, 99 % ms", effective("p99 ms"), 100.0),
        bar("bytes for each key", key, 100.0),
        bar("bytes for each route", route, 2048.0),
        bar(
            "KiB for each idle connection",
            asked.value("idle", "gatehouse", "KiB each"),
            24.0,
        ),
        bar("seconds to start from Postgres", start("gatehouse-postgres"), 5.0),
        bar("seconds to start from the own copy", start("gatehouse-copy"), 2.0),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "latencies are small")]
fn p999(figure: &Figure) -> f64 {
    figure.median(|round| round.p999_us as f64)
}
