//! Measures Gatehouse beside nginx, `HAProxy` and bare Pingora, on one machine and in one run.
//!
//! Each proxy runs on one processor; load, service and database on the other. Rounds are interleaved, so that what else
//! happens on the machine meets everybody; medians count.

mod bars;
mod configuration;
mod copy;
mod database;
mod load;
mod peers;
mod plot;
mod process;
mod results;
mod scenarios;
mod service;
mod table;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, ValueEnum as _};

use peers::Workshop;
use results::Results;
use scenarios::{Plan, Scenario};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Gatehouse beside other proxies.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which scenarios; all of them when none is named. `quick` makes rounds few and short, `report` only shows what was
    /// measured before.
    words: Vec<String>,
    /// The program under test.
    #[arg(long, default_value = "target/release/gatehouse")]
    gatehouse: PathBuf,
    /// Where results are kept; those of scenarios that do not run stay.
    #[arg(long, default_value = "docs/benchmarks/results.json")]
    results: PathBuf,
    /// What else is known about this run, such as what else the machine does.
    #[arg(long, default_value = "")]
    note: String,
    /// Rounds of each contender.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long each round is measured, in seconds.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut results = Results::read(&arguments.results)?;
    if !arguments.words.iter().any(|word| word == "report") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(measure(&arguments, &mut results))?;
        results.write(&arguments.results)?;
    }
    table::print(&results);
    bars::print(&results);
    plot::draw(&results, &arguments.results.with_file_name(""))
}

async fn measure(arguments: &Arguments, results: &mut Results) -> Result<()> {
    let quick = arguments.words.iter().any(|word| word == "quick");
    let named = arguments.words.iter().filter(|word| *word != "quick");
    let named = named.map(|word| Scenario::from_str(word, true).map_err(anyhow::Error::msg));
    let mut chosen = named.collect::<Result<Vec<_>>>()?;
    if chosen.is_empty() {
        chosen = Scenario::value_variants().to_vec();
    }
    let directory = std::env::temp_dir().join(format!("gatehouse-bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let plan = Plan {
        workshop: Workshop {
            directory: directory.clone(),
            gatehouse: std::path::absolute(&arguments.gatehouse)?,
            service: service::start()?,
        },
        rounds: if quick { 1 } else { arguments.rounds },
        duration: Duration::from_secs(if quick { 1 } else { arguments.seconds }),
        quick,
    };
    results.describe(&arguments.note, &plan)?;
    let mut outcome = Ok(());
    for scenario in chosen {
        anstream::println!("measuring {}: {}", scenario.name(), scenario.words());
        outcome = scenario
            .run(&plan)
            .await
            .map(|figures| results.replace(scenario.name(), figures));
        if outcome.is_err() {
            break;
        }
        results.write(&arguments.results)?;
    }
    match outcome {
        Ok(()) => std::fs::remove_dir_all(directory)?,
        Err(_) => anstream::println!("the logs are in {}", directory.display()),
    }
    outcome
}
