//! Words and names that have no place here.

use std::path::Path;

use crate::{report, tree};

/// What no text contains, and why.
const WORDS: [(&str, &str); 13] = [
    ("TODO", "do it, or open an issue"),
    ("FIXME", "fix it, or open an issue"),
    ("XXX", "say what is meant"),
    ("HACK", "say why it must be so"),
    ("coming soon", "what is not there is not shown"),
    ("Coming soon", "what is not there is not shown"),
    ("lorem ipsum", "write real text"),
    ("Lorem ipsum", "write real text"),
    ("/work/", "a path of one machine"),
    ("/tmp/team", "a path of one machine"),
    ("/home/", "a path of one machine"),
    (
        "registry.npmjs.org",
        "a lock file must serve every mirror: npm's omit-lockfile-registry-resolved",
    ),
    ("this helper", "texts speak of the product"),
];
/// Names that say nothing about what is inside.
const NAMES: [&str; 6] = ["utils", "util", "common", "helpers", "helper", "misc"];
const ENDINGS: [&str; 14] = [
    "rs", "html", "css", "js", "mjs", "ts", "sh", "sql", "py", "md", "toml", "yml", "yaml", "json",
];
/// The list above is not itself an offence.
const LISTS: &str = "tests/tidy";

#[test]
fn no_text_has_a_forbidden_word() {
    let mut findings = Vec::new();
    for path in tree::files(&ENDINGS)
        .into_iter()
        .filter(|path| !path.starts_with(LISTS))
    {
        for (number, line) in tree::text(&path).lines().enumerate() {
            for (word, advice) in WORDS.iter().filter(|(word, _)| line.contains(word)) {
                findings.push(format!("{}:{}: `{word}`: {advice}", path.display(), number + 1));
            }
        }
    }
    report("Forbidden words", &findings);
}

#[test]
fn a_lint_is_only_silenced_with_a_reason() {
    let mut findings = Vec::new();
    for path in tree::files(&["rs"]).into_iter().filter(|path| !path.starts_with(LISTS)) {
        let text = tree::text(&path);
        for start in ["#[allow(", "#![allow(", "#[expect(", "#![expect("] {
            for (position, _) in text.match_indices(start) {
                let attribute = text[position..].split(")]").next().unwrap_or_default();
                if !attribute.contains("reason = ") {
                    let line = text[..position].lines().count().max(1);
                    findings.push(format!("{}:{line}: `{start}…)]` has no reason", path.display()));
                }
            }
        }
    }
    report("Lints without a reason", &findings);
}

#[test]
fn every_module_has_a_name_that_says_something() {
    let findings: Vec<_> = tree::files(&ENDINGS)
        .into_iter()
        .filter(|path| path.iter().any(|part| says_nothing(Path::new(part))))
        .map(|path| format!("{}: a helper lives with its noun", path.display()))
        .collect();
    report("Names that say nothing", &findings);
}

fn says_nothing(part: &Path) -> bool {
    part.file_stem()
        .and_then(|stem| stem.to_str())
        .is_some_and(|stem| NAMES.contains(&stem))
}
