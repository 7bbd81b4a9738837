//! The results for the terminal.

use anstyle::{AnsiColor, Style};

use crate::results::{Figure, Results};
use crate::scenarios::Scenario;
use clap::ValueEnum as _;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const OURS: Style = AnsiColor::Cyan.on_default();
const WRONG: Style = AnsiColor::Red.on_default();

/// Prints every figure, scenario by scenario.
pub(crate) fn print(results: &Results) {
    for (name, fact) in &results.about {
        anstream::println!("{DIM}{name:>11}{DIM:#} {fact}");
    }
    for scenario in Scenario::value_variants() {
        let figures: Vec<&Figure> = results.of(scenario.name()).collect();
        if figures.is_empty() {
            continue;
        }
        anstream::println!("\n{BOLD}{}: {}{BOLD:#}", scenario.name(), scenario.words());
        if figures.iter().any(|figure| !figure.rounds.is_empty()) {
            anstream::println!(
                "{DIM}{:<20} {:<12} {:>8} {:>15} {:>6} {:>13} {:>9} {:>20}{DIM:#}",
                "contender",
                "load",
                "CPU µs",
                "(spread)",
                "ratio",
                "user/system",
                "per s",
                "p50/p99/p99.9 µs"
            );
        }
        for figure in &figures {
            row(figure, first(&figures, figure));
        }
    }
}

/// What a figure is compared with: the first one under the same load.
fn first<'a>(figures: &[&'a Figure], figure: &Figure) -> Option<&'a Figure> {
    let alike = |other: &&&Figure| other.load == figure.load && !other.rounds.is_empty();
    figures.iter().find(alike).copied()
}

fn row(figure: &Figure, first: Option<&Figure>) {
    let style = if figure.contender.starts_with("gatehouse") {
        OURS
    } else {
        Style::new()
    };
    anstream::print!("{style}{:<20}{style:#} {:<12}", figure.contender, figure.load);
    if !figure.rounds.is_empty() {
        let cpu = figure.median(|round| round.cpu_us);
        let (least, most) = figure.spread(|round| round.cpu_us);
        let ratio = first.map_or(1.0, |first| cpu / first.median(|round| round.cpu_us));
        anstream::print!(
            " {cpu:>8.2} {:>15} {ratio:>6.2} {:>13} {:>9.0} {:>20}",
            format!("({least:.2}-{most:.2})"),
            format!(
                "{:.1}/{:.1}",
                figure.median(|round| round.user_us),
                figure.median(|round| round.system_us)
            ),
            figure.median(|round| round.per_second),
            latencies(figure),
        );
        let errors: u64 = figure.rounds.iter().map(|round| round.errors).sum();
        if errors > 0 {
            anstream::print!(" {WRONG}{errors} errors{WRONG:#}");
        }
    }
    for (what, value) in &figure.values {
        anstream::print!("  {what} {value:.1}");
    }
    anstream::println!();
}

#[expect(clippy::cast_precision_loss, reason = "latencies are small")]
fn latencies(figure: &Figure) -> String {
    let p50 = figure.median(|round| round.p50_us as f64);
    let p99 = figure.median(|round| round.p99_us as f64);
    let p999 = figure.median(|round| round.p999_us as f64);
    format!("{p50:.0}/{p99:.0}/{p999:.0}")
}
