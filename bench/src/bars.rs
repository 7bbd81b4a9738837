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

fn all(results: &Results) -> Vec<Bar> {
    let cpu = |scenario: &str, contender: &str| {
        Some(
            results
                .find(scenario, contender, "saturated")?
                .median(|round| round.cpu_us),
        )
    };
    let ratio = |one: Option<f64>, other: Option<f64>| Some(one? / other?);
    let value = |scenario: &str, contender: &str, what: &str| {
        results
            .of(scenario)
            .find(|figure| figure.contender == contender)?
            .values
            .get(what)
            .copied()
    };
    let each = |scenario: &str, large: (&str, f64), small: &str| {
        Some((value(scenario, large.0, "MiB")? - value(scenario, small, "MiB")?) * 1_048_576.0 / large.1)
    };
    let late = |load: &str| results.find("changes", "gatehouse", load).map(p999);
    let protected = cpu("protected", "gatehouse");
    let bar = |what, figure, most| Bar { what, figure, most };
    vec![
        bar(
            "full chain over bare Pingora that passes through",
            ratio(protected, cpu("protected", "bare-pingora")),
            1.15,
        ),
        bar(
            "pass-through over nginx",
            ratio(cpu("pass", "gatehouse"), cpu("pass", "nginx")),
            1.6,
        ),
        bar(
            "key and limit over nginx with map and limit_req",
            ratio(protected, cpu("protected", "nginx")),
            1.7,
        ),
        bar(
            "key and limit over nginx with Lua",
            ratio(protected, cpu("protected", "nginx-lua")),
            1.2,
        ),
        bar(
            "100,000 routes over 10",
            ratio(cpu("routes", "gatehouse-100000"), cpu("routes", "gatehouse-10")),
            1.05,
        ),
        bar(
            "1,000,000 keys over 100",
            ratio(cpu("keys", "gatehouse-1000000"), cpu("keys", "gatehouse-100")),
            1.05,
        ),
        bar(
            "p99.9 with 10 changes a second over none",
            ratio(late("10 changes/s"), late("0 changes/s")),
            1.1,
        ),
        bar(
            "p99.9 with 100 changes a second over none",
            ratio(late("100 changes/s"), late("0 changes/s")),
            1.25,
        ),
        bar(
            "commit to effective, median ms",
            value("changes", "gatehouse-effective", "p50 ms"),
            30.0,
        ),
        bar(
            "commit to effective, 99 % ms",
            value("changes", "gatehouse-effective", "p99 ms"),
            100.0,
        ),
        bar(
            "bytes for each key",
            each("keys", ("gatehouse-1000000", 999_900.0), "gatehouse-100"),
            100.0,
        ),
        bar(
            "bytes for each route",
            each("routes", ("gatehouse-100000", 99_990.0), "gatehouse-10"),
            2048.0,
        ),
        bar(
            "KiB for each idle connection",
            value("idle", "gatehouse", "KiB each"),
            24.0,
        ),
        bar(
            "seconds to start from Postgres",
            value("start", "gatehouse-postgres", "s"),
            5.0,
        ),
        bar(
            "seconds to start from the own copy",
            value("start", "gatehouse-copy", "s"),
            2.0,
        ),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "latencies are small")]
fn p999(figure: &Figure) -> f64 {
    figure.median(|round| round.p999_us as f64)
}
