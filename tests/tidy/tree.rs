//! The files of the repository as a clone has them.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders with what is built, brought or kept by a run, and git's own.
const FOREIGN: [&str; 5] = ["target", "data", "node_modules", "dist", ".git"];
/// The only folder of such a name that is ours.
const OURS: &str = "tests/data";

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files with one of these endings, relative to the root, in order. Scripts have none and count as `sh`.
pub(crate) fn files(endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(root(), &mut found);
    found.retain(|path| endings.contains(&ending(path)));
    found.sort();
    found
}

fn ending(path: &Path) -> &str {
    let script = path.starts_with("scripts") || path.starts_with(".ci");
    path.extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or(if script { "sh" } else { "" })
}

/// The text of a file that is given relative to the root.
pub(crate) fn text(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

/// What is in a folder that is given relative to the root, in order.
pub(crate) fn entries(folder: impl AsRef<Path>) -> Vec<PathBuf> {
    let folder = root().join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in entries(folder) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let relative = path.strip_prefix(root()).unwrap().to_owned();
        if path.is_symlink() || FOREIGN.contains(&name) && relative != Path::new(OURS) {
            continue;
        }
        if path.is_dir() {
            collect(&path, found);
        } else {
            found.push(relative);
        }
    }
}
