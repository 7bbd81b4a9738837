//! Links in the documents lead somewhere.

use std::path::{Path, PathBuf};

use crate::{report, tree};

#[test]
fn every_link_to_a_file_or_a_heading_resolves() {
    let mut findings = Vec::new();
    for document in tree::files(&["md"]) {
        for link in links(&tree::text(&document)) {
            if let Some(problem) = problem(&document, &link) {
                findings.push(format!("{}: [{link}] {problem}", document.display()));
            }
        }
    }
    report("Dead links", &findings);
}

/// The targets of `[text](target)`, `src="target"` and `srcset="target"` outside of code.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    let mut code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        }
        if code {
            continue;
        }
        // Every second part of a line that is cut at backticks is code.
        for part in line.split('`').step_by(2) {
            links.extend(between(part, "](", ')'));
        }
        links.extend(between(line, "src=\"", '"'));
        links.extend(between(line, "srcset=\"", '"'));
    }
    links
}

fn between(line: &str, start: &str, end: char) -> Vec<String> {
    let parts = line.split(start).skip(1);
    parts
        .filter_map(|part| part.split_once(end))
        .map(|(target, _)| target.trim().to_owned())
        .collect()
}

fn problem(document: &Path, link: &str) -> Option<&'static str> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (file, heading) = link
        .split_once('#')
        .map_or((link, None), |(file, heading)| (file, Some(heading)));
    let target = if file.is_empty() {
        document.to_owned()
    } else {
        beside(document, file)
    };
    if !tree::root().join(&target).exists() {
        return Some("leads to no file");
    }
    let heading = heading.filter(|_| target.extension().is_some_and(|ending| ending == "md"))?;
    let there = tree::text(&target)
        .lines()
        .any(|line| line.starts_with('#') && anchor(line) == heading);
    (!there).then_some("leads to no heading")
}

fn beside(document: &Path, file: &str) -> PathBuf {
    match file.strip_prefix('/') {
        Some(absolute) => PathBuf::from(absolute),
        None => document.parent().unwrap_or(Path::new("")).join(file),
    }
}

/// What GitHub makes of a heading.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words
        .chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

#[test]
fn links_in_code_are_no_links() {
    let text = "[a](one.md) `[b](two.md)` ![c](three.png)\n```\n[d](four.md)\n```\n<img src=\"five.png\">\n<source srcset=\"six.png\">";
    assert_eq!(links(text), ["one.md", "three.png", "five.png", "six.png"]);
}

#[test]
fn a_heading_is_reached_by_its_anchor() {
    assert_eq!(
        anchor("## What's there, and what is not"),
        "whats-there-and-what-is-not"
    );
}
