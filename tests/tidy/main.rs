//! What the house keeps in order without anybody remembering it: the walls between crates, the size of files, the
//! shape of plugins, rows for migrations, the files for containers, and words and links.
//!
//! Every test lists all findings at once, each with the file and what to do.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod containers;
mod documents;
mod migrations;
mod plugins;
mod sizes;
mod tree;
mod walls;
mod words;

/// Fails with the list of what is out of order.
fn report(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "\n{rule}:\n  {}\n", findings.join("\n  "));
}
