//! What was measured, kept as JSON.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::load::Sample;
use crate::scenarios::Plan;

/// Everything.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    /// Machine, versions, date and what else is to be known, as of the last run.
    pub(crate) about: BTreeMap<String, String>,
    /// In the order in which they were measured.
    pub(crate) figures: Vec<Figure>,
}

/// What one contender did in one scenario.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) scenario: String,
    pub(crate) contender: String,
    /// How it was loaded, such as `saturated` or `5000/s`; empty where it was not.
    pub(crate) load: String,
    /// One for each round.
    pub(crate) rounds: Vec<Sample>,
    /// Other values by what they are, with their unit.
    pub(crate) values: BTreeMap<String, f64>,
}

impl Figure {
    pub(crate) fn new(scenario: &str, contender: &str, load: &str) -> Self {
        Self {
            scenario: scenario.to_owned(),
            contender: contender.to_owned(),
            load: load.to_owned(),
            rounds: Vec::new(),
            values: BTreeMap::new(),
        }
    }

    pub(crate) fn with(mut self, what: &str, value: f64) -> Self {
        self.values.insert(what.to_owned(), value);
        self
    }

    /// The median of something over the rounds.
    pub(crate) fn median(&self, of: impl Fn(&Sample) -> f64) -> f64 {
        let sorted = self.sorted(of);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// The smallest and the largest.
    pub(crate) fn spread(&self, of: impl Fn(&Sample) -> f64) -> (f64, f64) {
        let sorted = self.sorted(of);
        let nothing = f64::NAN;
        (*sorted.first().unwrap_or(&nothing), *sorted.last().unwrap_or(&nothing))
    }

    fn sorted(&self, of: impl Fn(&Sample) -> f64) -> Vec<f64> {
        let mut values: Vec<f64> = self.rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values
    }
}

impl Results {
    /// What is kept there; nothing when nothing is.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        match fs::read(path) {
            Ok(text) => serde_json::from_slice(&text).with_context(|| format!("{} is no result", path.display())),
            Err(_) => Ok(Self::default()),
        }
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// The figures of a scenario in place of those from before.
    pub(crate) fn replace(&mut self, scenario: &str, figures: Vec<Figure>) {
        self.figures.retain(|figure| figure.scenario != scenario);
        self.figures.extend(figures);
    }

    /// The figures of a scenario.
    pub(crate) fn of<'a>(&'a self, scenario: &'a str) -> impl Iterator<Item = &'a Figure> {
        self.figures.iter().filter(move |figure| figure.scenario == scenario)
    }

    /// One figure.
    pub(crate) fn find(&self, scenario: &str, contender: &str, load: &str) -> Option<&Figure> {
        let one =
            |figure: &&Figure| (&*figure.scenario, &*figure.contender, &*figure.load) == (scenario, contender, load);
        self.figures.iter().find(one)
    }

    /// Notes what was measured where.
    pub(crate) fn describe(&mut self, note: &str, plan: &Plan) -> Result<()> {
        let gatehouse = plan.workshop.gatehouse.display().to_string();
        let facts = [
            ("date", said("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
            ("processor", processor()?),
            ("processors", said("nproc", &["--all"])),
            ("kernel", said("uname", &["-sr"])),
            ("nginx", said("nginx", &["-v"])),
            ("haproxy", said("haproxy", &["-v"])),
            ("gatehouse", said(&gatehouse, &["--version"])),
            ("commit", said("git", &["rev-parse", "--short", "HEAD"])),
            ("rustc", said("rustc", &["--version"])),
            ("rounds", format!("{} of {:?}", plan.rounds, plan.duration)),
            ("note", note.to_owned()),
        ];
        self.about = facts.into_iter().map(|(name, fact)| (name.to_owned(), fact)).collect();
        Ok(())
    }
}

/// The first line that a program writes.
fn said(program: &str, arguments: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(arguments).output() else {
        return "not installed".to_owned();
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    text.lines().next().unwrap_or_default().trim().to_owned()
}

fn processor() -> Result<String> {
    let text = fs::read_to_string("/proc/cpuinfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("model name"));
    Ok(line
        .unwrap_or("unknown")
        .trim_start_matches(['\t', ' ', ':'])
        .to_owned())
}
