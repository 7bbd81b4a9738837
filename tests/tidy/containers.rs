//! The files for containers speak of settings and commands that there are.

use std::collections::BTreeSet;

use crate::{report, tree};

const FILES: [&str; 2] = ["docker-compose.yml", "Dockerfile"];
/// Where every setting is listed; a test of the program holds it to the truth.
const MANUAL: &str = "docs/configuration.md";
/// Where every command is declared.
const COMMANDS: &str = "src/cli/mod.rs";

/// Whether `docker compose config` takes the file is asked in .ci/run, where docker is.
#[test]
fn every_setting_in_them_is_in_the_manual() {
    let manual = tree::text(MANUAL);
    let mut findings = Vec::new();
    for file in FILES {
        let names = settings(&tree::text(file));
        assert!(!names.is_empty(), "{file} sets nothing");
        let unknown = names.iter().filter(|name| !manual.contains(&format!("| `{name}` |")));
        findings.extend(unknown.map(|name| format!("{file}: {name} is not in {MANUAL}")));
    }
    report("Settings of containers", &findings);
}

#[test]
fn every_command_in_them_is_one_of_the_program() {
    let declared = tree::text(COMMANDS);
    let mut findings = Vec::new();
    for file in FILES {
        let text = tree::text(file);
        let commands = text.lines().filter_map(|line| {
            let line = line.trim();
            let list = line.strip_prefix("command: [").or_else(|| line.strip_prefix("CMD ["))?;
            list.split('"').nth(1)
        });
        for command in commands {
            let variant = command[..1].to_uppercase() + &command[1..];
            if !declared.contains(&format!("    {variant}(")) {
                findings.push(format!("{file}: `gatehouse {command}` is no command"));
            }
        }
    }
    report("Commands of containers", &findings);
}

fn settings(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !(letter.is_ascii_uppercase() || letter == '_' || letter.is_ascii_digit()));
    let ours = words.filter(|word| word.starts_with("GATEHOUSE_") || *word == "DATABASE_URL");
    ours.map(str::to_owned).collect()
}

#[test]
fn a_setting_is_found_wherever_it_stands() {
    let found = settings("ENV GATEHOUSE_LOG=info \\\n  DATABASE_URL: ${GATEHOUSE_SECRET:-x}");
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        ["DATABASE_URL", "GATEHOUSE_LOG", "GATEHOUSE_SECRET"]
    );
}
