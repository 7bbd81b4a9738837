//! A plugin is a folder, and every such folder looks the same.

use std::fs;
use std::path::Path;

use crate::{report, tree};

const HOME: &str = "plugins/src";
/// The contract with its story, the settings, the behaviour, the manual, what the settings look like from outside, tests.
const FILES: [&str; 6] = [
    "mod.rs",
    "config.rs",
    "filter.rs",
    "README.md",
    "schema.json",
    "tests.rs",
];

#[test]
fn every_plugin_folder_has_the_same_shape() {
    let folders: Vec<_> = tree::entries(HOME).into_iter().filter(|path| path.is_dir()).collect();
    assert!(!folders.is_empty(), "no plugin is in {HOME}");
    let registry = tree::text(Path::new(HOME).join("registry.rs"));
    let root = tree::text(Path::new(HOME).join("lib.rs"));
    let mut findings = Vec::new();
    for folder in folders {
        let name = folder.file_name().unwrap().to_str().unwrap();
        for file in FILES.iter().filter(|file| !folder.join(file).is_file()) {
            findings.push(format!("{HOME}/{name} has no {file}"));
        }
        let manual = fs::read_to_string(folder.join("README.md")).unwrap_or_default();
        let title = format!("# {}", name.replace('_', "-"));
        if manual.lines().next() != Some(title.as_str()) {
            findings.push(format!("{HOME}/{name}/README.md does not begin with `{title}`"));
        }
        if !registry.contains(name) && !root.contains(&format!("{name}::")) {
            findings.push(format!("{name} is not in the registry ({HOME}/registry.rs)"));
        }
    }
    report("A plugin's folder", &findings);
}
