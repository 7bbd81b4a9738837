//! Files stay small enough to be read at once.

use crate::{report, tree};

/// What people write; lock files and schemas are written by programs.
const ENDINGS: [&str; 9] = ["rs", "html", "css", "js", "mjs", "ts", "sh", "sql", "py"];
/// From here on a file should be split.
const WORRY: usize = 400;
/// Here it must be.
const NEVER: usize = 600;

#[test]
fn no_file_is_too_long() {
    let mut findings = Vec::new();
    for path in tree::files(&ENDINGS) {
        let lines = tree::text(&path).lines().count();
        if lines > NEVER {
            findings.push(format!(
                "{} has {lines} lines, {NEVER} are the limit: split it by what it says",
                path.display()
            ));
        } else if lines > WORRY {
            eprintln!(
                "worry: {} has {lines} lines, split it before it passes {NEVER}",
                path.display()
            );
        }
    }
    report("Too long", &findings);
}
